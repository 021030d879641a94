"""The list of all settings, read from the tree, with the names each has in every source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.settings.tree import Section, Settings
from exporter.settings.values import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator


class Setting(NamedTuple):
    """One setting: its place in the tree, the text that reads back as its default, what it means and may be."""

    path: str
    default: str
    meaning: str
    kind: Kind

    @property
    def flag(self) -> str:
        """Its flag."""
        return f"--{'target' if self.path == 'targets' else self.path}".replace("_", "-")

    @property
    def env(self) -> str:
        """Its environment variable."""
        return f"{Settings.model_config['env_prefix']}{self.path}".upper().replace(".", "_")


def _of(model: type[Section], within: str = "") -> Iterator[Setting]:
    for name, info in model.model_fields.items():
        for kind in info.metadata:
            if isinstance(kind, Kind):
                yield Setting(within + name, info.default or "", info.description or "", kind)
        if name in SECTIONS:
            yield from _of(SECTIONS[name], f"{name}.")


SECTIONS: dict[str, type[Section]] = {
    name: type(info.default) for name, info in Settings.model_fields.items() if isinstance(info.default, Section)
}
SETTINGS = {setting.path: setting for setting in _of(Settings)}
TARGETS = SETTINGS["targets"]
CONFIG_FILE = Setting("config_file", "", "YAML file with any of these settings", Kind("FILE", "the path of a file"))
