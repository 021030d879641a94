"""Reading small files that people name in the configuration."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Generic, TypeVar

from exporter.mistakes import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
Signature = tuple[int, int, int, int]


class UnreadableError(Exception):
    """A file can't be read; the text says why, without its path or contents."""


class Watched(Generic[T]):
    """What a file of at most *most* bytes says, read by the constructor and, where it has changed, by `refresh`.

    `value` is the last good one, *none* before there is any; `error` is what is wrong with the file now. *parse* may
    raise UnreadableError or ConfigError; it gives the value, and the signatures of other files whose change counts.
    """

    def __init__(
        self, path: str, most: int, none: T, parse: Callable[[bytes], tuple[T, Mapping[str, Signature]]]
    ) -> None:
        self.path = path
        self.value = none
        self.error: UnreadableError | ConfigError | None = None
        self._most, self._parse = most, parse
        self._seen: Mapping[str, Signature] = {}
        self.refresh()

    @property
    def problem(self) -> str:
        """What is wrong now, in words; empty while all is well."""
        return str(self.error) if self.error else ""

    def refresh(self) -> bool:
        """Read it again where it has changed, or was in trouble; says whether it was read well."""
        try:
            if self._seen and all(signature(path) == seen for path, seen in self._seen.items()):
                return False
            seen = signature(self.path)  # before the contents: a change between the two is seen next time
            self.value, others = self._parse(read(self.path, self._most))
        except (UnreadableError, ConfigError) as error:
            self.error, self._seen = error, {}
            return False
        self.error, self._seen = None, {self.path: seen, **others}
        return True


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
