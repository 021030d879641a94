"""A real Prometheus that is given old samples and answers range queries over them."""

import json
import math
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from .deploys import Span
from .recording import Recorded
from .remote_write import Labels, Samples, write_request

JOB: Final = "planetscale-exporter"
_BATCH: Final = 200_000
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


class Answer(NamedTuple):
    """A series that a range query answers: its labels, and its value at each time that it has one."""

    labels: Labels
    samples: dict[float, float]


class Prometheus:
    """A server under way."""

    def __init__(self, url: str) -> None:
        self.url = url

    def write(self, series: Iterable[tuple[Labels, Samples]]) -> None:
        """Take samples, in requests of bearable size."""
        batch: list[tuple[Labels, Samples]] = []
        size = 0
        for each in series:
            batch.append(each)
            size += len(each[1])
            if size > _BATCH:
                self._send(batch)
                batch, size = [], 0
        self._send(batch)

    def query(self, expression: str, span: Span, step: float) -> list[Answer]:
        """A range query from the first step after the start to the end.

        Raises:
            ValueError: Prometheus refuses the expression.
        """
        start = math.floor(span.start / step + 1) * step
        body = urllib.parse.urlencode({"query": expression, "start": start, "end": span.end, "step": step})
        request = urllib.request.Request(f"{self.url}/api/v1/query_range", body.encode())  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=300) as response:  # noqa: S310 - our own server
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from None
        return [
            Answer(tuple(sorted(each["metric"].items())), {at: float(value) for at, value in each["values"]})
            for each in answer["data"]["result"]
        ]

    def _send(self, batch: list[tuple[Labels, Samples]]) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/api/v1/write",
            write_request(batch),
            {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"},
        )
        try:
            urllib.request.urlopen(request, timeout=120).close()  # noqa: S310 - our own server
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from None


@contextmanager
def serving(program: Path, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with an empty head that spans months, so that samples may come in any order."""
    config = folder / "prometheus.yml"
    config.write_text("storage: {tsdb: {out_of_order_time_window: 60d}}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/series",
        "--storage.tsdb.retention.time=100y",
        "--storage.tsdb.min-block-duration=120d",
        "--storage.tsdb.max-block-duration=120d",
        "--web.enable-remote-write-receiver",
        f"--web.listen-address=127.0.0.1:{port}",
        "--query.max-samples=500000000",
        "--query.timeout=10m",
        "--log.level=error",
    )
    process = subprocess.Popen([*map(str, command)])
    try:
        server = Prometheus(f"http://127.0.0.1:{port}")
        _wait(server, process)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(server: Prometheus, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{server.url}/-/ready", timeout=5).close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("Prometheus has ended instead of answering")


def samples_of(recorded: Mapping[str, Recorded]) -> Iterator[tuple[Labels, Samples]]:
    """Every series as Prometheus would have scraped it, `up` included."""
    for name, instance in recorded.items():
        target = (("instance", f"{name}:10048"), ("job", JOB))
        for text, changes in instance.series.items():
            yield (*_labels(text), *target), [*_spread(changes, instance.scrapes)]
        ups = dict.fromkeys(instance.scrapes, 1.0) | dict.fromkeys(instance.misses, 0.0)
        yield (("__name__", "up"), *target), [(round(at * 1000), ups[at]) for at in sorted(ups)]


def _labels(series: str) -> Labels:
    name, _, rest = series.partition("{")
    pairs = ((label, _ESCAPED.sub(_unescaped, value)) for label, value in _LABEL.findall(rest))
    return (("__name__", name), *(pair for pair in pairs if pair[1]))


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def _spread(changes: list[tuple[float, float]], scrapes: list[float]) -> Iterator[tuple[int, float]]:
    """A sample at every scrape: the value that was last seen, and one marker where the series ended."""
    changed, value = dict(changes), math.nan
    for at in sorted({*scrapes, *changed}):
        value = changed.get(at, value)
        if at in changed or not math.isnan(value):
            yield round(at * 1000), value
