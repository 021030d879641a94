"""The page that Prometheus scrapes: byte for byte what the client library would write, only faster."""

import gzip
import json
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from real import LINTED
from reference import Reference
from snapshots import known, snapshot, status

from exporter.metrics.exposition import Exposition
from exporter.metrics.families import FINISHED, FINISHED_RESULTS, RUN_SECONDS
from exporter.metrics.own import OwnSeries, live_registry
from exporter.planetscale.models import DeploymentState
from exporter.polling.snapshot import (
    BOUNDS,
    DatabaseStatus,
    DeployRequestStatus,
    Durations,
    Ended,
    Key,
    Snapshot,
    TargetStatus,
    Watched,
)

HERE = Path(__file__).parent
KEY = Key("acme", "shop", 41)

TEXT_1 = "text/plain;version=1.0.0;escaping=allow-utf-8"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
ACCEPTS = {
    "none": "",
    "any": "*/*",
    "text 1.0.0": TEXT_1,
    "openmetrics": OPENMETRICS,
    "openmetrics utf-8": f"{OPENMETRICS};escaping=allow-utf-8;q=0.6",
    "openmetrics without version": "application/openmetrics-text",
    "prometheus 2.42": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "prometheus 3.5": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
}
every_accept = pytest.mark.parametrize("accept", ACCEPTS.values(), ids=ACCEPTS.keys())


def own_series() -> CollectorRegistry:
    """Make a registry with own series that are the same at every scrape."""
    return OwnSeries(version="1", revision="abc").registry


def body(of: Snapshot, accept: str = "", names: Sequence[str] = (), *, ddl: bool = True) -> str:
    """Scrape the families of a snapshot alone."""
    return Exposition(CollectorRegistry(), ddl=ddl).render(of, accept, "", names).body.decode()


def names_of(text: str) -> set[str]:
    """List the names of all samples on a page."""
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def payload(name: str) -> dict[str, Any]:
    """Read what PlanetScale could have answered."""
    found: dict[str, Any] = json.loads((HERE / "payloads" / f"{name}.json").read_text())
    return found


# What the API may send: right, missing, odd and hostile values, few enough names to collide.
TEXTS = st.one_of(
    st.sampled_from(["", "main", 'a"b', "c\\", "\\n", "d\ne", "ü€𝄞", '{x="1"} 2\n# EOF', "\ud800", "\x00", "%s{0}"]),
    st.text(max_size=8),
)
ODD: st.SearchStrategy[Any] = st.sampled_from([None, "", "67", True, -1, 1e999, float("nan"), [], {}])
NUMBERS = st.one_of(st.integers(0, 100), st.floats(0, 1e7), ODD)
TIMES = st.one_of(
    st.datetimes().map(lambda time: f"{time.isoformat()}Z"), st.sampled_from(["2026-07-30T02:47:30.76Z"]), ODD
)
FLAGS = st.one_of(st.booleans(), ODD)
OPERATION_STATES = st.one_of(st.sampled_from(["pending", "in_progress", "error", "paused"]), ODD)
SHARED = {
    "id": st.one_of(st.sampled_from(["a", "b", 3]), TEXTS, ODD),
    "state": OPERATION_STATES,
    "progress_percentage": NUMBERS,
    "eta_seconds": NUMBERS,
}
OPERATION = SHARED | {
    "keyspace_name": TEXTS,
    "table_name": TEXTS,
    "operation_name": TEXTS,
    "created_at": TIMES,
    "updated_at": TIMES,
    "throttled_at": TIMES,
    "can_drop_data": FLAGS,
    "table_locked": FLAGS,
    "table_recently_used": FLAGS,
    "table_recently_used_at": TIMES,
    "removed_foreign_key_names": st.one_of(st.lists(TEXTS, max_size=2), ODD),
    "ddl_statement": TEXTS,
    "deploy_errors": st.one_of(TEXTS, ODD),
    "deploy_error_docs_url": TEXTS,
}


