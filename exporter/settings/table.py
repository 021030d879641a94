"""The list of all settings, read from the tree, with the names each has in every source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.settings.tree import Section, Settings
from exporter.settings.values import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

_SHORTCUTS = {"targets": "target"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `path` is its place in the tree, `default` the text that reads back as its default."""

    path: str
    metavar: str
    default: str
    meaning: str
    allowed: str

    @property
    def flag(self) -> str:
        """Its flag."""
        return f"--{_SHORTCUTS.get(self.path, self.path)}".replace("_", "-")

    @property
    def env(self) -> str:
        """Its environment variable."""
        return f"{Settings.model_config['env_prefix']}{self.path}".upper().replace(".", "_")


def _of(model: type[BaseModel], within: str = "") -> Iterator[Setting]:
    for name, info in model.model_fields.items():
        for kind in info.metadata:
            if isinstance(kind, Kind):
                default = info.default or ""
                yield Setting(within + name, kind.metavar, default, info.description or "", kind.allowed)
        if name in SECTIONS:
            yield from _of(SECTIONS[name], f"{name}.")


SECTIONS: dict[str, type[Section]] = {
    name: info.annotation
    for name, info in Settings.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
}
SETTINGS = tuple(_of(Settings))
TARGETS = SETTINGS[0]
CONFIG_FILE = Setting("config_file", "FILE", "", "YAML file with any of these settings", "a file")
CREDENTIALS = {  # the names that PlanetScale's command line and Terraform provider use
    "service_token_id": "PLANETSCALE_SERVICE_TOKEN_ID",
    "service_token": "PLANETSCALE_SERVICE_TOKEN",
    "access_token": "PLANETSCALE_ACCESS_TOKEN",
}
