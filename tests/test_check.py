"""The `check` command against a simulated PlanetScale: what it prints, and its exit code."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from exporter.check import check
from exporter.cli import configure
from exporter.simulator import Fault, Simulator, create_app, large_fleet

TOKEN = "pscale_tkn_s3cr3t"


@pytest.fixture
def simulator() -> Simulator:
    """Two organisations, of which one has a copy under way, a deploy request that is over, and an idle database."""
    made = Simulator()
    for organization in ("acme", "empty"):
        made.add_organization(organization)
        made.grant(f"abc:{TOKEN}", organization)
    for name in ("shop", "web"):
        made.add_database("acme", name)
    made.add_database("acme", "analytics", "postgresql")
    made.add_deploy_request("acme", "shop", "long_copy", age=86400)
    made.add_deploy_request("acme", "web", "finished")
    return made


Check = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def checked(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> Check:
    """Give `checked(*targets, **settings)`: the exit code of `check` and the lines it prints."""

    async def ask(targets: tuple[str, ...], settings: dict[str, str], served: Simulator | None) -> int:
        runner = web.AppRunner(create_app(served or simulator))
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            flags = {"api.url": f"http://127.0.0.1:{port}/v1"} | settings
            argv = [
                *(f"--target={target}" for target in targets),
                *(f"--{name}={value}" for name, value in flags.items()),
            ]
            environ = {"PLANETSCALE_SERVICE_TOKEN_ID": "abc", "PLANETSCALE_SERVICE_TOKEN": TOKEN}
            return await check(*configure(["check", *argv], environ))
        finally:
            await runner.cleanup()

    def run(*targets: str, served: Simulator | None = None, **settings: str) -> tuple[int, list[str]]:
        renamed = {name.replace("__", ".").replace("_", "-"): value for name, value in settings.items()}
        code = asyncio.run(ask(targets, renamed, served))
        printed = capsys.readouterr()
        assert TOKEN not in printed.out + printed.err
        assert "abc:" not in printed.out + printed.err
        assert printed.err == ""
        return code, printed.out.splitlines()

    return run


def test_all_is_well(checked: Check) -> None:
    """What would be polled, the budget it takes and how fresh values will be: exit 0."""
    assert checked("acme", "acme/web/1", "empty") == (
        0,
        [
            "acme: 3 databases",
            "acme: analytics not polled: only MySQL databases have deploy requests",
            "empty: 0 databases",
            "acme/shop: 1 deploy request in the queue",
            "acme/web: 0 deploy requests in the queue",
            "acme/web/1: nothing moves",
            "request budget: about 8 a minute needed, 300 allowed: enough",
            "values of what moves get at most about 30s old",
        ],
    )


def test_nothing_more_is_asked_than_the_plan_names(checked: Check, simulator: Simulator) -> None:
    """One request for each listing, queue and deploy request; excludes and other databases are left alone."""
    code, _ = checked("acme", "!acme/web", "acme/shop/1")
    assert code == 0
    asked = sorted((asked.endpoint, asked.database) for asked in simulator.requests)
    assert asked == [("databases", ""), ("deploy_queue", "shop"), ("operations", "shop")]


def test_a_refusal_is_named_and_stops_no_other(checked: Check) -> None:
    """Exit 1, a line for what was refused that says what mends it, and a budget that does not pretend."""
    code, lines = checked("acme/shop", "acme/missing", "acme/web/9", "other")
    assert code == 1
    assert lines[0] == "acme/shop: 1 deploy request in the queue"
    assert (
        lines[1]
        == "request budget: about 3 a minute needed for what answered, 300 allowed: not known for what was refused"
    )
    (refused,) = lines[2:]
    assert refused.startswith("acme/missing, acme/web/9, other: PlanetScale answered 404;")
    assert "check the target's spelling" in refused


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "PLANETSCALE_SERVICE_TOKEN"), (403, "read_databases"), (500, "api.url")]
)
def test_a_listing_that_fails(checked: Check, simulator: Simulator, status: int, hint: str) -> None:
    """Exit 1, and the message says what to look at."""
    simulator.fail(Fault("databases", status=status))
    code, lines = checked("acme")
    assert code == 1
    assert lines[-1].startswith(f"acme: PlanetScale answered {status}")
    assert hint in lines[-1]


def test_planetscale_can_not_be_reached(checked: Check) -> None:
    """Exit 1 and the reason."""
    code, lines = checked("acme", "empty", api__url="http://127.0.0.1:1/v1")
    assert code == 1
    assert lines[-1].startswith("acme, empty: no answer: the connection was refused;")


def test_a_silent_server_times_out(checked: Check, simulator: Simulator) -> None:
    """Exit 1 once `api.timeout` has passed."""
    simulator.fail(Fault(hang=True))
    code, lines = checked("acme/shop", api__timeout="100ms")
    assert code == 1
    assert "api.timeout" in lines[-1]


def test_the_budget_is_too_small(checked: Check) -> None:
    """Exit 1, what it takes, and how old values get with what is allowed."""
    served = large_fleet(databases=30, deploy_requests=60, operations=1)
    served.grant(f"abc:{TOKEN}", "large")
    code, lines = checked("large", served=served, api__requests_per_minute="60")
    assert code == 1
    verdict = "too small: raise api.requests_per_minute or the intervals"
    assert lines[-2] == f"request budget: about 91 a minute needed, 60 allowed: {verdict}"
    first = "what moves comes first: its values get at most about 38s old"
    assert lines[-1] == f"{first}; all else is polled 2.6 times as rarely as configured"
    assert sum(line.startswith("large/") for line in lines) == 30


def test_a_huge_organisation_is_not_asked_whole(checked: Check) -> None:
    """As many requests as a minute allows: what is not asked is counted, taken to be like the rest, and said."""
    served = large_fleet(databases=400, deploy_requests=400, operations=1)
    served.grant(f"abc:{TOKEN}", "large")
    code, lines = checked("large", "large/database-0000/1", served=served, api__requests_per_minute="100")
    assert code == 1
    assert len(served.requests) == 100
    assert "305 databases more to poll, not asked now: that would take over a minute" in lines
    assert "request budget: about 1210 a minute needed" in lines[-2]


def test_many_numbers_are_not_asked_whole(checked: Check, simulator: Simulator) -> None:
    """Likewise for deploy requests that are named by their numbers."""
    targets = [f"acme/shop/{number}" for number in range(1, 60)]
    for _ in range(60):
        simulator.add_deploy_request("acme", "shop", "long_copy", age=86400)
    code, lines = checked(*targets, api__requests_per_minute="20")
    assert code == 1
    assert len(simulator.requests) == 20
    assert "39 deploy requests more to poll, not asked now: that would take over a minute" in lines


def test_a_share_checks_only_what_it_polls(checked: Check, simulator: Simulator) -> None:
    """Each replica asks about its own databases; together they ask about all."""
    for index in range(2):
        assert checked("acme", shard__count="2", shard__index=str(index))[0] == 0
    assert sorted(asked.database for asked in simulator.asked("deploy_queue")) == ["shop", "web"]


def test_a_glob_that_matches_nothing_is_named(checked: Check) -> None:
    """It is no failure, for databases come and go, but nobody takes it for well."""
    assert checked("acme/shpo-*", "acme/anal*") == (
        0,
        [
            "acme: 3 databases",
            "acme: analytics not polled: only MySQL databases have deploy requests",
            "request budget: about 1 a minute needed to look for databases, 300 allowed: there is nothing to poll now",
            "acme/shpo-*: no database has such a name now: nothing is polled for this target",
            "acme/anal*: no database has such a name now: nothing is polled for this target",
        ],
    )


def test_the_source_of_refused_credentials_is_named(checked: Check, tmp_path: Path) -> None:
    """Whoever has to mend the credentials reads where they stand."""
    (tmp_path / "token").write_text("wrong")
    (tmp_path / "file.yml").write_text("credentials: {acme: {access_token_file: token}}")
    code, lines = checked("acme", "empty", config_file=str(tmp_path / "file.yml"))
    assert code == 1
    assert lines[-1].startswith("acme: PlanetScale answered 401; ")
    assert lines[-1].endswith(f": check {tmp_path / 'file.yml'}: credentials.acme.access_token_file")


def test_what_is_refused_alike_is_one_line(checked: Check, simulator: Simulator) -> None:
    """A token that may see no database says so once."""
    simulator.fail(Fault("deploy_queue", status=403))
    code, lines = checked("acme")
    assert code == 1
    assert [line for line in lines if "403" in line] == [lines[-1]]
    assert lines[-1].startswith("acme/shop, acme/web: PlanetScale answered 403; the token lacks an access")