def objects(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Make objects with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


SHARD = SHARED | {"shard": st.sampled_from(["", "-80", "80-", 'x"\n'])}
SUMMARY = OPERATION | {"sharded": FLAGS, "operations": st.lists(objects(SHARD), max_size=3)}
DEPLOYMENT = {
    "state": st.one_of(st.sampled_from(["queued", "in_progress", "complete", "new"]), ODD),
    "strategy": TEXTS,
    "queued_at": TIMES,
    "started_at": TIMES,
    "finished_at": TIMES,
    "ready_to_cutover_at": TIMES,
    "auto_cutover": FLAGS,
    "cutover_expiring": FLAGS,
    "queue_paused": FLAGS,
    "table_locked": FLAGS,
    "instant_ddl": FLAGS,
    "preceding_deployments": st.one_of(st.lists(objects({}), max_size=3), ODD),
    "deploy_operation_summaries": st.lists(objects(SUMMARY), max_size=3),
}
REQUEST = {
    "branch": TEXTS,
    "into_branch": TEXTS,
    "html_url": TEXTS,
    "approved": FLAGS,
    "created_at": TIMES,
    "deployment": objects(DEPLOYMENT),
}
PAYLOADS = objects(
    {
        "operations": st.fixed_dictionaries({"data": st.lists(objects(OPERATION), max_size=4)}),
        "request": objects(REQUEST),
        "throttler": st.fixed_dictionaries(
            {"configurations": st.lists(objects({"keyspace_name": TEXTS, "ratio": NUMBERS}), max_size=3)}
        ),
    }
)
KEYS = st.builds(Key, st.sampled_from(["acme", "b-2"]), st.sampled_from(["shop", "x.y_z"]), st.integers(1, 99))
STATUSES = st.builds(lambda key, what, failed: status(key, what, failed=failed), KEYS, PAYLOADS, st.booleans())
TARGETS = st.builds(
    TargetStatus, st.sampled_from(["acme", "acme/shop", "acme/*"]), st.sampled_from([None, True, False])
)
OF_A_DATABASE = (st.sampled_from(["acme", "b-2"]), st.sampled_from(["shop", "x.y_z"]))
DATABASES = st.builds(
    DatabaseStatus,
    *OF_A_DATABASE,
    st.sampled_from([None, True, False]),
    st.dictionaries(st.sampled_from(DeploymentState), st.integers(0, 9), max_size=2),
)
DURATIONS = st.none() | st.lists(st.floats(0, 1e6), max_size=3).map(
    lambda seconds: reduce(Durations.and_one, seconds, Durations())
)
ENDED = st.builds(
    Ended,
    *OF_A_DATABASE,
    st.dictionaries(st.sampled_from(FINISHED_RESULTS), st.integers(0, 9)),
    DURATIONS,
    DURATIONS,
)


def of_databases(
    each: st.SearchStrategy[DatabaseStatus] | st.SearchStrategy[Ended],
) -> st.SearchStrategy[list[Any]]:
    """Make some for different databases."""
    return st.lists(each, max_size=3, unique_by=lambda one: (one.organization, one.database))


SNAPSHOTS = st.builds(
    lambda statuses, targets, databases, ended: replace(
        snapshot(*statuses, targets=targets), databases=tuple(databases), ended=tuple(ended)
    ),
    st.lists(STATUSES, max_size=4, unique_by=lambda each: each.key),
    st.lists(TARGETS, max_size=3),
    of_databases(DATABASES),
    of_databases(ENDED),
)


# A busy machine is no failure: no time is limited but pytest's own.
SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow])


@given(of=SNAPSHOTS, ddl=st.booleans())
@SETTINGS
def test_the_page_is_what_the_client_library_writes(of: Snapshot, ddl: bool) -> None:
    """In every format, whatever a snapshot holds, each byte and the content type are the client library's."""
    alone = CollectorRegistry()
    alone.register(Reference(of, ddl=ddl))
    own = OwnSeries(version="1", revision="abc")
    exposition = Exposition(own.registry, ddl=ddl)
    for accept in ACCEPTS.values():
        encoder, content_type = choose_encoder(accept)
        whole = encoder(alone).removesuffix(b"# EOF\n") + encoder(own.registry)
        assert exposition.render(of, accept, "", ()) == ((whole,), content_type, None)


@given(of=SNAPSHOTS)
@SETTINGS
def test_any_snapshot_makes_a_valid_page(of: Snapshot) -> None:
    """Both parsers read it, no sample is doubled or no number, one state is current, and nothing is invented."""
    openmetrics = parse_openmetrics(body(of, OPENMETRICS))  # type: ignore[no-untyped-call] # not annotated there
    pages = [parse_text(body(of)), openmetrics]
    for families in ({family.name: family.samples for family in page} for page in pages):
        for name, samples in families.items():
            labels = [tuple(sorted(sample.labels.items())) for sample in samples]
            assert len({(sample.name, each) for sample, each in zip(samples, labels, strict=True)}) == len(labels)
            assert all(abs(sample.value) < 1e18 for sample in samples)
            if name.endswith("_state"):
                assert_one_is_current(labels, [sample.value for sample in samples])
        assert len(families["planetscale_deploy_operation_state"]) == 7 * of.operations
        for name, field in (("progress_percentage", "progress"), ("eta_seconds", "eta")):
            given_values = [getattr(each.operation, field) for row in of.deploy_requests for each in row.watched]
            assert [sample.value for sample in families[f"planetscale_deploy_operation_{name}"]] == [
                value for value in given_values if value is not None
            ]


