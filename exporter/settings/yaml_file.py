"""The YAML file. Every value is taken as the text that stands there, so one way of reading serves all sources."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any, NoReturn

import yaml
from pydantic_settings import YamlConfigSettingsSource

from exporter import files
from exporter.credentials import Source
from exporter.mistakes import LONGEST_PATH, ConfigError, shown, suggestion
from exporter.settings.table import CREDENTIALS, SETTINGS
from exporter.settings.tree import Settings
from exporter.targets import is_name

_LARGEST_FILE = 2**20
_NULL = "tag:yaml.org,2002:null"
FILE_KEYS = {f"{half}_file": half for half in CREDENTIALS}


class YamlFile(YamlConfigSettingsSource):
    """The settings in the file that *source* names, and apart from them where its credentials are.

    Paths in it start from its directory. Raises ConfigError when it can't be read.
    """

    def __init__(self, path: str, source: str) -> None:
        self.path, self._source = path.strip(), source
        self.default: dict[str, Source] = {}
        self.organizations: dict[str, dict[str, Source]] = {}
        self.mistakes: list[str] = []
        super().__init__(Settings, self.path)

    def name(self, key: str) -> str:
        """How the user wrote *key*."""
        return f"{shown(self.path, LONGEST_PATH)}: {key}"

    def _read_files(self, files: object, deep_merge: bool = False) -> dict[str, Any]:  # noqa: ARG002 - pydantic-settings' signature
        data = self._mapping("", self._loaded())
        api = data.get("api")
        if isinstance(api, dict):
            self.default = self._sources("api", {key: api.pop(key) for key in [*api] if key in FILE_KEYS})
        for organization, login in self._mapping("credentials", data.pop("credentials", {})).items():
            where = f"credentials.{organization}"
            if not is_name(organization):
                self.mistakes.append(self.name(f"{shown(where)}: is no name of an organization"))
            elif sources := self._sources(where, self._mapping(where, login)):
                self.organizations[organization] = sources
        for setting in SETTINGS:
            section, _, name = setting.path.partition(".")
            values = data.get(section)
            if setting.is_file and isinstance(values, dict) and isinstance(values.get(name), str):
                values[name] = self._beside(values[name])
        return data

    def _loaded(self) -> object:
        try:
            text = files.read(self.path, _LARGEST_FILE).decode("utf-8-sig")
            return yaml.load(text, Loader=_Loader) or {}  # noqa: S506 - a SafeLoader
        except files.UnreadableError as error:
            self._refuse(f"{self._source}: the file {shown(self.path, LONGEST_PATH)} {error}")
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(errors="replace")
            self._refuse(self.name(f"line {before.count(chr(10)) + 1}: is no UTF-8 text"))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = re.sub("'[^']{2,}'", "'…'", error.problem or "")
            hint = "; a value that begins with ! needs quotes" if "for the tag" in problem else ""
            place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
            self._refuse(self.name(f"{place}: {problem}{hint}"))
        except yaml.reader.ReaderError as error:
            self._refuse(self.name(f"has a character that YAML does not allow (#x{error.character:04x})"))
        except (RecursionError, ValueError) as error:
            deep = isinstance(error, RecursionError)
            self._refuse(self.name("is nested too deeply" if deep else "has a value that does not fit its tag"))

    def _refuse(self, mistake: str) -> NoReturn:
        raise ConfigError([mistake]) from None

    def _mapping(self, where: str, found: object) -> dict[str, Any]:
        if isinstance(found, dict):
            return found
        self.mistakes.append(self.name(f"{where}{': ' if where else ''}must be a mapping of keys to values"))
        return {}

    def _sources(self, where: str, paths: dict[str, Any]) -> dict[str, Source]:
        found = {}
        for key, path in paths.items():
            name = self.name(f"{where}.{key}")
            if key not in FILE_KEYS:
                self.mistakes.append(f"{name}: unknown key{unknown_hint(key, FILE_KEYS)}")
            elif not isinstance(path, str):
                self.mistakes.append(f"{name}: must be a single value")
            elif path.strip():
                found[FILE_KEYS[key]] = Source(name, file=self._beside(path))
        return found

    def _beside(self, path: str) -> str:
        """As in Prometheus, a path in a file starts from that file's directory."""
        return str(PurePath(self.path).parent / path.strip())


def unknown_hint(key: str, known: Any) -> str:
    """What may have been meant instead of *key*."""
    if key in CREDENTIALS:
        return f"; the file takes no secrets, only the path of one: {key}_file"
    if (section := key.partition("."))[1] and any(setting.path == key for setting in SETTINGS):
        return f"; nest it: {section[0]}: {{{section[2]}: …}}"
    return suggestion(key, known) or f"; known: {', '.join(known)}"


class _Loader(yaml.SafeLoader):
    """Knows texts and null only; a key with null is as good as none, one that is given twice is a mistake."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML declares it

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != self.DEFAULT_SCALAR_TAG:
                raise yaml.constructor.ConstructorError(None, None, "a key is no word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{shown(key.value)} is given twice", key.start_mark
                )
            seen.add(key.value)
        return {key: value for key, value in super().construct_mapping(node, deep).items() if value is not None}


_Loader.add_implicit_resolver(_NULL, re.compile("~|null|Null|NULL|$"), None)
