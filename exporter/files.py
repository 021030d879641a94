"""Reading small files that people name in the configuration."""

from __future__ import annotations

import os
import stat

Signature = tuple[int, int, int, int]


class UnreadableError(Exception):
    """A file can't be read; the text says why, without its path or contents."""


def signature(path: str) -> Signature:
    """What tells whether a file has changed; links are followed, so a swapped link counts. Raises UnreadableError."""
    try:
        status = os.stat(path)  # noqa: PTH116 - Path.stat would raise the same errors, with one object more
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UnreadableError(_reason(error)) from None
    _check(status)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def read(path: str, most: int) -> bytes:
    """The whole contents, *most* bytes at most. Raises UnreadableError."""
    try:
        with open(path, "rb", opener=_opened_at_once) as file:
            _check(os.fstat(file.fileno()))
            contents = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise UnreadableError(_reason(error)) from None
    if len(contents) > most:
        raise UnreadableError(f"is larger than {most} bytes")
    return contents


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would never end
        raise UnreadableError("is no regular file")


def _opened_at_once(path: str, flags: int) -> int:
    """Opening a pipe would wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _reason(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return f"can't be read: {(text or 'no such path').lower()}"
