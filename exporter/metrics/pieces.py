"""Compressed text in pieces, which are joined into one gzip member without being compressed again.

A piece is raw deflate ended by a sync flush, so that any piece can follow any other. Several gzip members would be as
good for the standard, but browsers show the first only.
"""

import gzip
import struct
from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

from isal import isal_zlib

_LEVEL: Final = 1
_RAW: Final = -15  # zlib's word for deflate without a header, and the largest window
_AT_ONCE: Final = 500  # texts: a large database's are never all in memory
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # deflate, no time, fast, no system
_END: Final = b"\x03\x00"  # an empty last block


class Piece(NamedTuple):
    """Deflated text, with the checksum and the length in bytes of what it was."""

    parts: tuple[bytes, ...] = ()
    crc: int = 0
    length: int = 0


def compress(texts: Iterable[str]) -> Piece:
    """One piece of all the *texts*; it holds nothing where they are empty."""
    compressor = isal_zlib.compressobj(_LEVEL, wbits=_RAW)
    source, parts, crc, length = iter(texts), [], 0, 0
    while some := [*islice(source, _AT_ONCE)]:
        text = "".join(some).encode()
        parts.append(compressor.compress(text))
        crc, length = isal_zlib.crc32(text, crc), length + len(text)
    if not length:
        return Piece()
    parts.append(compressor.flush(isal_zlib.Z_SYNC_FLUSH))
    return Piece((b"".join(parts),), crc, length)


def joined(pieces: Iterable[Piece]) -> Piece:
    """The pieces behind one another, as one; their bytes are shared, not copied."""
    parts: list[bytes] = []
    crc = length = 0
    for piece in pieces:
        if piece.length:
            parts += piece.parts
            crc = isal_zlib.crc32_combine(crc, piece.crc, piece.length) if length else piece.crc
            length += piece.length
    return Piece(tuple(parts), crc, length)


def solid(piece: Piece) -> Piece:
    """The piece in one part, which is sent faster than thousands."""
    return piece._replace(parts=(b"".join(piece.parts),))


def gzipped(piece: Piece) -> tuple[bytes, ...]:
    """The text as one gzip member, in parts."""
    return (_HEADER, *piece.parts, _END + struct.pack("<II", piece.crc, piece.length & 0xFFFFFFFF))


def plain(piece: Piece) -> bytes:
    """The text."""
    return gzip.decompress(b"".join(gzipped(piece)))
