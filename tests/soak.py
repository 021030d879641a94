"""The real process beside a PlanetScale in which everything changes all the time; nothing of it may grow.

    .venv/bin/python tests/soak.py [MINUTES]

Deploy requests are opened, closed and deleted, databases come and go, answers fail. The second quarter of the time is
compared with the last: growth is exit code 1. At the end everything is taken
away, and what is left is compared with what there was before anything was there.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median
from time import monotonic

from processes import CREDENTIAL, LOGIN, Exporter, exporting, planetscale, until

from exporter.cli import main as exporter_main
from exporter.polling.poller import MAX_RUNNING
from exporter.simulator import SCENARIOS, Fault, Simulator

DATABASES, LIVE_EACH = 8, 4
GROWTH = 1.2
ARGV = (
    "--target=acme",
    "--poll.interval=1s",
    "--poll.idle-interval=2s",
    "--poll.discovery-interval=1s",
    "--poll.retention=10s",
    "--poll.stale-after=5s",
    "--api.requests-per-minute=6000",
    "--api.timeout=1s",
    "--api.max-response-bytes=100000",
)
COUNTED = (str(Path(__file__)), "--counted")
FAULTS = (
    {"status": 500},
    {"status": 404},
    {"status": 200, "body": "<html>"},
    {"status": 200, "body": "x" * 200_000},
    {"hang": True},
    {"drop": True},
    {"status": 302, "headers": {"Location": "http://elsewhere.invalid/"}},
)


@dataclass(frozen=True)
class Sizes:
    """What a process holds."""

    kilobytes: int
    series: int
    tasks: int
    blocks: int
    files: int
    threads: int

    @classmethod
    def table(cls, rows: Sequence[tuple[str, "Sizes"]]) -> str:
        """The rows with their names, under the names of the fields."""
        lines = [("", *(field.name for field in fields(cls))), *((name, *astuple(sizes)) for name, sizes in rows)]
        return "\n".join(f"{line[0]:16}" + "".join(f"{cell:>12}" for cell in line[1:]) for line in lines)

    @classmethod
    def typical(cls, of: Sequence["Sizes"]) -> "Sizes":
        """The medians."""
        return cls(*(int(median(column)) for column in zip(*map(astuple, of), strict=True)))


def counted() -> int:
    """Run the exporter, and print on SIGUSR1 how many tasks and blocks of memory it has."""

    # Not `gc.get_objects`: what it touches in another thread, such as a tuple that is being made, breaks there.
    def tell(*_: object) -> None:
        sys.stdout.write(f"{len(asyncio.all_tasks())} {sys.getallocatedblocks()}\n")
        sys.stdout.flush()

    signal.signal(signal.SIGUSR1, tell)
    return exporter_main(sys.argv[2:])


async def measure(exporter: Exporter) -> Sizes:
    """What the process holds now."""
    _, page = await exporter.get("/metrics")
    told, folder = len(exporter.out), Path(f"/proc/{exporter.process.pid}")
    exporter.process.send_signal(signal.SIGUSR1)
    await until(lambda: _is_longer(exporter.out, told), lambda: "no answer to SIGUSR1", exporter.tell)
    tasks, blocks = map(int, exporter.out[-1].split())
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Sizes(
        kilobytes=int(status["VmRSS"].split()[0]),
        series=sum(not line.startswith("#") for line in page.splitlines()),
        tasks=tasks,
        blocks=blocks,
        files=len(os.listdir(folder / "fd")),  # noqa: PTH208 - it changes while it is read
        threads=int(status["Threads"]),
    )


async def _is_longer(lines: list[str], than: int) -> bool:
    return len(lines) > than


async def churn(simulator: Simulator, chance: random.Random) -> None:
    """Change something ten times a second, for ever, so that about as much is there all the time."""
    opened: list[tuple[str, int]] = []
    for turn in range(sys.maxsize):
        databases = list(simulator.organizations["acme"])
        if len(databases) < DATABASES:
            simulator.add_database("acme", f"database-{turn}")
        elif turn % 300 == 299:  # every half minute
            gone = chance.choice(databases)
            simulator.remove_database("acme", gone)
            opened = [each for each in opened if each[0] != gone]
        elif len(opened) < DATABASES * LIVE_EACH:
            database, name = chance.choice(databases), chance.choice(list(SCENARIOS))
            pace = max(1.0, SCENARIOS[name].length / chance.uniform(5, 20))
            opened.append((database, simulator.add_deploy_request("acme", database, name, pace=pace)))
        else:
            database, number = opened.pop(chance.randrange(len(opened)))
            end = chance.choice([simulator.close_deploy_request, simulator.delete_deploy_request])
            end("acme", database, number)
        if turn % 50 == 49:  # not at the beginning, when all faults would strike the list of databases
            simulator.heal()
            simulator.fail(Fault(times=3, **chance.choice(FAULTS)))
        await asyncio.sleep(0.1)


@asynccontextmanager
async def churning(exporter: Exporter, simulator: Simulator, seed: int) -> AsyncIterator[None]:
    """Change things until the context ends, then take all away and wait until the exporter has seen it."""
    changes = asyncio.create_task(churn(simulator, random.Random(seed)))  # noqa: S311 - no secret
    try:
        yield
    finally:
        changes.cancel()
        await asyncio.gather(changes, return_exceptions=True)
        simulator.heal()
        for database in list(simulator.organizations["acme"]):
            simulator.remove_database("acme", database)
    await exporter.shows(0, "planetscale_exporter_deploy_requests")


@asynccontextmanager
async def soaking() -> AsyncIterator[tuple[Exporter, Simulator]]:
    """An exporter that can be measured, of an organisation in which nothing is yet."""
    simulator = Simulator(requests_per_minute=100_000, remembers=0)
    simulator.add_organization("acme", CREDENTIAL)
    async with (
        planetscale(simulator) as api,
        exporting(*ARGV, f"--api.url={api.url}", run=COUNTED, **LOGIN) as exporter,
    ):
        await exporter.answers(200, "/-/ready")
        yield exporter, simulator


def grown(empty: Sizes, before: Sizes, after: Sizes) -> list[str]:
    """The names of what is larger by more than a fifth; of files, what is beyond the connections that are kept."""
    more = [field.name for field in fields(Sizes) if getattr(after, field.name) > getattr(before, field.name) * GROWTH]
    # connections to PlanetScale are used in turn, so that as many stay open as polls have ever run at once
    return [name for name in more if name != "files" or after.files > empty.files + MAX_RUNNING]


async def soak(minutes: float) -> int:
    """Print the sizes over time; 1 when something grows."""
    rows: list[Sizes] = []
    async with soaking() as (exporter, simulator):
        empty = await measure(exporter)
        async with churning(exporter, simulator, seed=1):
            started, ends = monotonic(), monotonic() + 60 * minutes
            while monotonic() < ends:
                rows.append(await measure(exporter))
                await asyncio.sleep(1)
        polls = await exporter.value("planetscale_exporter_poll_delay_seconds_count")
        failures = await exporter.value("planetscale_exporter_poll_failures_total")
        bugs = await exporter.value("planetscale_exporter_poll_failures_total", reason="bug")
        left = await measure(exporter)
    quarter = len(rows) // 4
    quarters = [Sizes.typical(rows[quarter * n : quarter * (n + 1)]) for n in range(4)]
    names = ("first quarter", "second quarter", "third quarter", "last quarter")
    more = grown(empty, quarters[1], quarters[3])
    sys.stdout.write(
        f"{Sizes.table([('empty', empty), *zip(names, quarters, strict=True), ('emptied', left)])}\n"
        f"{monotonic() - started:.0f} s, {polls:.0f} polls, {failures:.0f} failed, {bugs:.0f} bugs; "
        f"grown: {', '.join(more) or 'nothing'}\n"
    )
    return int(bool(more or bugs))


if __name__ == "__main__":
    if "--counted" in sys.argv[1:2]:
        sys.exit(counted())
    sys.exit(asyncio.run(soak(float(sys.argv[1]) if len(sys.argv) > 1 else 8)))
