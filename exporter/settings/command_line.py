"""The command line: argparse, as pydantic-settings fills it from the tree."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import TypeAdapter, ValidationError
from pydantic_settings import CliSettingsSource

from exporter.mistakes import ConfigError, given, shown, suggestion
from exporter.settings.table import CONFIG_FILE, CREDENTIALS, SETTINGS
from exporter.settings.tree import Settings
from exporter.version import DISTRIBUTION

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
{SETTINGS[-1].env}=json, or from the YAML file, nested as in
log: {{format: json}}. Flags come first, then environment, then file.

Credentials never come from flags: set {CREDENTIALS["service_token_id"]} and
{CREDENTIALS["service_token"]}, or {CREDENTIALS["access_token"]}; with
_FILE at the end of the name each is the path of a file instead."""
_FLAGS = {setting.flag: setting for setting in SETTINGS}
_SWITCHES = {setting.flag: f"--no-{setting.flag.removeprefix('--')}" for setting in SETTINGS if setting.is_switch}
_SECRET_WORDS = ("token", "secret", "password", "credential")


@dataclass(slots=True)
class CommandLine:
    """What was asked: settings, the file with more of them, a command, a question (`help` or `version`)."""

    settings: CliSettingsSource[Settings]
    config_file: str | None = None
    command: str | None = None
    question: str | None = None
    mistakes: list[str] = field(default_factory=list)


def read(argv: Sequence[str]) -> CommandLine:
    """Read the arguments after the program's name. What is unknown is in `mistakes`, without its value.

    Raises ConfigError when a known flag lacks its value, or has one too many.
    """
    parser = _Parser()
    source = _source(parser)(args=[_switched(argument) for argument in argv])
    line = CommandLine(source, parser.asked.config_file, question=parser.asked.question)
    if line.config_file is not None and not line.config_file.strip():
        line.config_file = None
        line.mistakes.append(f"{CONFIG_FILE.flag}: needs a value; allowed: {CONFIG_FILE.allowed}")
    rest = iter(parser.rest)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if not argument.startswith("-"):
            _word(line, argument)
        else:
            line.mistakes.append(_unknown(name))
            if not equals and (value := next(rest, None)) in COMMANDS:  # else most likely the unknown flag's value
                line.command = line.command or value
    return line


def usage() -> str:
    """The text of `--help`, 79 columns wide at most."""
    parser = _Parser()
    _source(parser)
    return parser.format_help()


class _Parser(argparse.ArgumentParser):
    """With the flags that are no settings; keeps what it does not know in `rest`."""

    def __init__(self) -> None:
        super().__init__(
            DISTRIBUTION,
            "%(prog)s [COMMAND] [FLAGS]",
            _DESCRIPTION,
            _EPILOG,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=6, width=78),
            allow_abbrev=False,
            add_help=False,
        )
        self.rest: list[str] = []
        self.asked = argparse.Namespace()
        ask = {"action": "store_const", "dest": "question"}
        self.add_argument("-h", "--help", const="help", help="show this text", **ask)  # type: ignore[arg-type]
        self.add_argument("--version", const="version", help="show which build this is", **ask)  # type: ignore[arg-type]
        self.add_argument(CONFIG_FILE.flag, metavar=CONFIG_FILE.metavar, help=CONFIG_FILE.meaning)

    def settings(self, argv: Sequence[str]) -> argparse.Namespace:
        """The settings alone."""
        found, self.rest = self.parse_known_args(argv)
        self.asked = argparse.Namespace(question=found.question, config_file=found.config_file)
        del found.question, found.config_file
        return found

    def error(self, message: str) -> NoReturn:
        """Say which flag is wrong. What argparse says about it may hold its value."""
        name = re.sub(r"^argument ([^:/]+).*", r"\1", message, flags=re.DOTALL)
        name = _SWITCHES.get(name, name)  # the one that takes no value at all
        allowed = f"; allowed: {_FLAGS[name].allowed}" if name in _FLAGS else ""
        raise ConfigError([f"{name}: {'needs a value' if 'expected' in message else 'takes no value'}{allowed}"])


def _source(parser: _Parser) -> CliSettingsSource[Settings]:
    return CliSettingsSource(
        Settings, root_parser=parser, parse_args_method=_Parser.settings, add_argument_method=_add_setting
    )


def _add_setting(parser: argparse._ActionsContainer, *names: str, **options: Any) -> None:
    """Add a flag under the names of our table; whole sections, which pydantic-settings takes as JSON, are no flags."""
    setting = next((_FLAGS[name] for name in names if name in _FLAGS), None)
    if setting is not None:
        default = f" (default {setting.default})" if setting.default else ""
        options["help"] = f"{setting.meaning}{'; may be repeated' if setting.is_list else ''}{default}"
        if not setting.is_switch:
            options["metavar"] = setting.metavar
        parser.add_argument(setting.flag, **options)


def _switched(argument: str) -> str:
    """`--switch=true` and `--switch=false` as argparse has them."""
    name, equals, text = argument.partition("=")
    if not equals or name not in _SWITCHES:
        return argument
    try:
        return name if TypeAdapter(bool).validate_python(text.strip()) else _SWITCHES[name]
    except ValidationError:
        raise ConfigError([f"{name}: {given(text)} is neither true nor false; allowed: true or false"]) from None


def _word(line: CommandLine, word: str) -> None:
    if word in COMMANDS and line.command is None:
        line.command = word
        return
    hint = suggestion(word, COMMANDS) or f"; commands: {', '.join(COMMANDS)}; a switch takes =true or =false"
    line.mistakes.append(f"an argument that is no flag (not shown) can't be used{hint}")


def _unknown(name: str) -> str:
    if not name.startswith("--"):
        return "a flag with one dash (not shown) is unknown; see --help"
    if any(word in name.lower() for word in _SECRET_WORDS):
        return f"{shown(name)}: unknown flag; credentials come from the environment or from files, never from flags"
    known = (*_FLAGS, *_SWITCHES.values(), CONFIG_FILE.flag, "--help", "--version")
    return f"{shown(name)}: unknown flag{suggestion(name, known) or '; see --help'}"
