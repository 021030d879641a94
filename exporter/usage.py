"""The text of `--help`, written from the settings tree."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from exporter.settings.environment import CREDENTIAL_NAMES
from exporter.settings.flags import COMMANDS
from exporter.settings.table import CONFIG_FILE, SECTIONS, SETTINGS, TARGETS, Setting
from exporter.version import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDTH = 79
_INDENT = " " * 6
_INTRODUCTION = (
    "Exports PlanetScale deploy requests to Prometheus: progress, ETA and state of every running schema change."
)
_SOURCES = (
    "Every flag may come from the environment instead, as in PLANETSCALE_EXPORTER_POLL_STALE_AFTER, or from the"
    " YAML file, nested as in poll: {stale_after: 5m}. Flags come first, then environment, then file."
)
_CREDENTIALS = (
    f"Credentials never come from flags: set {CREDENTIAL_NAMES['service_token_id']} and"
    f" {CREDENTIAL_NAMES['service_token']}, or {CREDENTIAL_NAMES['access_token']}; with _FILE at the end of the name"
    " each is the path of a file instead."
)


def usage() -> str:
    """The whole help text, 79 columns wide at most."""
    parts = [f"usage: {DISTRIBUTION} [COMMAND] [FLAGS]", _filled(_INTRODUCTION), "\n".join(_commands())]
    parts.append("\n".join(["General.", *_flags((TARGETS, CONFIG_FILE)), *_questions()]))
    for name, section in SECTIONS.items():
        settings = [setting for setting in SETTINGS if setting.path.startswith(f"{name}.")]
        parts.append("\n".join([_filled(f"{section.__doc__}"), *_flags(settings)]))
    return "\n\n".join([*parts, _filled(_SOURCES), _filled(_CREDENTIALS)])


def _commands() -> Iterator[str]:
    yield "Commands; without one, the exporter serves."
    for name, meaning in COMMANDS.items():
        yield f"  {name}"
        yield _filled(meaning, _INDENT)


def _flags(settings: Iterable[Setting]) -> Iterator[str]:
    for setting in settings:
        yield f"  {setting.flag}" + ("[=BOOLEAN]" if setting.is_switch else f" {setting.metavar}")
        default = f" (default {setting.default})" if setting.default else ""
        repeat = "; may be repeated" if setting.is_list else ""
        yield _filled(f"{setting.meaning}{repeat}{default}", _INDENT)


def _questions() -> Iterator[str]:
    yield "  --help, --version"
    yield _filled("show this text, or which build this is", _INDENT)


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
