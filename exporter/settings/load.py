"""From four sources to one checked tree, or to all mistakes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from exporter import targets
from exporter.credentials import Credentials, Login, Source, Sources
from exporter.mistakes import ConfigError
from exporter.settings import environment, flags, yaml_file
from exporter.settings.environment import CREDENTIAL_NAMES
from exporter.settings.table import CONFIG_FILE, TARGETS, TARGETS_ALLOWED
from exporter.settings.tree import LAYERS, Settings, Web

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from exporter.settings.addresses import ListenAddress
    from exporter.settings.given import Given

_Layer = dict[str, "Given"]
_DEMO_BRINGS = (TARGETS.path, "api.url")


def load(argv: Sequence[str], environ: Mapping[str, str], *, demo: bool = False) -> Settings:
    """Read flags, environment and file, in this order of precedence, and check them together with the credentials.

    Depends on its arguments and on files alone, so it serves a reload too. The demo brings targets, credentials and
    API of its own: those of environment and file are left out, and as flags they are mistakes.
    Raises ConfigError with every mistake.
    """
    line = flags.read(argv)
    layers, file = _layers(line.given, environ)
    mistakes = [*line.mistakes, *file.mistakes]
    sources = Sources() if demo else _credentials(environ, file, mistakes)
    if demo:
        mistakes += [f"{line.given[path].name}: demo brings its own" for path in _DEMO_BRINGS if path in line.given]
        layers = [{path: given for path, given in layer.items() if path not in _DEMO_BRINGS} for layer in layers]
    settings = _validated(layers, sources, mistakes)
    if file.is_read and not demo:  # what is missing may stand in a file that can't be read
        mistakes += _polled(layers, sources)
    if settings is None or mistakes:
        raise ConfigError(mistakes)
    return settings


def load_listen_address(argv: Sequence[str], environ: Mapping[str, str]) -> ListenAddress:
    """The listen address alone, whatever is wrong with anything else: an exporter that runs keeps its old settings.

    Raises ConfigError when the command line or the address itself is wrong.
    """
    line = flags.read(argv)
    if line.mistakes:
        raise ConfigError(line.mistakes)
    layers, _ = _layers(line.given, environ)
    path = "web.listen_address"
    given = next((layer[path] for layer in layers if path in layer), None)
    if given is None:
        return Web().listen_address
    mistakes: list[str] = []
    settings = _validated([{path: given}], Sources(), mistakes)
    if settings is None:
        raise ConfigError(mistakes)
    return settings.web.listen_address


def _layers(given: _Layer, environ: Mapping[str, str]) -> tuple[list[_Layer], yaml_file.File]:
    """What flags, environment and file give, the most important first."""
    env = environment.settings(environ)
    named = given.get(CONFIG_FILE.path) or env.get(CONFIG_FILE.path)
    file = yaml_file.read(named) if named else yaml_file.File("", is_read=True)
    layers = [{path: text for path, text in layer.items() if path != CONFIG_FILE.path} for layer in (given, env)]
    return [*layers, file.given], file


def _validated(layers: list[_Layer], sources: Sources, mistakes: list[str]) -> Settings | None:
    values: dict[str, Any] = {LAYERS: [*map(_nested, layers)], "credentials": sources}
    try:
        return Settings(**values)
    except ValidationError as error:
        mistakes += [_mistake(wrong, layers) for wrong in error.errors(include_url=False, include_input=False)]
        return None


def _nested(layer: _Layer) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, given in layer.items():
        section, dot, name = path.partition(".")
        if dot:
            tree.setdefault(section, {})[name] = given.text
        else:
            tree[section] = given.text
    return tree


def _mistake(wrong: ErrorDetails, layers: list[_Layer]) -> str:
    """One line: the name as its user wrote it, and what is wrong."""
    words = [str(part) for part in wrong["loc"] if isinstance(part, str)]
    path = ".".join(words)
    name, texts = next(((layer[path].name, layer[path].text) for layer in layers if path in layer), (path, ""))
    message = str(wrong.get("ctx", {}).get("error", wrong["msg"]))
    if path != TARGETS.path:
        return f"{name}: {message}"
    position = next((part + 1 for part in wrong["loc"] if isinstance(part, int)), 0)
    which = f"target {position}: " if len(texts) > 1 else ""
    return f"{name}: {which}{message}; allowed: {TARGETS_ALLOWED}"


def _polled(layers: list[_Layer], sources: Sources) -> Iterator[str]:
    """What is wrong when nothing is polled, or when an organisation that is has no credentials."""
    given = next((layer[TARGETS.path] for layer in layers if TARGETS.path in layer), None)
    organizations, is_whole = _organizations(given.text if given else ())
    if given is None:
        yield f"{TARGETS.flag}: missing (or {TARGETS.env}, or targets in the file); allowed: {TARGETS_ALLOWED}"
    elif is_whole and not organizations:
        yield f"{given.name}: at least one target that does not exclude is needed"
    try:
        Credentials(sources, organizations)
    except ConfigError as error:
        yield from error.mistakes


def _organizations(texts: Iterable[str]) -> tuple[tuple[str, ...], bool]:
    """The organisations that are polled, and whether every text could be read."""
    found, is_whole = [], True
    for text in texts:
        try:
            target = targets.parse(text)
        except ValueError:
            is_whole = False
        else:
            found += [] if target.exclude else [target.organization]
    return tuple(dict.fromkeys(found)), is_whole


def _credentials(environ: Mapping[str, str], file: yaml_file.File, mistakes: list[str]) -> Sources:
    """Each half from the environment, else from the file."""
    given = environment.credentials(environ, mistakes)
    default = {**file.default, **given}
    return Sources(
        _login(default, CREDENTIAL_NAMES if given else _file_names(file, "api")) if default else None,
        {
            organization: _login(own, _file_names(file, f"credentials.{organization}"))
            for organization, own in file.organizations.items()
        },
    )


def _login(given: Mapping[str, Source], names: Mapping[str, str]) -> Login:
    """The halves that are given; *names* say how the others would be."""
    return Login(**{half: given.get(half, Source(name)) for half, name in names.items()})


def _file_names(file: yaml_file.File, where: str) -> dict[str, str]:
    return {half: file.name(f"{where}.{half}_file") for half in CREDENTIAL_NAMES}
