"""The YAML file. Every value is taken as the text that stands there, so one way of reading serves all sources."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

import yaml

from exporter import files
from exporter.mistakes import LONGEST_PATH, ConfigError, shown

_LARGEST_FILE = 2**20
_TAG = "tag:yaml.org,2002:"


def read(path: str, source: str) -> dict[str, Any]:
    """The tree of settings in the file at *path*, which *source* names. Paths in it start from its directory.

    Raises ConfigError when it can't be read.
    """
    try:
        loader = _Loader(files.read(path, _LARGEST_FILE))
        loader.folder = PurePath(path).parent
        found = loader.get_single_data() or {}
    except files.UnreadableError as error:
        raise ConfigError([f"{source}: the file {shown(path, LONGEST_PATH)} {error}"]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([named(path, _problem(error))]) from None
    if not isinstance(found, dict):
        raise ConfigError([named(path, "must be a mapping of keys to values")])
    return found


def named(path: str, what: str) -> str:
    """*what* with the file it stands in, as in `file.yml: poll.interval`."""
    return f"{shown(path, LONGEST_PATH)}: {what}"


def _problem(error: Exception) -> str:
    """What is wrong and where, without what stands there: it may be a file of credentials."""
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error).partition("\n")[0]
    problem = re.sub("'[^']{2,}'", "'…'", error.problem or "")
    hint = "; a value that begins with ! needs quotes" if "for the tag" in problem else ""
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {problem}{hint}"


class _Loader(yaml.SafeLoader):
    """Knows texts and null only; a key with null is as good as none, one that is given twice is a mistake."""

    folder: PurePath
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML adds to this mapping by add_implicit_resolver
    yaml_constructors = {  # noqa: RUF012 - replaces the mapping PyYAML keeps on the class
        tag: yaml.SafeLoader.yaml_constructors[tag]
        for tag in (f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map", f"{_TAG}null", None)
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        known: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in known:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{shown(key.value)} is given twice", key.start_mark
                )
            known.add(str(key.value))
        found = super().construct_mapping(node, deep)
        named = {str(key): self._beside(str(key), value) for key, value in found.items()}
        return {key: value for key, value in named.items() if value is not None}

    def _beside(self, key: str, value: Any) -> Any:
        """As in Prometheus, a path in a file starts from that file's directory."""
        if not (key.endswith("_file") and isinstance(value, str)):
            return value
        return str(self.folder / value.strip()) if value.strip() else None


_Loader.add_implicit_resolver(f"{_TAG}null", re.compile("~|null|Null|NULL|$"), None)
