"""The command line: argparse, as pydantic-settings fills it from the tree."""

from __future__ import annotations

import argparse
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_settings import CliSettingsSource

from exporter.mistakes import ConfigError, shown, suggestion
from exporter.settings.table import CONFIG_FILE, CREDENTIALS, SETTINGS, TARGETS
from exporter.settings.tree import Settings
from exporter.version import DISTRIBUTION, revision, version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
{SETTINGS[-1].env}=json, or from the YAML file, nested as in
log: {{format: json}}. Flags come first, then environment, then file.

Credentials never come from flags: set {CREDENTIALS["service_token_id"]} and
{CREDENTIALS["service_token"]}, or {CREDENTIALS["access_token"]}; with
_FILE at the end of the name each is the path of a file instead."""
_FLAGS = {setting.flag: setting for setting in (*SETTINGS, CONFIG_FILE)}
_SWITCHES = {
    flag.replace("--", start, 1): f"{flag}={value}"
    for flag, setting in _FLAGS.items()
    if setting.metavar == "BOOLEAN"
    for start, value in (("--", "true"), ("--no-", "false"))
}
_SECRET_WORDS = ("token", "secret", "password", "credential")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was asked: settings as a tree, the file with more of them, a command; what is unknown is a mistake."""

    settings: dict[str, Any]
    config_file: str | None
    command: str | None
    mistakes: list[str]


def read(argv: Sequence[str]) -> CommandLine:
    """Read the arguments after the program's name.

    Raises ConfigError when a known flag lacks its value, and SystemExit(0) when `--help` or `--version` was answered.
    """
    parser = _parser()
    source = CliSettingsSource[Settings](Settings, root_parser=parser, add_argument_method=_add_setting)
    try:
        found, rest = parser.parse_known_args([_SWITCHES.get(argument, argument) for argument in argv])
    except argparse.ArgumentError as error:  # its own message may hold the value
        name, problem = error.argument_name or "", "needs a" if "expected" in error.message else "takes no"
        allowed = f"; allowed: {_FLAGS[name].allowed}" if name in _FLAGS else ""
        raise ConfigError([f"{name}: {problem} value{allowed}"]) from None
    config_file = vars(found).pop("config_file")
    command, mistakes = _leftovers(iter(rest))
    return CommandLine(source(parsed_args=found)(), config_file, command, mistakes)


def _parser() -> argparse.ArgumentParser:
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
    parser.add_argument(CONFIG_FILE.flag, metavar=CONFIG_FILE.metavar, help=CONFIG_FILE.meaning)
    return parser


def _add_setting(parser: argparse.ArgumentParser, *names: str, **options: Any) -> None:
    """Add a flag under the names of our table; whole sections, which pydantic-settings takes as JSON, are no flags."""
    setting = next((_FLAGS[name] for name in names if name in _FLAGS), None)
    if setting is not None:
        no = f"--no-{setting.flag.removeprefix('--')}"
        more = "; may be repeated" if setting is TARGETS else f"; {no} for false" if no in _SWITCHES else ""
        default = f" (default {setting.default})" if setting.default else ""
        options |= {"help": f"{setting.meaning}{more}{default}", "metavar": setting.metavar}
        parser.add_argument(setting.flag, **options)


def _leftovers(rest: Iterator[str]) -> tuple[str | None, list[str]]:
    """The command among what argparse does not know, and the mistakes in it."""
    command, mistakes = None, []
    for argument in rest:
        word: str | None = argument
        if argument.startswith("-"):
            mistakes.append(_unknown(argument.partition("=")[0]))
            word = None if "=" in argument else next(rest, None)  # most likely the unknown flag's value
        if word in COMMANDS and command is None:
            command = word
        elif word is argument:
            hint = suggestion(word, COMMANDS) or f"; commands: {', '.join(COMMANDS)}; a switch takes =true or =false"
            mistakes.append(f"an argument that is no flag (not shown) can't be used{hint}")
    return command, mistakes


def _unknown(flag: str) -> str:
    if not flag.startswith("--"):
        return "a flag with one dash (not shown) is unknown; see --help"
    if any(word in flag.lower() for word in _SECRET_WORDS):
        return f"{shown(flag)}: unknown flag; credentials come from the environment or from files, never from flags"
    return f"{shown(flag)}: unknown flag{suggestion(flag, (*_FLAGS, *_SWITCHES)) or '; see --help'}"
