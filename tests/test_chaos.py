"""Short forms of `make chaos` and `make fuzz`: what goes wrong and what is odd leaves alive, truthful and small."""

import pytest
from chaos import BUDGET, chaos_for
from fuzz import expected, fuzz
from virtual import VirtualLoop, virtually


@pytest.mark.slow
@virtually
async def test_an_hour_of_chaos_ends_well(loop: VirtualLoop) -> None:
    """What is exported is what PlanetScale said, the budget holds, and afterwards all is as it was."""
    report = await chaos_for(loop, hours=1, seed=3)
    assert report.wrong == []
    assert report.compared > 200
    assert report.failures.total() > 50
    assert 0 < report.most <= BUDGET
    assert report.tasks[0] == report.tasks[-1]
    assert report.descriptors[0] == report.descriptors[-1]


@virtually
async def test_no_mutated_answer_leads_to_a_wrong_value(loop: VirtualLoop) -> None:
    """Each is a failed poll, or exactly the values that it gives."""
    report = await fuzz(loop, answers=1000, seed=5)
    assert report.wrong == []
    assert report.compared > 100
    assert report.failures["invalid"] > 20


def test_the_fuzzers_own_rules_are_the_contracts() -> None:
    """What the page is compared with is told from the answer alone."""
    assert expected(b"{") is None
    assert expected(b'{"data": 7}') is None
    assert expected(b'{"data": [{"id": "a", "state": "new", "progress_percentage": 101, "eta_seconds": -1}]}') == {
        "a": {"state unknown": 1.0, "failed": 0.0}
    }
