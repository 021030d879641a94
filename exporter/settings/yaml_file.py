"""The YAML file. Every value is taken as the text that stands there, so one way of reading serves all sources."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

import yaml

from exporter import files
from exporter.mistakes import LONGEST_PATH, ConfigError, shown

_LARGEST_FILE = 2**20
_UNSET = ("", "~", "null")


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
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {problem}"


class _Loader(yaml.BaseLoader):
    """Makes texts of all values; a key without one is as good as none, tags and doubled keys are mistakes."""

    folder: PurePath

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node.tag not in {self.DEFAULT_SCALAR_TAG, self.DEFAULT_SEQUENCE_TAG, self.DEFAULT_MAPPING_TAG}:
            raise yaml.MarkedYAMLError(problem="a value that begins with ! needs quotes", problem_mark=node.start_mark)
        return super().construct_object(node, deep)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        found, seen = super().construct_mapping(node, deep), set[str]()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"{shown(key.value)} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return {key: self._beside(key, value) for key, value in found.items() if value not in _UNSET}

    def _beside(self, key: Any, value: Any) -> Any:
        """As in Prometheus, a path in a file starts from that file's directory."""
        return str(self.folder / value) if key.endswith("_file") and isinstance(value, str) else value
