"""The environment, for the names that are settings; Kubernetes injects others under the same prefix."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pydantic import SecretStr
from pydantic_settings import EnvSettingsSource

from exporter.credentials import Source
from exporter.settings.table import CONFIG_FILE, CREDENTIALS, SETTINGS
from exporter.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMON = "PLANETSCALE_"
_CLOSE = 0.75


class Environment(EnvSettingsSource):
    """The settings that *environ* gives; an empty value gives none."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        known = {setting.env: self._environ.get(setting.env, "") for setting in SETTINGS}
        return {name.lower(): text for name, text in known.items() if text.strip()}


def credentials(environ: Mapping[str, str], mistakes: list[str]) -> dict[str, Source]:
    """The source of each half that *environ* gives."""
    found = {}
    for half, name in CREDENTIALS.items():
        value, file = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
        if value and file:
            mistakes.append(f"{name}: excludes {name}_FILE; set one of the two")
        if value:
            found[half] = Source(name, value=SecretStr(value))
        elif file:
            found[half] = Source(f"{name}_FILE", file=file)
    return found


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
