"""What scrapes of the real exporter cost, and what others make of the same bytes and series: `docs/benchmarks.md`.

Everything is a process of its own on loopback: a simulated PlanetScale, the exporter that polls it, nginx with the
page that the exporter gave, and the client libraries of Python and Go with the same series in their registries. They
are asked in turn, as Prometheus asks, over one connection each, so that what else the machine does meets all alike.
"""

import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs/benchmarks.md"
PEERS: Final = Path(__file__).parent / "bench_peers"
GO_LIBRARIES: Final = Path("/usr/share/gocode")  # where Debian puts golang-github-prometheus-client-golang-dev
ASKED: Final = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}
OPERATIONS_EACH: Final = 5
IN_A_DATABASE: Final = 10
QUIET: Final = ("--poll.interval=3h", "--poll.idle-interval=3h", "--poll.discovery-interval=3h")
HURRY: Final = "--api.requests-per-minute=100000"
ROUNDS: Final = 20


@dataclass
class Server:
    """A process that answers scrapes on a port; *paths* to ask, *seconds* that answers took."""

    process: subprocess.Popen[str]
    port: int
    path: str = "/metrics"
    seconds: list[float] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=300)

    def scrape(self, times: int = 1) -> None:
        """Ask so often over one connection, and note how long each answer took."""
        self._connection.close()  # one that was idle may have been closed at the other end
        for _ in range(times):
            started = time.perf_counter()
            body = self.get(self.path)
            self.seconds.append(time.perf_counter() - started)
            self.size = len(body)

    def get(self, path: str, headers: dict[str, str] | None = None) -> bytes:
        """GET a page."""
        try:
            self._connection.request("GET", path, headers=ASKED if headers is None else headers)
            answer = self._connection.getresponse()
        except (RemoteDisconnected, ConnectionResetError):  # closed while it was idle: ask anew, as clients do
            self._connection.close()
            self._connection.request("GET", path, headers=ASKED if headers is None else headers)
            answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"port {self.port}{path}: {answer.status}")
        return body

    def value(self, name: str) -> float:
        """The sum of the samples of a name; 0 where there is none."""
        self._connection.close()
        page = self.get(f"/metrics?name[]={name}", {"Accept": "text/plain"}).decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))

    def until_polled(self, operations: int) -> None:
        """Wait until the exporter has so many operations."""
        _until(lambda: self.value("planetscale_exporter_operations") >= operations, f"{operations:,} are polled")

    def until_quiet(self) -> None:
        """Wait until the exporter has asked nothing for a while."""
        asked = -1.0
        while (now := self.value("planetscale_exporter_api_requests_total")) != asked:
            asked = now
            time.sleep(2)

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def median(self) -> float:
        """Of the seconds."""
        return statistics.median(self.seconds)


class Bench:
    """The processes of one run; all end with the context that *running* is."""

    def __init__(self, running: ExitStack) -> None:
        self._running = running
        self.folder = Path(running.enter_context(tempfile.TemporaryDirectory()))

    def start(self, *command: object, environ: dict[str, str] | None = None) -> Server:
        """Start what prints `port=` on a line of its output, and wait for that."""
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        self._running.callback(self.stop, process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := line.partition("port=")[2].split():
                return Server(process, int(found[0]))
        raise SystemExit(f"{command[0]} ended with {process.wait()}")

    def stop(self, process: subprocess.Popen[str]) -> None:
        """End it, also where it was stopped."""
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def planetscale(self, operations: int) -> Server:
        """A simulated one."""
        return self.start(sys.executable, __file__, "planetscale", operations)

    def exporter(self, api: Server, *flags: str) -> Server:
        """One that polls *api*."""
        return self.start(
            sys.executable, "-m", "exporter", "--target=large", f"--api.url=http://127.0.0.1:{api.port}/v1",
            "--web.listen-address=127.0.0.1:0", *flags,
            environ={"PLANETSCALE_SERVICE_TOKEN_ID": "large-id", "PLANETSCALE_SERVICE_TOKEN": "large-token"},
        )  # fmt: skip

    def nginx(self, page: bytes, content_type: str = "application/openmetrics-text") -> Server | None:
        """One that serves a compressed page; None where it is not installed."""
        if not (path := shutil.which("nginx")):
            return None
        folder = self.folder / "nginx"
        folder.mkdir()
        (folder / "metrics").write_bytes(page)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
            "events {}\n"
            f"http {{ access_log off; keepalive_requests 1000000; sendfile on; tcp_nopush on;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {folder};\n"
            f"    location / {{ default_type {content_type}; add_header Content-Encoding gzip; }} }} }}\n"
        )
        process = subprocess.Popen(
            [path, "-p", str(folder), "-c", str(folder / "nginx.conf")], text=True, stderr=subprocess.DEVNULL
        )
        self._running.callback(self.stop, process)
        server = Server(process, port)
        _until(lambda: _listens(port), "nginx listens")
        return server

    def client_golang(self, page: bytes) -> Server | None:
        """The Go client library with the page's series; None where Go or the library is not installed."""
        library = GO_LIBRARIES / "src/github.com/prometheus/client_golang"
        if not (go := shutil.which("go")) or not library.exists():
            return None
        text, program = self.folder / "page.txt", self.folder / "client_golang"
        text.write_bytes(page)
        environ = {"GO111MODULE": "off", "GOPATH": str(GO_LIBRARIES), "GOCACHE": str(self.folder / "cache")}
        build = [go, "build", "-o", str(program), str(PEERS / "client_golang.go")]
        subprocess.run(build, check=True, env={**os.environ, **environ})
        return self.start(program, text)

    def client_python(self, page: bytes) -> Server:
        """The Python client library with the page's series."""
        text = self.folder / "page-of-python.txt"
        text.write_bytes(page)
        return self.start(sys.executable, __file__, "client_python", text)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(holds: Callable[[], bool], what: str, seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"after {seconds:.0f} s not yet: {what}")
        time.sleep(0.1)


