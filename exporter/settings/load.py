"""From four sources to one checked tree, or to all mistakes at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from exporter.credentials import Credentials
from exporter.mistakes import ConfigError, given, shown, suggestion
from exporter.settings import command_line, environment, logins
from exporter.settings.table import CONFIG_FILE, SECTIONS, SETTINGS, TARGETS
from exporter.settings.tree import Api, Login, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from exporter.settings.command_line import CommandLine
    from exporter.settings.values import ListenAddress

_DEMO_BRINGS = ("targets", "api.url")
_BY_PATH = {setting.path: setting for setting in SETTINGS}
_NO_TARGETS = (
    f"at least one target that does not exclude is needed (or {TARGETS.env}, or targets in the file);"
    f" allowed: {TARGETS.allowed}"
)


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one source gives, and how its user calls each setting."""

    given: dict[str, Any]
    name: Callable[[str], str]

    def value(self, path: str) -> Any:
        """What it gives, None when it gives nothing."""
        section, _, name = path.partition(".")
        found = self.given.get(section)
        return found if not name else found.get(name) if isinstance(found, dict) else None

    def drop(self, section: str, name: object = None, *_: object) -> None:
        """Give no longer what is wrong; of targets none at all."""
        found = self.given.get(section)
        if isinstance(found, dict) and name is not None:
            found.pop(name, None)
        else:
            self.given.pop(section, None)


def load(argv: Sequence[str], environ: Mapping[str, str], *, demo: bool = False) -> Settings:
    """Read flags, environment and file, in this order of precedence, and check them together with the credentials.

    Depends on its arguments and on files alone, so it serves a reload too. The demo brings targets, credentials and
    API of its own: flags that give them are mistakes, what else gives them may be meant for serving and is left out.
    Raises ConfigError with every mistake.
    """
    line = command_line.read(argv)
    layers, unread = _layers(line, environ)
    mistakes = [*line.mistakes, *unread]
    if demo:
        flags = layers[0]
        mistakes += [f"{flags.name(path)}: demo brings its own" for path in _DEMO_BRINGS if flags.value(path)]
        layers.insert(0, _Layer({"targets": (), "api": {"url": Api().url}}, str))
    settings, wrong = _validated(layers)
    mistakes += [mistake for _, mistake in wrong]
    if not demo and not unread:  # else what is missing may stand in the file
        if not settings.organizations and all(path != TARGETS.path for path, _ in wrong):
            mistakes.append(f"{_giver(layers, TARGETS.path).name(TARGETS.path)}: {_NO_TARGETS}")
        settings = settings.model_copy(update={"logins": logins.read(settings, environ, layers[-1].name)})
        mistakes += [*logins.doubled(environ), *_refused(settings)]
    if mistakes:
        raise ConfigError(mistakes)
    return settings


def load_listen_address(argv: Sequence[str], environ: Mapping[str, str]) -> ListenAddress:
    """The listen address alone, whatever is wrong with anything else: an exporter that runs keeps its old settings.

    Raises ConfigError when the command line or the address itself is wrong.
    """
    line = command_line.read(argv)
    settings, wrong = _validated(_layers(line, environ)[0])
    mistakes = [*line.mistakes, *(mistake for path, mistake in wrong if path == "web.listen_address")]
    if mistakes:
        raise ConfigError(mistakes)
    return settings.web.listen_address


def doubts(argv: Sequence[str], environ: Mapping[str, str], settings: Settings, *, demo: bool = False) -> Iterator[str]:
    """What is no mistake and yet most likely not what was meant, a line each."""
    for name, known in environment.near_misses(environ):
        yield f"{shown(name)}: is not read; did you mean {known}?"
    for layer in _layers(command_line.read(argv), environ)[0] if demo else ():
        for path in _DEMO_BRINGS:
            if layer.value(path) is not None:
                yield f"{layer.name(path)}: is not used; demo brings its own"
    for organization in settings.credentials:
        if organization not in settings.organizations:
            yield f"credentials.{shown(organization)}: is not used; no target is of this organization"


def _layers(line: CommandLine, environ: Mapping[str, str]) -> tuple[list[_Layer], tuple[str, ...]]:
    """What flags, environment and file give, the most important first, and why the file can't be read."""
    flags = _Layer(line.settings, lambda path: _BY_PATH[path].flag)
    variables = _Layer(environment.read(environ), lambda path: _BY_PATH[path].env)
    named = {CONFIG_FILE.flag: line.config_file, CONFIG_FILE.env: environ.get(CONFIG_FILE.env, "").strip() or None}
    source, path = next(((source, path) for source, path in named.items() if path is not None), (None, None))
    if source is None or path is None:
        return [flags, variables, _Layer({}, str)], ()
    from exporter.settings import yaml_file  # noqa: PLC0415 - PyYAML, which only a file needs

    try:
        file = _Layer(yaml_file.read(path, source), partial(yaml_file.named, path))
    except ConfigError as error:
        return [flags, variables, _Layer({}, str)], error.mistakes
    return [flags, variables, file], ()


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


def _refused(settings: Settings) -> tuple[str, ...]:
    """What keeps the credentials from serving the organisations that are polled."""
    try:
        Credentials(settings.logins, settings.organizations)
    except ConfigError as error:
        return error.mistakes
    return ()


def _giver(layers: list[_Layer], path: str) -> _Layer:
    """The most important layer that gives the setting."""
    return next((layer for layer in layers if layer.value(path) is not None), layers[0])


def _mistake(wrong: ErrorDetails, layers: list[_Layer]) -> tuple[str, str]:
    """The path, and one line: the name as its user wrote it, what was given, and what is allowed."""
    parts = [part for part in wrong["loc"] if isinstance(part, str)]
    path = ".".join(parts)
    if path not in _BY_PATH or wrong["type"] == "extra_forbidden":  # stands in the file, where there may be anything
        return path, f"{layers[-1].name(shown(path))}: {_misplaced(wrong['type'], *parts)}"
    setting, layer = _BY_PATH[path], _giver(layers, path)
    raw = wrong["input"] if setting is TARGETS else layer.value(path)  # the one of several; else as it was written
    if isinstance(raw, list | dict):
        return path, f"{layer.name(path)}: must be a single value"
    told = wrong.get("ctx", {}).get("error") if setting is TARGETS else None
    problem = f": {told}" if told else " can't be used"
    return path, f"{layer.name(path)}: {given(raw)}{problem}; allowed: {setting.allowed}"


def _misplaced(kind: str, *parts: str) -> str:
    *sections, key = parts
    if kind in {"extra_forbidden", "is_instance_of"}:
        known = SECTIONS.get(sections[0], Login) if sections else Settings
        names = [name for name in known.model_fields if name != "logins"]
        return f"unknown key{suggestion(key, names) or '; known: ' + ', '.join(names)}"
    return "must be a single value" if kind == "string_type" else "must be a mapping of keys to values"
