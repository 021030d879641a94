"""The page that Prometheus scrapes: what the snapshot holds, then the exporter's own series.

The client library's encoder takes a second for 5,000 operations. So lines are written once a database that a poll has
changed, and kept compressed, a piece for each family; a scrape joins the pieces. Negotiation, headers and own series
are the client library's.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import is_
from typing import Any, Final, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted

from exporter.metrics.families import DATABASE_FAMILIES, ENDED_FAMILIES, SNAPSHOT_FAMILIES, Family
from exporter.metrics.lines import (
    STATUS_FAMILIES,
    Lines,
    database_lines,
    ended_lines,
    snapshot_lines,
    status_lines,
    status_lines_without_texts,
)
from exporter.metrics.pieces import Piece, compress, gzipped, joined, plain, solid
from exporter.polling.snapshot import Scope, Snapshot

_PARAMETER: Final = re.compile(r"(?:version|escaping)=([^;,]*)")
_EOF: Final = b"# EOF\n"
_IN_A_BLOCK: Final = 32
_ANSWERABLE: Final = frozenset({"0.0.1", "0.0.4", "1.0.0", "allow-utf-8", "underscores"})
_FAMILIES: Final[tuple[Family, ...]] = (*STATUS_FAMILIES, *DATABASE_FAMILIES, *ENDED_FAMILIES, *SNAPSHOT_FAMILIES)

Encoder = Callable[..., bytes]
Write = Callable[[Sequence[Any]], Iterable[Lines]]
"""Writes the lines of one database's subjects, for each family of a section."""


class Page(NamedTuple):
    """An answer to a scrape: its body in parts, few and large, and what the HTTP headers say of it."""

    parts: tuple[bytes, ...]
    content_type: str
    content_encoding: str | None

    @property
    def body(self) -> bytes:
        """The parts as one."""
        return b"".join(self.parts)


class Told(Protocol):
    """A registry whose series change when it is told something; `changes` is another number each time."""

    @property
    def registry(self) -> CollectorRegistry:
        """The registry."""
        ...

    @property
    def changes(self) -> int:
        """How often any of its series changed."""
        ...


class Exposition:
    """Renders snapshots, in any number of threads at once; `ddl` may be changed at any time.

    The series of the registry *live* are written at each scrape, those of *told* when they have changed. Pieces are
    kept for the databases of the last snapshot only.
    """

    def __init__(self, live: CollectorRegistry, told: Told | None = None, *, ddl: bool) -> None:
        self.ddl = ddl
        self._live = live
        self._told = [_Kept(told)] if told else []
        self._lock = threading.Lock()
        self._is_asked = threading.Event()
        self._sections = [_Section(families) for families in (STATUS_FAMILIES, DATABASE_FAMILIES, ENDED_FAMILIES)]
        self._headlines: dict[str, tuple[Piece, ...]] = {}
        self._whole: _Whole | None = None

    def keep_up(self, snapshot: Snapshot) -> None:
        """Write what is new in the snapshot, for the next scrape to find it; it may take long: call it in a thread.

        It stops when a scrape comes, which writes what is left for itself.
        """
        self._is_asked.clear()
        for section, (subjects, write) in zip(self._sections, self._subjects(snapshot), strict=True):
            for scope in subjects:
                with self._lock:
                    if self._is_asked.is_set():
                        return
                    section.write(scope, subjects[scope], write)
            with self._lock:
                section.pieces(subjects, write)

    def render(self, snapshot: Snapshot, accept: str, accept_encoding: str, names: Sequence[str]) -> Page:
        """The page in the format and the encoding that the headers ask for; it may take long: call it in a thread.

        With *names*, only samples of these names are on it, and no family without any.
        """
        encoder, content_type = choose_encoder(_answerable(accept))
        if names:
            pieces = [
                piece
                for family, headline, lines in self._pieces(snapshot, encoder, content_type)
                if (named := _restricted(family, lines, names)).length
                for piece in (headline, named)
            ]
            pieces += [kept.restricted(names, encoder) for kept in self._told]
            live = encoder(self._live.restricted_registry(names))
        else:
            pieces = [self._all(snapshot, encoder, content_type)]
            pieces += [kept.piece(encoder, content_type) for kept in self._told]
            live = encoder(self._live)
        page = joined([*pieces, compress([live.decode()])])
        if gzip_accepted(accept_encoding):
            return Page(gzipped(page), content_type, "gzip")
        return Page((plain(page),), content_type, None)

    def _all(self, snapshot: Snapshot, encoder: Encoder, content_type: str) -> Piece:
        """All families of the snapshot, kept as long as it stays the same and is asked for in the same format."""
        ddl, known = self.ddl, self._whole
        if known is None or known.snapshot is not snapshot or (known.ddl, known.content_type) != (ddl, content_type):
            found = self._pieces(snapshot, encoder, content_type)
            piece = solid(joined(piece for _, headline, lines in found for piece in (headline, lines)))
            known = self._whole = _Whole(snapshot, ddl, content_type, piece)
        return known.piece

    def _pieces(self, snapshot: Snapshot, encoder: Encoder, content_type: str) -> Iterable[tuple[Family, Piece, Piece]]:
        """Each family of the snapshot with its headline and its lines, in the order of the table."""
        if content_type not in self._headlines:
            self._headlines[content_type] = tuple(_headline(family, encoder) for family in _FAMILIES)
        self._is_asked.set()
        with self._lock:
            by_database = [
                section.pieces(subjects, write)
                for section, (subjects, write) in zip(self._sections, self._subjects(snapshot), strict=True)
            ]
        return zip(
            _FAMILIES,
            self._headlines[content_type],
            [*chain.from_iterable(by_database), *map(compress, snapshot_lines(snapshot))],
            strict=True,
        )

    def _subjects(self, snapshot: Snapshot) -> list[tuple[Mapping[Scope, Sequence[Any]], Write]]:
        """What each section is written of, by database, and how."""
        return [
            (snapshot.by_database, status_lines if self.ddl else status_lines_without_texts),
            ({(each.organization, each.database): (each,) for each in snapshot.databases}, database_lines),
            ({(each.organization, each.database): (each,) for each in snapshot.ended}, ended_lines),
        ]


