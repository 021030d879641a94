"""From four sources to one checked tree, or to all mistakes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from exporter.credentials import Credentials, Login, Source, Sources
from exporter.mistakes import ConfigError, given, shown
from exporter.settings import command_line, environment
from exporter.settings.environment import Environment
from exporter.settings.table import CONFIG_FILE, CREDENTIALS, SECTIONS, SETTINGS, TARGETS
from exporter.settings.tree import TARGETS_ALLOWED, Api, Settings, Web, split
from exporter.settings.yaml_file import FILE_KEYS, YamlFile, unknown_hint
from exporter.targets import Target, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from exporter.settings.command_line import CommandLine
    from exporter.settings.values import ListenAddress

_DEMO_BRINGS = ("targets", "api.url")
_BY_PATH = {setting.path: setting for setting in SETTINGS}
_WORDS = {
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "int_parsing": "is no whole number",
    "int_from_float": "is no whole number",
    "float_parsing": "is no number",
    "bool_parsing": "is neither true nor false",
    "literal_error": "is unknown",
    "byte_size": "is no size",
    "byte_size_unit": "is no size",
}


@dataclass(slots=True)
class _Layer:
    """What one source gives, and how its user calls each setting."""

    given: dict[str, Any]
    name: Callable[[str], str]

    def has(self, path: str) -> bool:
        """Whether it gives the setting."""
        return self.value(path) is not None

    def value(self, path: str) -> Any:
        """What it gives, None when it gives nothing."""
        section, _, name = path.partition(".")
        found = self.given.get(section)
        return found if not name else found.get(name) if isinstance(found, dict) else None


def load(argv: Sequence[str], environ: Mapping[str, str], *, demo: bool = False) -> Settings:
    """Read flags, environment and file, in this order of precedence, and check them together with the credentials.

    Depends on its arguments and on files alone, so it serves a reload too. The demo brings targets, credentials and
    API of its own: given ones are mistakes, but credentials, which any shell may have, are left out.
    Raises ConfigError with every mistake.
    """
    line = command_line.read(argv)
    mistakes = list(line.mistakes)
    file = _file(line, environ, mistakes)
    layers = _layers(line, environ, file)
    sources = Sources() if demo else _credentials(environ, file, mistakes)
    if demo:
        mistakes += [f"{_flag(path)}: demo brings its own" for path in _DEMO_BRINGS if layers[0].has(path)]
    fixed = {"targets": (), "api": {"url": Api().url}} if demo else {}
    settings = _validated(layers, mistakes, credentials=sources, **fixed)
    is_whole = file is not None or _named(line, environ) is None  # else what is missing may stand in the file
    if is_whole and not demo:
        mistakes += _polled(layers, sources)
    if settings is None or mistakes:
        raise ConfigError(mistakes)
    return settings


def load_listen_address(argv: Sequence[str], environ: Mapping[str, str]) -> ListenAddress:
    """The listen address alone, whatever is wrong with anything else: an exporter that runs keeps its old settings.

    Raises ConfigError when the command line or the address itself is wrong.
    """
    line = command_line.read(argv)
    if line.mistakes:
        raise ConfigError(line.mistakes)
    layers = _layers(line, environ, _file(line, environ, []))
    layer = next((layer for layer in layers if layer.has("web.listen_address")), None)
    if layer is None:
        return Web().listen_address
    mistakes: list[str] = []
    layer.given = {"web": {"listen_address": layer.value("web.listen_address")}}
    settings = _validated([layer], mistakes)
    if settings is None:
        raise ConfigError(mistakes)
    return settings.web.listen_address


def doubts(environ: Mapping[str, str], settings: Settings, *, demo: bool = False) -> Iterator[str]:
    """What is no mistake and yet most likely not what was meant, a line each."""
    for name, known in environment.near_misses(environ):
        yield f"{shown(name)}: is not read; did you mean {known}?"
    if demo:
        for path in _DEMO_BRINGS:
            if environ.get(_variable(path), "").strip():
                yield f"{_variable(path)}: is not used; demo brings its own"
    for organization in settings.credentials.organizations:
        if organization not in settings.organizations:
            yield f"credentials.{organization}: is not used; no target is of this organization"


def _named(line: CommandLine, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The path of the file, and where it was named."""
    if line.config_file is not None:
        return line.config_file, CONFIG_FILE.flag
    path = environ.get(CONFIG_FILE.env, "")
    return (path, CONFIG_FILE.env) if path.strip() else None