def assert_one_is_current(labels: list[tuple[tuple[str, str], ...]], values: list[float]) -> None:
    """Of the samples that differ in their state only, one is 1 and the others are 0."""
    current: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for each, value in zip(labels, values, strict=True):
        current.setdefault(tuple(pair for pair in each if pair[0] != "state"), []).append(value)
    assert all(sorted(found) == [*[0.0] * (len(found) - 1), 1.0] for found in current.values())


@pytest.mark.parametrize("name", ["mid_copy", "sharded"])
def test_golden_page(name: str) -> None:
    """What PlanetScale answered in the middle of a copy, and for shards, makes exactly this text."""
    found = payload(name)
    key = Key("acme", "shop", found["request"]["number"])
    of = snapshot(status(key, found), targets=[TargetStatus("acme/shop", up=True)])
    assert body(of) == (HERE / "golden" / f"{name}.prom").read_text()


@pytest.mark.real
@pytest.mark.parametrize("name", ["mid_copy", "sharded"])
def test_promtool_finds_nothing(program: Callable[..., Path], name: str) -> None:
    """Prometheus's own linter has nothing to say but of the one name that it can't know."""
    own = OwnSeries(version="1", revision="abc")
    exposition = Exposition(live_registry(float), own, ddl=True)
    page = exposition.render(snapshot(status(KEY, payload(name))), "", "", ())
    found = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page.body, capture_output=True, timeout=30, check=False
    )
    assert (found.stdout.decode() + found.stderr.decode(), found.returncode) == (LINTED, 3)


def test_shards_that_cannot_be_told_apart_are_one() -> None:
    """Two summaries with the same names and the same row would double samples: the first stays, whole."""
    row = {"id": "row", "shard": "-80", "state": "queued"}
    summaries = [
        {"id": "1", "sharded": True, "operations": [row]},
        {"id": "2", "sharded": True, "operations": [row | {"state": "complete", "progress_percentage": 50}]},
    ]
    page = body(snapshot(status(KEY, {"request": {"deployment": {"deploy_operation_summaries": summaries}}})))
    current = [line for line in page.splitlines() if "_shard_state{" in line and line.endswith(" 1.0")]
    assert len(current) == 1
    assert 'state="queued"' in current[0]
    assert "_shard_progress_percentage{" not in page


def test_families_without_samples_keep_their_headlines() -> None:
    """A family of which nothing is known shows its HELP and TYPE, so that one sees what there could be."""
    lines = body(Snapshot()).splitlines()
    assert "# TYPE planetscale_deploy_operation_state gauge" in lines
    assert names_of("\n".join(lines)) == {"planetscale_exporter_deploy_requests", "planetscale_exporter_operations"}


@every_accept
def test_one_end_mark(accept: str) -> None:
    """OpenMetrics pages end with the one `# EOF`; the others have none."""
    page = Exposition(own_series(), ddl=True).render(snapshot(status(KEY, payload("mid_copy"))), accept, "", ())
    assert page.body.count(b"# EOF") == ("openmetrics" in page.content_type)
    assert page.body.endswith(b"# EOF\n") == ("openmetrics" in page.content_type)


@pytest.mark.parametrize(
    "accept",
    [
        f"{kind};version={version};escaping={escaping}"
        for kind in ("application/openmetrics-text", "text/plain")
        for version in ("1.0.0", "2.0.0", "abc", "1.x", "", "9\udcff", '"1.0.0"')
        for escaping in ("dots", "values", "nonsense", "allow-utf-8")
    ],
)
def test_only_formats_that_are_written_are_promised(accept: str) -> None:
    """Whatever a scraper asks for, the content type names a format, a version and an escaping that the page has."""
    page = Exposition(own_series(), ddl=True).render(Snapshot(), accept, "", ())
    assert page.content_type in {
        "text/plain; version=0.0.4; charset=utf-8",
        "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
        "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    }
    assert b"\nplanetscale_exporter_poll_delay_seconds_count 0.0\n" in page.body


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["planetscale_deploy_operation_failed"], {"planetscale_deploy_operation_failed"}),
        (["planetscale_exporter_poll_delay_seconds_bucket"], {"planetscale_exporter_poll_delay_seconds_bucket"}),
        (["planetscale_exporter_api_requests_total"], {"planetscale_exporter_api_requests_total"}),
        (
            ["planetscale_exporter_operations", "planetscale_exporter_api_requests_total"],
            {"planetscale_exporter_operations", "planetscale_exporter_api_requests_total"},
        ),
        (["planetscale_deploy_request_finished_timestamp_seconds"], set()),
        (["planetscale_deploy_operation"], set()),
    ],
)
@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_names_restrict_the_page(names: list[str], expected: set[str], accept: str) -> None:
    """With `name[]` a page is what the client library's restricted registry gives, for snapshot and own series."""
    of = snapshot(status(KEY, payload("mid_copy")))
    whole = own_series()
    whole.register(Reference(of))
    encoder, _ = choose_encoder(accept)
    page = Exposition(own_series(), ddl=True).render(of, accept, "", names).body.decode()
    assert names_of(page) == expected
    assert sorted(page.splitlines()) == sorted(encoder(whole.restricted_registry(names)).decode().splitlines())


