"""The list of all settings, read from the tree, with the names each has in every source."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.settings.tree import ENV_PREFIX, TARGETS_ALLOWED, Section, Settings
from exporter.settings.values import Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `path` is its place in the tree, `default` the text that reads back as its default."""

    path: str
    flag: str
    metavar: str
    default: str
    meaning: str
    allowed: str

    @property
    def env(self) -> str:
        """Its environment variable."""
        return ENV_PREFIX + self.path.upper().replace(".", "_")

    @property
    def is_switch(self) -> bool:
        """Whether its flag stands without a value."""
        return self.metavar == "BOOLEAN"

    @property
    def is_file(self) -> bool:
        """Whether it is the path of a file."""
        return self.metavar == "FILE"

    @property
    def is_list(self) -> bool:
        """Whether its flag may be repeated, and its text holds several values."""
        return self.path == TARGETS.path


TARGETS = Setting(
    "targets", "--target", "TARGET", "", Settings.model_fields["targets"].description or "", TARGETS_ALLOWED
)
CONFIG_FILE = Setting("config_file", "--config-file", "FILE", "", "YAML file with any of these settings", "a file")


def _of(name: str, section: type[Section]) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            f"{name}.{field}",
            f"--{name}.{field.replace('_', '-')}",
            kind.metavar,
            kind.show(info.default) if info.default is not None else "",
            info.description or "",
            kind.allowed,
        )
        for field, info in section.model_fields.items()
        for kind in info.metadata
        if isinstance(kind, Kind)
    )


SECTIONS: dict[str, type[Section]] = {
    name: info.annotation
    for name, info in Settings.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
}
SETTINGS = (TARGETS, *(setting for name, section in SECTIONS.items() for setting in _of(name, section)))
CREDENTIALS = {  # the names that PlanetScale's command line and Terraform provider use
    "service_token_id": "PLANETSCALE_SERVICE_TOKEN_ID",
    "service_token": "PLANETSCALE_SERVICE_TOKEN",
    "access_token": "PLANETSCALE_ACCESS_TOKEN",
}
