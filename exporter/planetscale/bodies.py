"""The body of an answer, from bytes to a JSON object, and what reading it takes.

`api.max_response_bytes` bounds the bytes alone: as 16 MiB of `{},{},…` they would become gigabytes of objects.
"""

import json
import re
import sys
from typing import Any, Final

MOST_MEMORY: Final = 112 << 20
"""What reading one answer may take, in bytes."""

# Measured with the greediest shapes: what a value (with its key) and an object with the record read from it hold.
_VALUE_BYTES: Final = 192
_OBJECT_BYTES: Final = 3000
_LONG_NUMBER: Final = 20


def decode(body: bytes | bytearray) -> str:
    """The text in *body*; bytes that are no UTF-8 become U+FFFD rather than cost the answer."""
    return body.decode("utf-8-sig", errors="replace")


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object in *text*.

    Raises:
        ValueError: it is none.
    """
    try:
        answer = (_CAREFUL if _SURROGATE.search(text) else _DECODER).decode(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ValueError("PlanetScale's answer is no JSON object")  # noqa: TRY004 - the parser's callers know ValueError
    return answer


def memory_needed(text: str) -> int:
    """How many bytes reading *text* takes at most, told from its signs alone: those inside of strings count as well."""
    objects = text.count("{")
    values = objects + text.count("[") + text.count(",")
    return 2 * sys.getsizeof(text) + _VALUE_BYTES * values + _OBJECT_BYTES * objects


def _integer(digits: str) -> float:
    """Python refuses to turn long numbers into text, and back, which must not cost the answer around them."""
    return int(digits) if len(digits) < _LONG_NUMBER else float(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Halves of surrogate pairs can't be in a name that records are looked for by."""
    return {name.encode(errors="replace").decode(): value for name, value in pairs}


_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER: Final = json.JSONDecoder(parse_int=_integer)
_CAREFUL: Final = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_object)
