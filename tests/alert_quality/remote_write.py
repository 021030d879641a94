"""Prometheus' remote-write format, written by hand: protobuf's wire format, and Snappy's without any compression.

Facts: prometheus/prompb `types.proto`, `remote.proto`; google/snappy `format_description.txt`.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

Labels = tuple[tuple[str, str], ...]
Samples = list[tuple[int, float]]
"""Unix milliseconds and values; NaN is written as Prometheus' staleness marker."""

_STALE: Final = struct.pack("<Q", 0x7FF0000000000002)
_DOUBLE: Final = struct.Struct("<d")
_LITERAL: Final = 1 << 16
_LENGTH_DELIMITED: Final = 2


def write_request(series: Iterable[tuple[Labels, Samples]]) -> bytes:
    """The body of one request."""
    return _snappy(b"".join(_field(1, _series(labels, samples)) for labels, samples in series))


def _series(labels: Labels, samples: Samples) -> bytes:
    names = b"".join(_field(1, _field(1, name.encode()) + _field(2, text.encode())) for name, text in sorted(labels))
    return names + b"".join(map(_sample, samples))


def _sample(sample: tuple[int, float]) -> bytes:
    at, value = sample
    body = b"\x09" + (_DOUBLE.pack(value) if value == value else _STALE) + b"\x10" + _varint(at)  # noqa: PLR0124 - only NaN differs from itself
    return b"\x12" + bytes([len(body)]) + body


def _field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | _LENGTH_DELIMITED]) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _snappy(body: bytes) -> bytes:
    """A block of literals: what Snappy allows where there is nothing to compress."""
    return _varint(len(body)) + b"".join(_literals(body))


def _literals(body: bytes) -> Iterator[bytes]:
    for begin in range(0, len(body), _LITERAL):
        piece = body[begin : begin + _LITERAL]
        yield b"\xf4" + (len(piece) - 1).to_bytes(2, "little") + piece
