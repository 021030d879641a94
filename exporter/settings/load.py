"""From four sources to one checked tree, or to all mistakes at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, InitSettingsSource

from exporter.credentials import NAMES, Credentials, Login, Sources
from exporter.mistakes import ConfigError, given, shown, suggestion
from exporter.settings import command_line
from exporter.settings.table import CONFIG_FILE, SECTIONS, SETTINGS, TARGETS
from exporter.settings.tree import Api, Files, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from exporter.settings.command_line import CommandLine

_DEMO_BRINGS = ("targets", "api.url")
_NO_TARGETS = f"at least one target that does not exclude is needed (or {TARGETS.env}, or targets in the file)"
_LIKENESS = 0.9  # of names that all begin with the same words


class _Layer(NamedTuple):
    """What one source gives, and how its user calls each setting."""

    given: dict[str, Any]
    name: Callable[[str], str]

    def value(self, path: str) -> Any:
        """What it gives, None when it gives nothing."""
        found: Any = self.given
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def drop(self, section: str, name: object = None, *_: object) -> None:
        """Give no longer what is wrong; of targets none at all."""
        if isinstance(self.given.get(section), dict) and name is not None:
            self.given[section].pop(name, None)
        else:
            self.given.pop(section, None)


def load(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Settings, Credentials]:
    """Read flags, environment and file, in this order of precedence, and check all that the command in *argv* needs.

    Depends on its arguments and on files alone, so it serves a reload too. The demo brings targets, credentials and
    API of its own: flags that give them are mistakes, what else gives them may be meant for serving and is left out.
    The health check needs the listen address alone: an exporter that runs keeps its settings when its file is spoilt.
    Raises ConfigError with every mistake.
    """
    line = command_line.read(argv)
    layers, unread = _layers(line, environ)
    mistakes = list(unread)
    if line.command == "demo":
        mistakes += [f"{layers[0].name(path)}: demo brings its own" for path in _DEMO_BRINGS if layers[0].value(path)]
        layers.insert(0, _Layer({"targets": (), "api": {"url": Api().url}}, str))
    settings, wrong = _validated(layers)
    credentials = Credentials(Sources(), ())
    mistakes += [mistake for _, mistake in wrong]
    if line.command == "healthcheck":
        mistakes = [mistake for path, mistake in wrong if path == "web.listen_address"]
    elif line.command != "demo" and not unread:  # else what is missing may stand in the file
        if not settings.organizations and TARGETS.path not in dict(wrong):
            name = _giver(layers, TARGETS.path).name(TARGETS.path)
            mistakes.append(f"{name}: {_NO_TARGETS}; allowed: {TARGETS.kind.allowed}")
        try:
            credentials = Credentials(_logins(settings, environ, layers[-1].name), settings.organizations)
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return settings, credentials


def doubts(argv: Sequence[str], environ: Mapping[str, str], settings: Settings) -> Iterator[str]:
    """What is no mistake and yet most likely not what was meant, a line each."""
    names = {setting.env for setting in (*SETTINGS.values(), CONFIG_FILE)}
    names |= {f"{name}{end}" for name in NAMES.values() for end in ("", "_FILE")}
    for name in sorted(environ.keys() - names):
        if name.startswith("PLANETSCALE_") and (hint := suggestion(name, names, _LIKENESS)):
            yield f"{shown(name)}: is not read{hint}"
    line = command_line.read(argv)
    for layer in _layers(line, environ)[0] if line.command == "demo" else ():
        yield from (
            f"{layer.name(path)}: is not used; demo brings its own" for path in _DEMO_BRINGS if layer.value(path)
        )
    for organization in sorted(settings.credentials.keys() - set(settings.organizations)):
        yield f"credentials.{shown(organization)}: is not used; no target is of this organization"


def _layers(line: CommandLine, environ: Mapping[str, str]) -> tuple[list[_Layer], tuple[str, ...]]:
    """What flags, environment and file give, the most important first, and why the file can't be read."""
    variables = EnvSettingsSource(Settings)  # the texts of settings alone, for Kubernetes injects others
    texts = {setting.env: environ.get(setting.env, "").strip() for setting in SETTINGS.values()}
    variables.env_vars = {name.lower(): text for name, text in texts.items() if text}
    layers = [
        _Layer(line.settings, lambda path: SETTINGS[path].flag),
        _Layer(variables(), lambda path: SETTINGS[path].env),
    ]
    named = {CONFIG_FILE.flag: line.config_file, CONFIG_FILE.env: environ.get(CONFIG_FILE.env, "").strip() or None}
    for source, path in named.items():
        if path is not None:
            from exporter.settings import yaml_file  # noqa: PLC0415 - PyYAML, which only a file needs

            try:
                return [*layers, _Layer(yaml_file.read(path, source), partial(yaml_file.named, path))], ()
            except ConfigError as error:
                return [*layers, _Layer({}, str)], error.mistakes
    return [*layers, _Layer({}, str)], ()


def _validated(layers: list[_Layer]) -> tuple[Settings, list[tuple[str, str]]]:
    """The tree, with defaults in place of what is wrong, and each mistake with the path of its setting."""
    try:
        return Settings(_build_sources=(tuple(InitSettingsSource(Settings, layer.given) for layer in layers), {})), []
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    mistakes = [_mistake(each, layers) for each in wrong]
    for each in wrong:
        for layer in layers:
            layer.drop(*map(str, each["loc"]))
    return _validated(layers)[0], mistakes


def _giver(layers: list[_Layer], path: str) -> _Layer:
    """The most important layer that gives the setting."""
    return next((layer for layer in layers if layer.value(path) is not None), layers[0])


def _mistake(wrong: ErrorDetails, layers: list[_Layer]) -> tuple[str, str]:
    """The path, and one line: the name as its user wrote it, what was given, and what is allowed."""
    parts = [part for part in wrong["loc"] if isinstance(part, str)]
    path = ".".join(parts)
    if path not in SETTINGS or wrong["type"] == "extra_forbidden":  # stands in the file, where there may be anything
        known = (SECTIONS.get(parts[0], Files) if parts[1:] else Settings).model_fields
        unknown = f"unknown key{suggestion(parts[-1], known) or '; known: ' + ', '.join(known)}"
        problems = {"extra_forbidden": unknown, "string_type": "must be a single value"}
        problem = problems.get(wrong["type"], "must be a mapping of keys to values")
        return path, f"{layers[-1].name(shown(path))}: {problem}"
    layer = _giver(layers, path)
    raw = wrong["input"] if path == TARGETS.path else layer.value(path)  # the one of several; else as it was written
    problem = f": {wrong['ctx']['error']}" if path == TARGETS.path and "ctx" in wrong else " can't be used"
    return path, f"{layer.name(path)}: {given(raw)}{problem}; allowed: {SETTINGS[path].kind.allowed}"


def _logins(settings: Settings, environ: Mapping[str, str], name: Callable[[str], str]) -> Sources:
    """Where the credentials of all organisations stand; *name* is how the file's keys are called."""
    own = {
        owner: Login.of({}, dict(keys), name(f"credentials.{owner}")) for owner, keys in settings.credentials.items()
    }
    default = Login.of(environ, dict(settings.api), name("api"))
    return Sources(default, {owner: login for owner, login in own.items() if login is not None})
