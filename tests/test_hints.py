"""Webhooks as a wake-up: what is hinted at is polled at once, within the budget, and floods cost nothing."""

import asyncio

import pytest
from polled import TIMING, Polled, most_in_a_minute, polling, simulated
from virtual import VirtualLoop, virtually

from exporter.planetscale.models import DeploymentState
from exporter.polling.snapshot import Key
from exporter.simulator import Webhooks

RARELY = TIMING._replace(discovery_interval=600, woken=True)


async def settled(polled: Polled) -> None:
    """Everything has been asked once."""
    await asyncio.sleep(180)
    assert polled.poller.is_ready


@virtually
async def test_what_is_queued_is_exported_within_five_seconds(loop: VirtualLoop) -> None:
    """However long the intervals are: here ten minutes."""
    simulator = simulated(loop)
    async with polling(loop, simulator, "acme", timing=RARELY) as polled:
        await settled(polled)
        number = simulator.add_deploy_request("acme", "shop", "long_copy", age=3600)
        assert polled.poller.hint(Key("acme", "shop", number))
        await asyncio.sleep(4.9)
        assert polled.keys() == {f"acme/shop/{number}"}


@virtually
async def test_an_event_right_after_a_poll_is_not_lost(loop: VirtualLoop) -> None:
    """The second event of a moment waits until five seconds have passed since the first, and then counts."""
    simulator = simulated(loop)
    async with polling(loop, simulator, "acme/shop", timing=RARELY) as polled:
        await settled(polled)
        polled.poller.hint(Key("acme", "shop", 0))
        await asyncio.sleep(1)
        number = simulator.add_deploy_request("acme", "shop", "long_copy", age=3600)
        polled.poller.hint(Key("acme", "shop", number))
        await asyncio.sleep(4.9)
        assert polled.keys() == {f"acme/shop/{number}"}


@virtually
async def test_a_poll_under_way_may_have_come_too_early(loop: VirtualLoop) -> None:
    """It was asked before the event, so it is asked again after its end."""
    simulator = simulated(loop)
    async with polling(loop, simulator, "acme/shop", timing=RARELY) as polled:
        await settled(polled)
        polled.delays.hold("/deploy-queue", 8.0)
        polled.delays.hold("/deploy-requests", 8.0)
        polled.poller.hint(Key("acme", "shop", 0))
        await asyncio.sleep(2)
        number = simulator.add_deploy_request("acme", "shop", "long_copy", age=3600)
        polled.poller.hint(Key("acme", "shop", number))
        await asyncio.sleep(8)
        assert polled.keys() == {f"acme/shop/{number}"}


@virtually
async def test_a_numbered_deploy_request_is_asked_itself(loop: VirtualLoop) -> None:
    """Its database is not watched, and no other number is anyone's."""
    simulator = simulated(loop)
    number = simulator.add_deploy_request("acme", "shop", "gated", age=0)
    async with polling(loop, simulator, f"acme/shop/{number}", timing=RARELY._replace(interval=600)) as polled:
        await settled(polled)
        before = len(simulator.asked("operations"))
        assert polled.poller.hint(Key("acme", "shop", number))
        assert not polled.poller.hint(Key("acme", "shop", number + 1))
        assert not polled.poller.hint(Key("acme", "other", number))
        await asyncio.sleep(2)
        assert len(simulator.asked("operations")) == before + 1


@virtually
async def test_a_database_that_nobody_knew_is_looked_for(loop: VirtualLoop) -> None:
    """Its first event comes before the next look at the organisation's list."""
    simulator = simulated(loop)
    async with polling(loop, simulator, "acme", "!acme/secret", timing=RARELY) as polled:
        await settled(polled)
        simulator.add_database("acme", "new")
        number = simulator.add_deploy_request("acme", "new", "long_copy", age=3600)
        assert polled.poller.hint(Key("acme", "new", number))
        assert not polled.poller.hint(Key("acme", "secret", 1))
        assert not polled.poller.hint(Key("other", "new", 1))
        await asyncio.sleep(4.9)
        assert polled.keys() == {f"acme/new/{number}"}


@virtually
async def test_a_flood_costs_one_poll_in_five_seconds(loop: VirtualLoop) -> None:
    """A thousand replays of an event a second are two requests in five seconds: queue and list."""
    simulator = simulated(loop)
    async with polling(loop, simulator, "acme/shop", timing=RARELY) as polled:
        await settled(polled)
        before = len(simulator.requests)
        for _ in range(600):
            for _ in range(100):
                polled.poller.hint(Key("acme", "shop", 7))
            await asyncio.sleep(0.1)
        assert len(simulator.requests) - before <= 2 * 13


@virtually
async def test_what_is_told_does_not_wait_for_first_looks(loop: VirtualLoop) -> None:
    """While the first look at many databases takes minutes of the whole budget, an event is exported within seconds."""
    simulator = simulated(loop, *(f"db-{index}" for index in range(600)))
    async with polling(loop, simulator, "acme", timing=RARELY, requests_per_minute=300) as polled:
        await asyncio.sleep(90)
        assert not polled.poller.is_ready
        number = simulator.add_deploy_request("acme", "db-599", "long_copy", age=3600)
        polled.poller.hint(Key("acme", "db-599", number))
        await asyncio.sleep(4.9)
        assert polled.keys() == {f"acme/db-599/{number}"}


@pytest.mark.slow
@virtually
async def test_many_idle_databases_fit_into_the_budget(loop: VirtualLoop) -> None:
    """With webhooks and ten minutes between looks, one process watches 300 databases within 45 requests a minute.

    That is 2,000 within 300, in a seventh of the time. The first look at so many, and at what ended before the start,
    takes more than an hour of a full budget. Then each thing that happens is exported within five seconds of its
    webhook, and polls are rarely a minute late.
    """
    simulator = simulated(loop, *(f"db-{index}" for index in range(300)))
    async with polling(loop, simulator, "acme", timing=RARELY, requests_per_minute=45) as polled:
        await asyncio.sleep(1.5 * 3600)
        webhooks, late, failed = Webhooks(simulator), 0, polled.observer.failures.copy()
        first, asked = len(polled.observer.delays), len(simulator.requests)
        for index in range(0, 300, 15):
            number = simulator.add_deploy_request("acme", f"db-{index}", "long_copy", age=3600)
            for webhook in webhooks.new():
                assert polled.poller.hint(Key(webhook.organization, webhook.database, webhook.number))
            await asyncio.sleep(4.9)
            seen = {status.key: status.state for status in polled.snapshot.deploy_requests}
            late += seen.get(Key("acme", f"db-{index}", number)) is not DeploymentState.IN_PROGRESS
            simulator.close_deploy_request("acme", f"db-{index}", number)
            await asyncio.sleep(90)
        assert late == 0
        delays = polled.observer.delays[first:]
        assert sum(delay >= 60 for delay in delays) < len(delays) / 10
        minutes = (20 * 94.9) / 60
        assert (len(simulator.requests) - asked) / minutes < 45
        assert most_in_a_minute(simulator) <= 45
        assert polled.observer.failures == failed
