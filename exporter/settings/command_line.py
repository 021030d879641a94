"""The command line: argparse, as pydantic-settings fills it from the tree."""

from __future__ import annotations

import argparse
import platform
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_settings import CliSettingsSource

from exporter.credentials import NAMES
from exporter.mistakes import ConfigError, shown, suggestion
from exporter.settings.table import CONFIG_FILE, SETTINGS, TARGETS
from exporter.settings.tree import Settings
from exporter.version import DISTRIBUTION, revision, version

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "check": "test the configuration and the credentials, and show what would be polled",
    "demo": "serve a built-in simulator and the exporter together; needs no credentials",
    "healthcheck": "ask the exporter on this machine whether it is healthy",
}
_DESCRIPTION = """\
Exports PlanetScale deploy requests to Prometheus: progress, ETA and state of
every running schema change.

commands; without one, the exporter serves:
""" + "\n".join(f"  {name}\n    {meaning}" for name, meaning in COMMANDS.items())
_EPILOG = f"""\
Every flag may come from the environment instead, as in
{SETTINGS["log.format"].env}=json, or from the YAML file, nested as in
log: {{format: json}}. Flags come first, then environment, then file.

Credentials never come from flags: set {NAMES["service_token_id"]} and
{NAMES["service_token"]}, or {NAMES["access_token"]}; with
_FILE at the end of the name each is the path of a file instead."""


class CommandLine(NamedTuple):
    """What was asked: settings as a tree, the file with more of them, a command."""

    settings: dict[str, Any]
    config_file: str | None
    command: str | None


def read(argv: Sequence[str]) -> CommandLine:
    """Read the arguments after the program's name.

    Raises ConfigError when they are not understood, and SystemExit(0) when `--help` or `--version` was answered.
    """
    parser, source = _parser()
    try:
        found, rest = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        problem = error.message.partition(" '")[0]  # the value may follow
        raise ConfigError([f"{error.argument_name}: {problem}"]) from None
    if unknown := [_unknown(argument.partition("=")[0]) for argument in rest if argument.startswith("-")]:
        raise ConfigError(unknown)
    if rest and (len(rest) > 1 or rest[0] not in COMMANDS):
        hint = suggestion(rest[-1], COMMANDS) or f"; commands: {', '.join(COMMANDS)}"
        raise ConfigError([f"an argument that is no flag (not shown) can't be used{hint}"])
    config_file = vars(found).pop("config_file")
    return CommandLine(source(parsed_args=found)(), config_file, rest[0] if rest else None)


@cache
def _parser() -> tuple[argparse.ArgumentParser, CliSettingsSource[Settings]]:
    parser = argparse.ArgumentParser(
        DISTRIBUTION,
        "%(prog)s [COMMAND] [FLAGS]",
        _DESCRIPTION,
        _EPILOG,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=6, width=78),
        allow_abbrev=False,
        exit_on_error=False,
    )
    known = ", ".join(part for part in (revision(), f"Python {platform.python_version()}") if part != "unknown")
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {version()} ({known})")
    parser.add_argument(CONFIG_FILE.flag, metavar=CONFIG_FILE.kind.metavar, help=CONFIG_FILE.meaning)
    return parser, CliSettingsSource(Settings, root_parser=parser, add_argument_method=_add_setting)


def _add_setting(group: argparse._ActionsContainer, *_: str, **options: Any) -> None:
    """Add a flag of our table; whole sections, which pydantic-settings takes as JSON, are no flags."""
    setting = SETTINGS.get(options["dest"])
    if setting is None:
        return
    note = f" (default {setting.default})" if setting.default else " (may be repeated)" if setting is TARGETS else ""
    options |= {"metavar": setting.kind.metavar, "help": setting.meaning + note}
    is_switch = setting.kind.metavar == "BOOLEAN"
    group.add_argument(setting.flag, **options | ({"nargs": "?", "const": "true"} if is_switch else {}))
    if is_switch:
        no = setting.flag.replace("--", "--no-")
        group.add_argument(no, dest=setting.path, action="store_const", const="false", default=argparse.SUPPRESS)


def _unknown(flag: str) -> str:
    if not flag.startswith("--"):
        return "a flag with one dash (not shown) is unknown; see --help"
    hint = suggestion(flag, (setting.flag for setting in (*SETTINGS.values(), CONFIG_FILE)))
    return f"{shown(flag)}: unknown flag{hint or '; see --help (credentials never come from flags)'}"