class _Section:
    """Families of which each database has lines of its own, as they were last written."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families
        self._databases: dict[Scope, _Database] = {}
        self._blocks: list[_Block] = []

    def write(self, scope: Scope, subjects: Sequence[object], write: Write) -> "_Database":
        """Write a database's lines, where anything in it has changed."""
        known = self._databases.get(scope)
        if known is None or known.write is not write or not _are_same(known.subjects, subjects):
            known = self._databases[scope] = _Database(subjects, write, tuple(map(compress, write(subjects))))
        return known

    def pieces(self, subjects: Mapping[Scope, Sequence[object]], write: Write) -> tuple[Piece, ...]:
        """All lines of each family; databases that are not named are forgotten."""
        self._databases = {scope: self.write(scope, some, write) for scope, some in subjects.items()}
        databases = [*self._databases.values()]
        parts = [databases[start : start + _IN_A_BLOCK] for start in range(0, len(databases), _IN_A_BLOCK)]
        self._blocks = [
            known
            if known and _are_same(known.databases, some)
            else _Block(some, _by_family(each.pieces for each in some))
            for some, known in zip(parts, chain(self._blocks, repeat(None)), strict=False)
        ]
        return _by_family(block.pieces for block in self._blocks) if parts else (Piece(),) * len(self._families)


class _Database(NamedTuple):
    """A database's pieces, one a family, and what they were written from."""

    subjects: Sequence[object]
    write: Write
    pieces: tuple[Piece, ...]


class _Block(NamedTuple):
    """Some databases that follow one another, with their pieces joined, so that a scrape has fewer to join."""

    databases: list[_Database]
    pieces: tuple[Piece, ...]


class _Whole(NamedTuple):
    """All families of a snapshot in one format."""

    snapshot: Snapshot
    ddl: bool
    content_type: str
    piece: Piece


class _Kept:
    """The page of what is told, by format, with the number of changes that it was written after."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._written: dict[str, tuple[int, Piece]] = {}

    def piece(self, encoder: Encoder, content_type: str) -> Piece:
        """All series, written anew where any has changed."""
        changes = self._told.changes
        after, piece = self._written.get(content_type, (-1, Piece()))
        if after != changes:
            piece = _without_end(encoder(self._told.registry))
            self._written[content_type] = changes, piece
        return piece

    def restricted(self, names: Sequence[str], encoder: Encoder) -> Piece:
        """The series of these names."""
        return _without_end(encoder(self._told.registry.restricted_registry(names)))


def _by_family(pieces: Iterable[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    """Pieces by family of one after another, joined for each family."""
    return tuple(map(joined, zip(*pieces, strict=True)))


def _are_same(these: Sequence[object], those: Sequence[object]) -> bool:
    return these is those or (len(these) == len(those) and all(map(is_, these, those)))


class _Empty:
    """Collects a family without samples, of which the client library's encoders write the HELP and TYPE lines."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        """The family."""
        name = self._family.name
        return [
            Metric(
                name.removesuffix("_total") if self._family.type == "counter" else name,
                self._family.help,
                self._family.type,
            )
        ]


def _headline(family: Family, encoder: Encoder) -> Piece:
    return _without_end(encoder(_Empty(family)))


def _restricted(family: Family, lines: Piece, names: Sequence[str]) -> Piece:
    """The lines whose samples have one of the names, of which only histograms have several."""
    if family.type != "histogram":
        return lines if family.name in names else Piece()
    starts = tuple(f"{name}{{" for name in names if name.startswith(family.name))
    return compress(f"{line}\n" for line in plain(lines).decode().split("\n") if line.startswith(starts))


def _without_end(page: bytes) -> Piece:
    """A page that others can follow."""
    return compress([page.removesuffix(_EOF).decode()])


def _answerable(accept: str) -> str:
    """*accept* without the versions and the escaping schemes that no answer can have.

    The client library promises whichever version it is asked for, and raises TypeError for one that is no number. Our
    names need no escaping: those who want their underscores doubled get them as they are, and are told so.
    """
    return _PARAMETER.sub(lambda found: found[0] if found[1].strip() in _ANSWERABLE else "", accept)
