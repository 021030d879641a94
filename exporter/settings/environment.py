"""The environment, for the names that are settings; Kubernetes injects others under the same prefix."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic_settings import EnvSettingsSource

from exporter.settings.table import CONFIG_FILE, CREDENTIALS, SETTINGS
from exporter.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMON = "PLANETSCALE_"
_CLOSE = 0.75


def read(environ: Mapping[str, str]) -> dict[str, Any]:
    """The tree of settings that *environ* gives; an empty value gives none."""
    source = EnvSettingsSource(Settings)
    given = {setting.env: environ.get(setting.env, "") for setting in SETTINGS}
    source.env_vars = {name.lower(): text for name, text in given.items() if text.strip()}
    return source()


def near_misses(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each variable that is close to one that is read, with the latter's name."""
    halves = {f"{name}{end}" for name in CREDENTIALS.values() for end in ("", "_FILE")}
    known = {_own(name): name for name in {*halves, CONFIG_FILE.env, *(setting.env for setting in SETTINGS)}}
    for name in sorted(environ):
        if name.startswith(_COMMON) and name not in known.values():
            close = difflib.get_close_matches(_own(name), known, n=1, cutoff=_CLOSE)
            yield from ((name, known[each]) for each in close)


def _own(name: str) -> str:
    """The part that tells names apart."""
    return name.removeprefix(_COMMON).removeprefix("EXPORTER_")