@pytest.mark.parametrize(
    ("accept_encoding", "encoding"),
    [("", None), ("identity", None), ("gzip", "gzip"), ("deflate, GZIP;q=0.5", "gzip"), ("br", None)],
)
def test_pages_are_compressed_for_those_who_can_read_it(accept_encoding: str, encoding: str | None) -> None:
    """Gzip is used where it is accepted, and the page is the same page."""
    of = snapshot(status(KEY, payload("mid_copy")))
    page = Exposition(CollectorRegistry(), ddl=True).render(of, "", accept_encoding, ())
    assert page.content_encoding == encoding
    assert (gzip.decompress(page.body) if encoding else page.body).decode() == body(of)


class Observed(DeployRequestStatus):
    """A deploy request that tells when its lines are written."""

    asked: ClassVar[set[DeployRequestStatus]] = set()

    @property
    def watched(self) -> tuple[Watched, ...]:
        """Give the operations, and remember who was asked for them."""
        self.asked.add(self)
        return super().watched


def test_pieces_are_kept_as_long_as_the_database_is_the_same() -> None:
    """A database is written when something in it is new, not for every scrape, and forgotten when it has gone."""
    exposition = Exposition(CollectorRegistry(), ddl=True)

    def written(*statuses: DeployRequestStatus) -> set[DeployRequestStatus]:
        of = snapshot(*statuses)
        Observed.asked.clear()
        page = exposition.render(of, "", "", ())
        asked = {*Observed.asked}
        assert page.body.decode() == body(of)
        return asked

    first, other = (Observed(Key("acme", name, 1), configured=True) for name in ("shop", "web"))
    assert written(first, other) == {first, other}
    assert written(first, other) == set()
    assert written(other, first) == set()
    changed = replace(other, operations=known(()))
    assert written(first, changed) == {changed}
    assert written(first) == set()
    assert written(first, changed) == {changed}


@given(
    changes=st.lists(
        st.tuples(st.dictionaries(KEYS, st.one_of(st.none(), PAYLOADS), max_size=3), st.lists(TARGETS, max_size=2)),
        min_size=2,
        max_size=6,
    ),
    kept_up=st.sets(st.integers(0, 5)),
    hides=st.integers(0, 5),
)
@SETTINGS
def test_pages_follow_any_sequence_of_changes(
    changes: list[tuple[dict[Key, dict[str, Any] | None], list[TargetStatus]]], kept_up: set[int], hides: int
) -> None:
    """Whatever comes, changes and goes, written ahead or not, each page is what one written from nothing is."""
    exposition = Exposition(own_series(), ddl=True)
    statuses: dict[Key, DeployRequestStatus] = {}
    for step, (payloads, targets) in enumerate(changes):
        for key, found in payloads.items():
            if found is None:
                statuses.pop(key, None)
            else:
                statuses[key] = status(key, found)
        of = snapshot(*statuses.values(), targets=targets)
        exposition.ddl = step < hides
        if step in kept_up:
            exposition.keep_up(of)
        for accept in ("", OPENMETRICS):
            page = exposition.render(of, accept, "gzip", ())
            expected = Exposition(own_series(), ddl=step < hides).render(of, accept, "", ())
            assert gzip.decompress(page.body) == expected.body
            assert page.body.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff") == 1  # browsers read one member only