# -- the processes that are measured against


def serve_planetscale(operations: int) -> None:
    """Serve a simulated PlanetScale whose operations copy for weeks, until the process is ended."""
    import asyncio  # noqa: PLC0415 - each process imports what it serves with alone, for its memory is measured

    from exporter.simulator import create_app, large_fleet  # noqa: PLC0415 - as asyncio above
    from exporter.web import listen  # noqa: PLC0415 - as asyncio above

    fleet = large_fleet(
        databases=operations // OPERATIONS_EACH // IN_A_DATABASE,
        deploy_requests=operations // OPERATIONS_EACH,
        operations=OPERATIONS_EACH,
    )
    fleet.requests_per_minute = 1_000_000
    fleet.grant("large-id:large-token", "large")

    async def serve() -> None:
        listener = await listen(create_app(fleet), "127.0.0.1", 0)
        sys.stdout.write(f"port={listener.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    asyncio.run(serve())


def serve_client_python(page: Path) -> None:
    """Serve the page's families from a registry of the Python client library, until the process is ended."""
    from prometheus_client import CollectorRegistry, Metric, start_http_server  # noqa: PLC0415 - only this peer is served with it
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - only this peer is served with it

    families = list(text_string_to_metric_families(page.read_text()))

    class Kept:
        def collect(self) -> list[Metric]:
            return families

        def describe(self) -> list[Metric]:
            return families

    registry = CollectorRegistry()
    registry.register(Kept())
    server, thread = start_http_server(0, "127.0.0.1", registry)
    sys.stdout.write(f"port={server.server_port}\n")
    sys.stdout.flush()
    thread.join()


# -- what is measured


@dataclass
class Report:
    """Rows of a table: what, by which goal it is judged, and what came out."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def add(self, what: str, goal: str, found: str) -> None:
        """Add a row, and tell it at once."""
        self.rows.append((what, goal, found))
        sys.stdout.write(f"  {what:70} {found:>32}   {goal}\n")
        sys.stdout.flush()

    def markdown(self) -> str:
        """The page."""
        about = [
            f"{os.cpu_count()} processors ({_processor()}), load {os.getloadavg()[0]:.1f} at the end",
            f"Python {platform.python_version()}, {platform.system()}",
        ]
        lines = [
            "<!-- Written by make bench; do not edit. -->",
            "# What a scrape costs",
            "",
            f"Measured by `make bench ARGS=scrapes` on {datetime.now(UTC):%Y-%m-%d}: {'; '.join(about)}.",
            "",
            "What counts are the ratios of one run; times are medians over one connection on loopback. All serve the",
            "same series: five operations in each deploy request, ten deploy requests in each database. nginx serves",
            "the very bytes from a file. Where the load is high, other work had its share, most in the worst times.",
            "",
            "| what | goal | measured |",
            "|---|---|---|",
            *(f"| {what} | {goal} | {found} |" for what, goal, found in self.rows),
            "",
            *(f"{hint}\n" for hint in self.hints),
        ]
        return "\n".join(lines).rstrip() + "\n"


def _processor() -> str:
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in cpuinfo.splitlines() if line.startswith("model name")), "unknown")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"


def measure() -> None:
    """Measure all, and write the page."""
    report = Report()
    small, go = _quiet(report, 10_000, peers=True)
    large, _ = _quiet(report, 50_000, peers=False)
    report.add("50,000 against 10,000 operations: unchanged scrape", "at most 6", f"{large / small:.1f}")
    polling = [_polling(report, 10_000, go), _polling(report, 50_000, None)]
    report.add(
        "50,000 against 10,000 operations: processor time for each answer", "1", f"{polling[1] / polling[0]:.2f}"
    )
    PAGE.write_text(report.markdown())
    sys.stdout.write(f"written: {PAGE.relative_to(ROOT)}\n")


def _quiet(report: Report, operations: int, *, peers: bool) -> tuple[float, float | None]:
    """Nothing is polled: the first scrape, unchanged ones, and the same from others.

    Returns the median seconds of the exporter's scrapes, and of the Go client library's where it was measured.
    """
    with ExitStack() as running:
        bench, size = Bench(running), f"{operations:,} operations"
        api = bench.planetscale(operations)
        exporter = bench.exporter(api, *QUIET, HURRY, "--metrics.max-operations=50000")
        exporter.until_polled(operations)
        exporter.until_quiet()
        os.kill(api.process.pid, signal.SIGSTOP)
        exporter.scrape()
        first = exporter.seconds.pop()
        report.add(f"{size}: first scrape after all was polled", "", _ms(first))
        others: dict[str, Server | None] = {}
        if peers:
            text = exporter.get("/metrics", {"Accept": "text/plain"})
            others["nginx, the same bytes"] = bench.nginx(exporter.get("/metrics"))
            others["Go client library"] = bench.client_golang(text)
            others["Python client library"] = bench.client_python(text)
        before, slow = exporter.cpu, {"Go client library", "Python client library"}
        for turn in range(ROUNDS):
            exporter.scrape(10)
            for name, other in others.items():
                if other and (name not in slow or turn < ROUNDS // 4):
                    other.scrape(1 if name in slow else 10)
        cpu = (exporter.cpu - before) / len(exporter.seconds)
        report.add(
            f"{size}: unchanged scrape",
            "",
            f"{_ms(exporter.median)}, {_ms(cpu)} of processor time, {exporter.size / 1e6:.2f} MB",
        )
        for name, other in others.items():
            if other is None:
                need = "nginx" if "nginx" in name else "Go and its client library (Debian: golang-go "
                need += "" if "nginx" in name else "and golang-github-prometheus-client-golang-dev)"
                report.hints.append(f"Not compared with: {name}; install {need}.")
                continue
            goal = "rate at least 0.5 of it, then 0.8" if "nginx" in name else ""
            ratio = other.median / exporter.median
            report.add(f"{size}: {name}", goal, f"{_ms(other.median)}: the exporter's rate is {ratio:,.2f} of it")
        goal = {10_000: "at most 110 MiB", 50_000: "at most 300 MiB"}[operations]
        report.add(f"{size}: resident memory after that", goal, f"{exporter.memory:.0f} MiB")
        go = others.get("Go client library")
        return exporter.median, go.median if go else None


def _polling(report: Report, operations: int, go: float | None, seconds: float = 60) -> float:
    """The default budget's five answers a second change something: scrapes meanwhile.

    Returns the processor time that the exporter takes for an answer, scrapes included.
    """
    with ExitStack() as running:
        bench, size = Bench(running), f"{operations:,} operations"
        budget = bench.folder / "exporter.yml"
        budget.write_text("api: {requests_per_minute: 100000}")
        exporter = bench.exporter(bench.planetscale(operations), f"--config-file={budget}")
        exporter.until_polled(operations)
        budget.write_text("api: {requests_per_minute: 300}")
        exporter.process.send_signal(signal.SIGHUP)
        _until(lambda: exporter.value("planetscale_exporter_api_budget_requests_per_minute") == 300, "it is reloaded")
        probe = Server(exporter.process, exporter.port, "/-/healthy")
        time.sleep(60)  # what was asked before counts against the new budget
        requests, cpu = exporter.value("planetscale_exporter_api_requests_total"), exporter.cpu
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            exporter.scrape()
            probe.scrape(5)
            time.sleep(0.2)
        answers = exporter.value("planetscale_exporter_api_requests_total") - requests
        spent, worst = (exporter.cpu - cpu) / answers, max(exporter.seconds)
        report.add(
            f"{size}: scrape amid {answers / seconds:.1f} answers a second",
            "worst at most 3 times the median",
            f"{_ms(exporter.median)}, worst {_ms(worst)} ({worst / exporter.median:.1f} times)",
        )
        if go is not None:
            report.add(
                f"{size}: the same against the Go client library", "at most 1/40", f"1/{go / exporter.median:.0f}"
            )
        report.add(f"{size}: worst answer of `/-/healthy` meanwhile", "at most 50 ms", _ms(max(probe.seconds)))
        report.add(f"{size}: processor time for each answer, scrapes included", "", _ms(spent))
        report.add(f"{size}: resident memory amid polling", "", f"{exporter.memory:.0f} MiB")
        return spent


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["planetscale", count]:
            serve_planetscale(int(count))
        case ["client_python", path]:
            serve_client_python(Path(path))
