"""How the API writes identifiers and times."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=20_000)
def identifier(*path: str | int) -> str:
    """The twelve characters that PlanetScale would call the thing at *path*: always the same ones."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, path)).encode()).digest()[:8], "big")
    return "".join("0123456789abcdefghijklmnopqrstuvwxyz"[number // 36**i % 36] for i in range(12))


def stamp(moment: float) -> str:
    """A Unix time as the API writes it: RFC 3339 in UTC, the fraction as short as it can be."""
    text = datetime.fromtimestamp(round(moment, 3), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def maybe_stamp(moment: float | None) -> str | None:
    """Likewise, or null for what has not happened."""
    return None if moment is None else stamp(moment)
