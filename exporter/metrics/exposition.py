"""The page that Prometheus scrapes: what the snapshot holds, then the exporter's own series.

The client library's encoder takes a second for 5,000 operations. So lines are written once for each deploy request
that a poll has changed, and a scrape joins them. The rest is the client library's: negotiation, headers, own series.
"""

import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted

from exporter.metrics.families import SNAPSHOT_FAMILIES, Family
from exporter.metrics.lines import DEPLOY_REQUEST_FAMILIES, Chunks, deploy_request_chunks, snapshot_chunks
from exporter.polling.snapshot import DeployRequestStatus, Key, Snapshot

_GZIP_LEVEL: Final = 1
_GZIP_FORMAT: Final = 31  # zlib's word for a gzip header and the largest window
_PARAMETER: Final = re.compile(r"(?:version|escaping)=([^;,]*)")
_EOF: Final = b"# EOF\n"
_ANSWERABLE: Final = frozenset({"0.0.1", "0.0.4", "1.0.0", "allow-utf-8", "underscores"})


class Page(NamedTuple):
    """An answer to a scrape: its body and what the HTTP headers say of it."""

    body: bytes
    content_type: str
    content_encoding: str | None


class Exposition:
    """Renders snapshots, in any number of threads at once; `ddl` may be changed at any time.

    Lines are kept for the deploy requests of the last snapshot only.
    """

    def __init__(self, registry: CollectorRegistry, *, ddl: bool) -> None:
        self.ddl = ddl
        self._registry = registry
        self._written: dict[Key, _Written] = {}
        self._lock = threading.Lock()

    def render(self, snapshot: Snapshot, accept: str, accept_encoding: str, names: Sequence[str]) -> Page:
        """The page in the format and the encoding that the headers ask for; it takes long, so call it in a thread.

        With *names*, only samples of these names are on it, and no family without any.
        """
        encoder, content_type = choose_encoder(_answerable(accept))
        registry = self._registry.restricted_registry(names) if names else self._registry

        def blocks() -> Iterator[bytes]:
            for family, chunks in self._families(snapshot):
                if not names or (family.name in names and any(chunks)):
                    yield b"".join([encoder(_Empty(family)).removesuffix(_EOF), *chunks])
            yield encoder(registry)

        if gzip_accepted(accept_encoding):
            return Page(_gzip(blocks()), content_type, "gzip")
        return Page(b"".join(blocks()), content_type, None)

    def _families(self, snapshot: Snapshot) -> Iterator[tuple[Family, list[bytes]]]:
        """The families of the snapshot with their lines, in the order of the table."""
        written = self._write(snapshot)
        for position, family in enumerate(DEPLOY_REQUEST_FAMILIES):
            yield family, [chunks[position] for chunks in written]
        for family, chunk in zip(SNAPSHOT_FAMILIES, snapshot_chunks(snapshot), strict=True):
            yield family, [chunk]

    def _write(self, snapshot: Snapshot) -> list[Chunks]:
        """The lines of every deploy request, written where they are not known yet."""
        ddl = self.ddl
        with self._lock:
            old, self._written = self._written, {}
            for status in snapshot.deploy_requests:
                known = old.get(status.key)
                if known is None or known.status is not status or known.ddl != ddl:
                    known = _Written(status, ddl, deploy_request_chunks(status, ddl=ddl))
                self._written[status.key] = known
            return [written.chunks for written in self._written.values()]


class _Written(NamedTuple):
    """The lines of a deploy request, and what they were written from."""

    status: DeployRequestStatus
    ddl: bool
    chunks: Chunks


class _Empty:
    """Collects a family without samples, of which the client library's encoders write the HELP and TYPE lines."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        """The family."""
        return [Metric(self._family.name, self._family.help, self._family.type)]


def _answerable(accept: str) -> str:
    """*accept* without the versions and the escaping schemes that no answer can have.

    The client library promises whichever version it is asked for, and raises TypeError for one that is no number. Our
    names need no escaping: those who want their underscores doubled get them as they are, and are told so.
    """
    return _PARAMETER.sub(lambda found: found[0] if found[1].strip() in _ANSWERABLE else "", accept)


def _gzip(blocks: Iterable[bytes]) -> bytes:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_FORMAT)
    return b"".join([*map(compressor.compress, blocks), compressor.flush()])
