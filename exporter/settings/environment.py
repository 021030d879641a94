"""The environment. Names that are unknown are left alone: Kubernetes injects its own under the same prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from exporter.credentials import Source
from exporter.settings.given import Given, split
from exporter.settings.table import CONFIG_FILE, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

# the names that PlanetScale's command line and Terraform provider use
CREDENTIAL_NAMES = {
    "service_token_id": "PLANETSCALE_SERVICE_TOKEN_ID",
    "service_token": "PLANETSCALE_SERVICE_TOKEN",
    "access_token": "PLANETSCALE_ACCESS_TOKEN",
}


def settings(environ: Mapping[str, str]) -> dict[str, Given]:
    """The settings that *environ* gives; an empty value gives none."""
    return {
        setting.path: Given(setting.env, split(text) if setting.is_list else text)
        for setting in (*SETTINGS, CONFIG_FILE)
        if (text := environ.get(setting.env, "")).strip()
    }


def credentials(environ: Mapping[str, str], mistakes: list[str]) -> dict[str, Source]:
    """The source of each half that *environ* gives."""
    found = {}
    for half, name in CREDENTIAL_NAMES.items():
        value, file = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
        if value and file:
            mistakes.append(f"{name}: excludes {name}_FILE; set one of the two")
        if value:
            found[half] = Source(name, value=SecretStr(value))
        elif file:
            found[half] = Source(f"{name}_FILE", file=file)
    return found
