"""What a scrape costs; `make bench` prints times, and how many times faster than a section's base they are.

No limit is set on anything: a machine's speed is not the project's. A new section is a function that yields lines, and
an entry in SECTIONS.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from bench_dashboards import costs
from bench_polls import POLLS, of_a_fleet
from bench_scrapes import measure
from prometheus_client import CollectorRegistry, generate_latest
from reference import Reference
from snapshots import snapshot, status

from exporter.metrics.exposition import Exposition
from exporter.metrics.own import OwnSeries
from exporter.polling.snapshot import Key, Snapshot, TargetStatus

OPERATIONS_EACH: Final = 5


class Line(NamedTuple):
    """What was measured, in seconds; whether the lines below are compared with it; a remark."""

    what: str
    seconds: float
    base: bool = False
    remark: str = ""


def best(run: Callable[[], object], rounds: int = 3) -> float:
    """Give the shortest time of a few: what others on the machine do only adds to it."""
    times = []
    for _ in range(rounds):
        gc.collect()
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def fleet(operations: int) -> Snapshot:
    """Make deploy requests in the middle of copies, with every value that PlanetScale can give."""
    return snapshot(
        *(
            status(Key("acme", f"database-{number % 40}", number), _payload(number))
            for number in range(1, operations // OPERATIONS_EACH + 1)
        ),
        targets=[TargetStatus("acme", up=True)],
    )


def _payload(number: int) -> dict[str, object]:
    at = f"2026-07-30T{number % 24:02}:{number % 60:02}:01.738Z"
    deployment = {"state": "in_progress", "strategy": "serial", "started_at": at, "queued_at": at}
    rows = [
        {
            "id": f"{number * 7919 + row:012x}",
            "state": "in_progress",
            "keyspace_name": "commerce",
            "table_name": f"table_{number}_{row}",
            "operation_name": "ALTER",
            "eta_seconds": number + 10 * row,
            "progress_percentage": (number + row) % 100,
            "ddl_statement": f"ALTER TABLE `table_{number}_{row}` ADD COLUMN `note` varchar(255) NOT NULL DEFAULT ''",
            "created_at": at,
            "updated_at": at,
            "throttled_at": at,
            "table_recently_used_at": at,
            "can_drop_data": False,
            "table_locked": False,
            "table_recently_used": True,
            "removed_foreign_key_names": [],
        }
        for row in range(OPERATIONS_EACH)
    ]
    return {
        "operations": {"data": rows},
        "request": {"branch": "add-note", "into_branch": "main", "created_at": at, "deployment": deployment},
    }


def partly_new(of: Snapshot) -> Snapshot:
    """Make the snapshot after a poll of every tenth database."""
    databases = {
        scope: tuple(map(replace, statuses)) if position % 10 == 0 else statuses
        for position, (scope, statuses) in enumerate(of.by_database.items())
    }
    return replace(of, by_database=databases)


def scrape() -> Iterator[Line]:
    """Compare a page with the client library's own way to write it."""
    registry = OwnSeries(version="0", revision="0").registry
    for count in (1_000, 5_000):
        yield from _scrape(fleet(count), registry)


def _scrape(of: Snapshot, registry: CollectorRegistry) -> Iterator[Line]:
    whole = CollectorRegistry()
    whole.register(Reference(of))
    kept = Exposition(registry, ddl=True)

    def plain() -> int:
        return len(kept.render(of, "", "", ()).body)

    def zipped() -> int:
        return len(kept.render(of, "", "gzip", ()).body)

    yield Line(f"{of.operations:,} operations: client library", best(lambda: generate_latest(whole)), base=True)
    yield Line("all of them new", best(lambda: Exposition(registry, ddl=True).render(of, "", "", ())))
    yield Line("none of them new", best(plain), remark=f"{plain():,} bytes")
    yield Line("none of them new, gzip", best(zipped), remark=f"{zipped():,} bytes")
    yield Line("a tenth of them new, gzip", best(lambda: kept.render(partly_new(of), "", "gzip", ())))


def polls() -> Iterator[Line]:
    """Take in answers; what one costs does not depend on how large the fleet is."""
    for count in (1_000, 10_000):
        for position, (what, run) in enumerate(of_a_fleet(count)):
            yield Line(f"{count:,} operations: {what}", best(run), base=not position, remark=f"{POLLS} answers")


def dashboards() -> Iterator[Line]:
    """Load each dashboard over six hours of 10,000 operations; needs prometheus and promtool."""
    for cost in costs(fleet(10_000)):
        remark = f"{cost.samples:>10,} samples {cost.size:>10,} bytes {cost.queries} queries"
        yield Line(cost.board, cost.seconds, remark=remark + (f", {cost.failed} of them failed" if cost.failed else ""))


def scrapes() -> Iterator[Line]:
    """Ask the real exporter and its peers, and write docs/benchmarks.md."""
    measure()
    yield from ()


SECTIONS: Final[dict[str, Callable[[], Iterator[Line]]]] = {
    "A page in this process": scrape,
    "Polls": polls,
    "Scrapes": scrapes,
    "Dashboards": dashboards,
}


def main() -> int:
    """Measure the sections whose names hold an argument, or all."""
    for title, section in SECTIONS.items():
        if sys.argv[1:] and not any(word.casefold() in title.casefold() for word in sys.argv[1:]):
            continue
        base = 0.0
        sys.stdout.write(f"{title}\n")
        for line in section():
            base = line.seconds if line.base else base
            ratio = f"{base / line.seconds:7.1f}x" if base else ""
            sys.stdout.write(f"  {line.what:40} {line.seconds * 1000:9.1f} ms {ratio}  {line.remark}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
