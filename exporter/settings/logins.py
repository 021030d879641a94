"""Where credentials are: the environment gives values or the paths of files, the YAML file such paths alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from exporter.credentials import Login, Source, Sources
from exporter.settings.table import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.settings import tree


def read(settings: tree.Settings, environ: Mapping[str, str], name: Callable[[str], str]) -> Sources:
    """The login of each organisation that has its own, and of all others; *name* is how the file's keys are called."""
    default = _login(settings.api, name("api"), environ)
    own = {owner: _login(files, name(f"credentials.{owner}"), {}) for owner, files in settings.credentials.items()}
    return Sources(default, {owner: login for owner, login in own.items() if login is not None})


def doubled(environ: Mapping[str, str]) -> list[str]:
    """The mistakes of who gives a value and a file."""
    return [
        f"{name}: excludes {name}_FILE; set one of the two"
        for name in CREDENTIALS.values()
        if environ.get(name, "").strip() and environ.get(f"{name}_FILE", "").strip()
    ]


def _login(files: tree.Login, where: str, environ: Mapping[str, str]) -> Login | None:
    """Each half from the environment, else from its file; one that is missing is named where another one stands."""
    found: dict[str, Source] = {}
    for half, name in CREDENTIALS.items():
        if value := environ.get(name, "").strip():
            found[half] = Source(name, value=SecretStr(value))
        elif path := environ.get(f"{name}_FILE", "").strip():
            found[half] = Source(f"{name}_FILE", file=path)
    names = CREDENTIALS if found else {half: f"{where}.{half}_file" for half in CREDENTIALS}
    for half in CREDENTIALS.keys() - found.keys():
        path = getattr(files, f"{half}_file")
        found[half] = Source(f"{where}.{half}_file" if path else names[half], file=path)
    return Login(**found) if any(source.is_set for source in found.values()) else None