def _file(line: CommandLine, environ: Mapping[str, str], mistakes: list[str]) -> YamlFile | None:
    named = _named(line, environ)
    try:
        file = YamlFile(*named) if named else None
    except ConfigError as error:
        mistakes += error.mistakes
        return None
    mistakes += file.mistakes if file else []
    return file


def _layers(line: CommandLine, environ: Mapping[str, str], file: YamlFile | None) -> list[_Layer]:
    """What flags, environment and file give, the most important first."""
    layers = [_Layer(line.settings(), _flag), _Layer(Environment(environ)(), _variable)]
    return [*layers, _Layer(file(), file.name)] if file else layers


def _flag(path: str) -> str:
    return _BY_PATH[path].flag


def _variable(path: str) -> str:
    return _BY_PATH[path].env


def _validated(layers: list[_Layer], mistakes: list[str], **values: Any) -> Settings | None:
    values["sources"] = [InitSettingsSource(Settings, layer.given) for layer in layers]
    try:
        return Settings(**values)
    except ValidationError as error:
        mistakes += [_mistake(wrong, layers) for wrong in error.errors(include_url=False)]
        return None


def _mistake(wrong: ErrorDetails, layers: list[_Layer]) -> str:
    """One line: the name as its user wrote it, what was given, what is wrong and what is allowed."""
    path = ".".join(str(part) for part in wrong["loc"] if isinstance(part, str))
    layer = next((layer for layer in layers if layer.has(path)), None)
    name = layer.name(path) if layer else path
    kind = wrong["type"]
    if kind == "extra_forbidden":  # of the file; its value may be anything
        *sections, key = wrong["loc"]
        known = _known(str(sections[0])) if sections else ["targets", *SECTIONS, "credentials"]
        return f"{layers[-1].name(shown(path))}: unknown key{unknown_hint(str(key), known)}"
    if path in SECTIONS:
        return f"{name}: must be a mapping of keys to values"
    raw = wrong["input"] if layer is None or path == TARGETS.path else layer.value(path)
    if isinstance(raw, list | dict):
        return f"{name}: must be a single value"
    message = str(wrong.get("ctx", {}).get("error") or _WORDS.get(kind, wrong["msg"]))
    allowed = "" if "allowed: " in message else f"; allowed: {_BY_PATH[path].allowed}"
    return f"{name}: {given(raw)}{':' if path == TARGETS.path else ''} {message}{allowed}"


def _known(section: str) -> list[str]:
    return [*SECTIONS[section].model_fields, *(FILE_KEYS if section == "api" else ())]


def _polled(layers: list[_Layer], sources: Sources) -> Iterator[str]:
    """What is wrong when nothing is polled, or when an organisation that is has no credentials."""
    layer = next((layer for layer in layers if layer.has(TARGETS.path)), None)
    found = list(_parsed(layer.value(TARGETS.path) if layer else ()))
    organizations = tuple(dict.fromkeys(target.organization for target in found if target and not target.exclude))
    if layer is None:
        yield f"{TARGETS.flag}: missing (or {TARGETS.env}, or targets in the file); allowed: {TARGETS_ALLOWED}"
    elif not organizations and None not in found:
        yield f"{layer.name(TARGETS.path)}: at least one target that does not exclude is needed"
    try:
        Credentials(sources, organizations)
    except ConfigError as error:
        yield from error.mistakes


def _parsed(given_there: object) -> Iterator[Target | None]:
    """Each target, None for one that can't be read, which validation tells."""
    texts = split(given_there)
    for text in texts if isinstance(texts, list | tuple) else [None]:
        try:
            yield parse(str(text))
        except ValueError:
            yield None


def _credentials(environ: Mapping[str, str], file: YamlFile | None, mistakes: list[str]) -> Sources:
    """Each half from the environment, else from the file; the names say where a missing half would be."""
    given_there = environment.credentials(environ, mistakes)
    if file is None:
        return Sources(_login(given_there, CREDENTIALS))
    default = _login(file.default | given_there, CREDENTIALS if given_there else _file_names(file, "api"))
    own = {name: _login(login, _file_names(file, f"credentials.{name}")) for name, login in file.organizations.items()}
    return Sources(default, {name: login for name, login in own.items() if login})


def _login(found: Mapping[str, Source], names: Mapping[str, str]) -> Login | None:
    return Login(**{half: found.get(half, Source(name)) for half, name in names.items()}) if found else None


def _file_names(file: YamlFile, where: str) -> dict[str, str]:
    return {half: file.name(f"{where}.{half}_file") for half in CREDENTIALS}