@given(
    ends=st.lists(
        st.tuples(
            st.sampled_from(["shop", 'a"b\\\n', "shop-2"]),
            st.sampled_from(FINISHED_RESULTS),
            st.none() | st.floats(0, 1e6) | st.sampled_from(BOUNDS[:-1]),
        ),
        max_size=20,
    )
)
@SETTINGS
def test_ends_add_up_as_in_the_client_library(ends: list[tuple[str, str, float | None]]) -> None:
    """Counters and histograms of what ended are, in every format, those of the client library that saw the same."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # not annotated there
    registry = CollectorRegistry()
    counter = Counter(FINISHED.name, FINISHED.help, FINISHED.labels, registry=registry)
    histogram = Histogram(RUN_SECONDS.name, RUN_SECONDS.help, RUN_SECONDS.labels, registry=registry, buckets=BOUNDS)
    ended: dict[str, Ended] = {}
    for database, result, seconds in ends:
        if (known := ended.get(database)) is None:
            known = Ended("acme", database, run=Durations())
            histogram.labels("acme", database)
            for each in FINISHED_RESULTS:
                counter.labels("acme", database, each)
        counter.labels("acme", database, result).inc()
        results = {**known.results, result: known.results.get(result, 0) + 1}
        if seconds is not None:
            histogram.labels("acme", database).observe(seconds)
            known = replace(known, run=(known.run or Durations()).and_one(seconds))
        ended[database] = replace(known, results=results)
    of = Snapshot(ended=tuple(ended.values()))
    exposition = Exposition(CollectorRegistry(), ddl=True)
    for accept in ACCEPTS.values():
        encoder, _ = choose_encoder(accept)
        assert encoder(registry).removesuffix(b"# EOF\n") in exposition.render(of, accept, "", ()).body
        for names in ([FINISHED.name], [f"{RUN_SECONDS.name}_sum", f"{RUN_SECONDS.name}_bucket"], [RUN_SECONDS.name]):
            assert exposition.render(of, accept, "", names).body == encoder(registry.restricted_registry(names))


TOLD: dict[str, Callable[[OwnSeries], None]] = {
    "request_ended": lambda own: own.request_ended("operations", "500", 1.0),
    "poll_started": lambda own: own.poll_started(1.0),
    "poll_failed": lambda own: own.poll_failed("network"),
    "skipped": lambda own: own.skipped("capped", 2),
    "webhook_came": lambda own: own.webhook_came("", "invalid"),
    "budget": lambda own: own.budget(300),
    "shard": lambda own: own.shard(1, 2),
    "reloaded": lambda own: own.reloaded(ok=True, at=5.0),
}


def test_whatever_is_told_is_on_the_next_page() -> None:
    """Pages are kept until something is told, and no way to tell something is forgotten here."""
    assert set(TOLD) == {name for name, value in vars(OwnSeries).items() if callable(value) and name[0] != "_"}
    own = OwnSeries(version="1", revision="abc")
    exposition = Exposition(CollectorRegistry(), own, ddl=True)
    encoder, _ = choose_encoder("")
    page = exposition.render(Snapshot(), "", "", ()).body
    for name, tell in TOLD.items():
        tell(own)
        before, page = page, exposition.render(Snapshot(), "", "", ()).body
        assert page != before, name
        assert page.endswith(encoder(own.registry)), name


class Counting(Collector):
    """A collector that notes how often it was asked."""

    def __init__(self, asked: list[None]) -> None:
        self._asked = asked

    def describe(self) -> list[Metric]:
        """No families."""
        return []

    def collect(self) -> list[Metric]:
        """Note it."""
        self._asked.append(None)
        return []


def test_ddl_can_be_hidden_by_a_reload() -> None:
    """When `metrics.ddl` changes, the next page follows, also for deploy requests that have not changed."""
    of = snapshot(status(KEY, payload("mid_copy")))
    exposition = Exposition(CollectorRegistry(), ddl=True)
    assert 'ddl_statement="ALTER' in exposition.render(of, "", "", ()).body.decode()
    exposition.ddl = False
    assert exposition.render(of, "", "", ()).body.decode() == body(of, ddl=False)
    assert "ALTER TABLE" not in body(of, ddl=False)


def test_threads_may_scrape_at_once() -> None:
    """Concurrent scrapes of different snapshots each get the page of theirs."""
    snapshots = [snapshot(status(Key("acme", "shop", number), payload("mid_copy"))) for number in range(1, 5)]
    expected = [body(each) for each in snapshots]
    exposition = Exposition(CollectorRegistry(), ddl=True)
    together = threading.Barrier(4)

    def scrape(of: Snapshot) -> list[str]:
        together.wait()
        return [exposition.render(of, "", "", ()).body.decode() for _ in range(20)]

    with ThreadPoolExecutor(4) as threads:
        pages = [*threads.map(scrape, snapshots)]
    assert pages == [[page] * 20 for page in expected]
