"""What targets ask for, and how replicas share it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.plan import Plan, Share
from exporter.polling.snapshot import Key
from exporter.targets import parse

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
COUNTS = st.integers(1, 12)


def plan(*targets: str, share: Share | None = None) -> Plan:
    """The plan for these targets."""
    return Plan(tuple(map(parse, targets)), share or Share())


@given(organization=NAMES, database=NAMES, count=COUNTS)
def test_every_database_is_owned_once(organization: str, database: str, count: int) -> None:
    """However many shares there are, exactly one of them owns a database."""
    assert sum(Share(index, count).owns(organization, database) for index in range(count)) == 1


@given(organization=NAMES, database=NAMES, count=COUNTS)
def test_growing_moves_only_what_the_new_share_takes(organization: str, database: str, count: int) -> None:
    """With one share more, a database stays where it was or goes to the new one."""
    before = [Share(index, count).owns(organization, database) for index in range(count)]
    after = [Share(index, count + 1).owns(organization, database) for index in range(count + 1)]
    assert after[-1] or after[:-1] == before


@pytest.mark.parametrize("count", [2, 3, 10])
def test_shares_are_fairly_even(count: int) -> None:
    """Of 2,000 databases no share gets a third more or less than its part."""
    names = [f"database-{number:04}" for number in range(2000)]
    owned = Counter(index for name in names for index in range(count) if Share(index, count).owns("acme", name))
    assert all(0.67 < owned[index] * count / len(names) < 1.33 for index in range(count))


def test_what_targets_need() -> None:
    """Organisations and globs are listed, names watched, numbers polled: each once, however often it is given."""
    wanted = plan("acme", "acme/*", "acme/shop", "acme/shop", "acme/web/7", "other/x?z", "acme/web/7")
    assert wanted.organizations == ("acme", "other")
    assert wanted.databases == (("acme", "shop"),)
    assert wanted.numbered == {Key("acme", "web", 7)}


def test_excludes_always_win() -> None:
    """An exclude takes databases and numbers from whatever target asks for them, in whichever order they are given."""
    wanted = plan("!acme/shop", "acme", "acme/shop", "acme/shop/1", "acme/web/1", "acme/web/2", "!acme/web/1")
    assert wanted.databases == ()
    assert wanted.numbered == {Key("acme", "web", 2)}
    assert not wanted.watches("acme", "shop")
    assert wanted.watches("acme", "web")
    assert not wanted.keeps(Key("acme", "web", 1))
    assert wanted.keeps(Key("acme", "web", 3))


@given(count=COUNTS, numbers=st.sets(st.integers(1, 99), max_size=20))
def test_shares_divide_numbers_with_their_databases(count: int, numbers: set[int]) -> None:
    """A deploy request named by its number is polled by the share that owns its database."""
    targets = [f"acme/shop-{number % 5}/{number}" for number in numbers]
    plans = [plan(*targets, "acme", share=Share(index, count)) for index in range(count)]
    assert sorted(key for each in plans for key in each.numbered) == sorted(
        Key("acme", f"shop-{number % 5}", number) for number in numbers
    )
    assert all(each.watches(*key.scope) for each in plans for key in each.numbered)
