"""The command line. All of it is read before anything is judged, so that mistakes come together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.mistakes import shown, suggestion
from exporter.settings.given import Given, split
from exporter.settings.table import CONFIG_FILE, SETTINGS, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "check": "test the configuration and the credentials, and show what would be polled",
    "demo": "serve a built-in simulator and the exporter together; needs no credentials",
    "healthcheck": "ask the exporter on this machine whether it is healthy",
}
_FLAGS = {setting.flag: setting for setting in (*SETTINGS, CONFIG_FILE)}
_NEGATIONS = {f"--no-{name.removeprefix('--')}": setting for name, setting in _FLAGS.items() if setting.is_switch}
_QUESTIONS = {"--help": "help", "-h": "help", "--version": "version"}
_SECRET_WORDS = ("token", "secret", "password", "credential")


@dataclass(slots=True)
class CommandLine:
    """What was asked: settings by path, a command, a question (`help` or `version`), and the mistakes."""

    given: dict[str, Given] = field(default_factory=dict)
    command: str | None = None
    question: str | None = None
    mistakes: list[str] = field(default_factory=list)


def read(argv: Sequence[str]) -> CommandLine:
    """Read the arguments after the program's name. No argument's value appears in a mistake."""
    line, waiting = CommandLine(), list(argv)
    while waiting:
        argument = waiting.pop(0)
        name, equals, text = argument.partition("=")
        if argument in _QUESTIONS:
            line.question = line.question or _QUESTIONS[argument]
        elif not argument.startswith("-"):
            _word(line, argument)
        elif name in _NEGATIONS:
            _negation(line, name, has_value=bool(equals))
        elif name not in _FLAGS:
            line.mistakes.append(_unknown(name))
            if not equals and waiting and not waiting[0].startswith("-") and waiting[0] not in COMMANDS:
                waiting.pop(0)  # most likely the value of the unknown flag
        elif equals:
            _give(line, _FLAGS[name], text)
        elif _FLAGS[name].is_switch:
            _give(line, _FLAGS[name], "true")
        else:
            missing = not waiting or waiting[0].startswith("--")
            _give(line, _FLAGS[name], "" if missing else waiting.pop(0))
    return line


def _word(line: CommandLine, word: str) -> None:
    if word in COMMANDS and line.command is None:
        line.command = word
        return
    hint = suggestion(word, COMMANDS) or f"; commands: {', '.join(COMMANDS)}; a switch takes =true or =false"
    line.mistakes.append(f"an argument that is no flag (not shown) can't be used{hint}")


def _negation(line: CommandLine, name: str, *, has_value: bool) -> None:
    if has_value:
        line.mistakes.append(f"{name}: takes no value")
    else:
        _give(line, _NEGATIONS[name], "false", name)


def _give(line: CommandLine, setting: Setting, text: str, name: str | None = None) -> None:
    name = name or setting.flag
    earlier = line.given.get(setting.path)
    if not text.strip():
        line.mistakes.append(f"{name}: needs a value; allowed: {setting.allowed}")
    elif setting.is_list:
        line.given[setting.path] = Given(name, (*(earlier.text if earlier else ()), *split(text)))
    elif earlier is not None:
        line.mistakes.append(f"{name}: may be given once only")
    else:
        line.given[setting.path] = Given(name, text)


def _unknown(name: str) -> str:
    if not name.startswith("--"):
        return "a flag with one dash (not shown) is unknown; see --help"
    if any(word in name.lower() for word in _SECRET_WORDS):
        return f"{shown(name)}: unknown flag; credentials come from the environment or from files, never from flags"
    known = (*_FLAGS, *_NEGATIONS, *_QUESTIONS)
    return f"{shown(name)}: unknown flag{suggestion(name, known) or '; see --help'}"
