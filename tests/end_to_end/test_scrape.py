"""A real Prometheus, an older and a newer one, scrapes the real process."""

import gzip
from pathlib import Path

import pytest
from aiohttp import ClientSession
from alerted import GENERATIONS
from monitoring import FindProgram, monitoring, promtool
from processes import CREDENTIAL, FAST, LOGIN, exporting, planetscale, until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from real import LINTED

from exporter.metrics.families import FAMILIES
from exporter.simulator import SCENARIOS, Simulator

pytestmark = pytest.mark.real
ACCEPTS = {
    "2.42": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "3.5": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
}
COMPLETE = len(FAMILIES)


def everything() -> Simulator:
    """A PlanetScale in which, at once, some deploy request has a value for each family."""
    simulator = Simulator(requests_per_minute=100_000)
    simulator.add_organization("acme", CREDENTIAL)
    for name, state, later in (
        ("sharded", "in_progress", 3600),
        ("throttled", "in_progress", 7200),
        ("drop_in_use", "in_progress", 3600),
        ("gated", "pending_cutover", 3600),
        ("instant", "complete", 60),
        ("revert_window", "complete_pending_revert", 60),
    ):
        simulator.add_database("acme", name)
        simulator.add_deploy_request("acme", name, name, age=SCENARIOS[name].begins(state) + later)
    return simulator


@GENERATIONS
async def test_prometheus_answers_for_every_family(program: FindProgram, tmp_path: Path, *, newer: bool) -> None:
    """`up` is 1, each family that is documented has series, and every shipped rule is evaluated without a fault."""
    argv = ("--target=acme", "--target=acme/throttled/1", *FAST, "--api.requests-per-minute=6000")
    async with (
        planetscale(everything()) as api,
        exporting(*argv, f"--api.url={api.url}", **LOGIN) as exporter,
        monitoring(program, tmp_path, exporter.port, newer=newer) as run,
    ):
        missing = {f"{family.name}_count" if family.type == "histogram" else family.name for family in FAMILIES}
        assert len(missing) == COMPLETE

        async def is_complete() -> bool:
            found = await run.query('count by (__name__) ({__name__=~"planetscale_.+"})')
            missing.difference_update(series["metric"]["__name__"] for series in found)
            return not missing

        await until(is_complete, lambda: f"no series: {sorted(missing)}", exporter.tell)
        for expression in (
            "process_resident_memory_bytes",
            "python_gc_collections_total",
            "python_info",
            "planetscale_exporter_target_up == 1",
            'planetscale_deploy_operation_progress_percentage{database="throttled"} > 20',
            "count(planetscale_deploy_request_up == 1) == 6",
        ):
            await run.finds(expression)
        assert await run.query('{__name__=~".+_created"}') == []

        unwell: list[str] = []

        async def is_evaluated() -> bool:
            unwell[:] = [
                f"{rule['name']}: {rule.get('lastError')}" for rule in await run.rules() if rule["health"] != "ok"
            ]
            return not unwell

        await until(is_evaluated, lambda: f"rules are not well: {unwell}", exporter.tell)
        await run.finds('operation:planetscale_deploy_operation_progress:ratio{database="throttled"} > 0.2')


@GENERATIONS
async def test_promtool_finds_nothing_to_complain_of(program: FindProgram, *, newer: bool) -> None:
    """`promtool check metrics` passes what a real process really says."""
    promtool_path = program("promtool", newer=newer)
    async with (
        planetscale(everything()) as api,
        exporting("--target=acme", f"--api.url={api.url}", *FAST, **LOGIN) as exporter,
    ):
        await exporter.shows(6, "planetscale_deploy_request_up")
        _, page = await exporter.get("/metrics", Accept="text/plain")
    assert await promtool(promtool_path, "check", "metrics", given=page) == (3, LINTED)
    code, said = await promtool(promtool_path, "check", "metrics", given="a_total 1\n")
    assert (code, "no help text" in said) == (3, True)


@pytest.mark.parametrize("accept", ACCEPTS.values(), ids=ACCEPTS)
async def test_what_prometheus_asks_for_is_what_it_gets(accept: str) -> None:
    """OpenMetrics with its end mark, compressed, and the same samples as the plain text that a person sees."""
    async with (
        planetscale(everything()) as api,
        exporting("--target=acme", f"--api.url={api.url}", **LOGIN) as exporter,
    ):
        await exporter.shows(6, "planetscale_deploy_request_up")
        url = f"http://127.0.0.1:{exporter.port}/metrics"
        headers = {"Accept": accept, "Accept-Encoding": "gzip", "X-Prometheus-Scrape-Timeout-Seconds": "10"}
        async with ClientSession(auto_decompress=False) as client, client.get(url, headers=headers) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            page = gzip.decompress(await answer.read()).decode()
        assert page.endswith("# EOF\n")
        _, text = await exporter.get("/metrics", Accept="text/plain")
    pages = [
        {
            (sample.name, *sorted(sample.labels.items()))
            for family in read(content)
            for sample in family.samples
            if sample.name.startswith("planetscale_deploy_")
        }
        for read, content in ((read_openmetrics, page), (read_text, text))
    ]
    assert pages[0] == pages[1] != set()
