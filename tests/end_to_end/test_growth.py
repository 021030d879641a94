"""Nothing is left of what comes and goes; `tests/soak.py` watches for longer, memory included."""

import pytest
from processes import until
from soak import Sizes, churning, measure, soaking

from exporter.polling.poller import MAX_RUNNING

pytestmark = pytest.mark.real


async def test_what_is_gone_leaves_nothing_behind() -> None:
    """After hundreds of polls, good and bad, an exporter whose databases are gone is as small as before they came."""
    async with soaking() as (exporter, simulator):
        empty = await measure(exporter)
        async with churning(exporter, simulator, seed=1):

            async def is_worn() -> bool:
                polls = await exporter.value("planetscale_exporter_poll_delay_seconds_count")
                failures = await exporter.value("planetscale_exporter_poll_failures_total")
                return (polls or 0) >= 600 and (failures or 0) >= 30

            await until(is_worn, lambda: "too little happens", exporter.tell, seconds=60)
            assert (await measure(exporter)).series > empty.series + 500
        left: list[Sizes] = []

        async def is_as_before() -> bool:
            left.append(await measure(exporter))
            return all(getattr(left[-1], name) <= getattr(empty, name) for name in ("tasks", "threads"))

        await until(is_as_before, lambda: f"{left[-1]} of {empty} is left", exporter.tell)
        assert left[-1].files <= empty.files + MAX_RUNNING  # connections that the polls to come may use again
        assert [name for name, _, _ in await exporter.samples() if name.startswith("planetscale_deploy_")] == []
        assert await exporter.value("planetscale_exporter_poll_failures_total", reason="bug") == 0
