"""The YAML file. Every value is taken as the text that stands there, so one way of reading serves all sources."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeGuard

import yaml

from exporter import files
from exporter.credentials import Source
from exporter.mistakes import LONGEST_PATH, shown, suggestion
from exporter.settings.given import Given, Text, split
from exporter.settings.table import SECTIONS, SETTINGS, TARGETS
from exporter.targets import is_name

_LARGEST_FILE = 2**20
_FILE_KEYS = {f"{half}_file": half for half in ("service_token_id", "service_token", "access_token")}
_STANDARD = "tag:yaml.org,2002:"
_PATHS = {setting.path: setting for setting in SETTINGS}


@dataclass(slots=True)
class File:
    """What the file gives: settings by path, the sources of credentials, and the mistakes in it."""

    path: str
    given: dict[str, Given] = field(default_factory=dict)
    default: dict[str, Source] = field(default_factory=dict)
    organizations: dict[str, dict[str, Source]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    is_read: bool = False

    def name(self, key: str) -> str:
        """How the user wrote *key*."""
        return f"{shown(self.path, LONGEST_PATH)}: {key}"


def read(source: Given) -> File:
    """Read the file that *source* names. Everything wrong with it is in `mistakes`."""
    file = File(str(source.text).strip())
    try:
        root = _compose(files.read(file.path, _LARGEST_FILE).decode("utf-8-sig"))
    except files.UnreadableError as error:  # without the path, which may be anything when the file is not there
        file.mistakes.append(f"{source.name}: the file {error}")
    except UnicodeDecodeError as error:
        line, column = _place(error.object[: error.start].decode(errors="replace"))
        file.mistakes.append(file.name(f"line {line}, column {column}: is no UTF-8 text"))
    except RecursionError:
        file.mistakes.append(file.name("is nested too deeply"))
    except _SyntaxError as error:
        file.mistakes.append(file.name(str(error)))
    else:
        file.is_read = True
        _root(file, root)
    return file


class _SyntaxError(Exception):
    """Line, column and what is wrong there."""


def _compose(text: str) -> yaml.Node | None:
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = re.sub("'[^']*'", _quoted, error.problem or "")
        raise _SyntaxError(f"line {line}, column {column}: is no YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        line, column = _place(text[: error.position])
        raise _SyntaxError(f"line {line}, column {column}: has a character that YAML does not allow") from None
    return root


def _quoted(word: re.Match[str]) -> str:
    """A sign or a kind of token; longer words are the file's own and may be anything."""
    return word[0] if len(word[0]) <= len("'x'") or word[0].startswith("'<") else "'…'"


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _root(file: File, root: yaml.Node | None) -> None:
    known = ("targets", *SECTIONS, "credentials")
    for key, node in _entries(file, "", root, known).items():
        if key == TARGETS.path:
            _setting(file, key, node)
        elif key == "credentials":
            _credentials(file, node)
        else:
            _section(file, key, node)


def _section(file: File, section: str, node: yaml.Node) -> None:
    fields = tuple(SECTIONS[section].model_fields)
    for key, value in _entries(file, section, node, (*fields, *(_FILE_KEYS if section == "api" else ()))).items():
        if key in fields:
            _setting(file, f"{section}.{key}", value)
        else:
            _credential(file, f"{section}.{key}", value, file.default)


def _credentials(file: File, node: yaml.Node) -> None:
    for organization, login in _entries(file, "credentials", node, None).items():
        where = f"credentials.{organization}"
        if not is_name(organization):
            file.mistakes.append(file.name(f"{shown(where)}: is no name of an organization"))
            continue
        sources: dict[str, Source] = {}
        for key, value in _entries(file, where, login, tuple(_FILE_KEYS)).items():
            _credential(file, f"{where}.{key}", value, sources)
        if sources:
            file.organizations[organization] = sources


def _setting(file: File, path: str, node: yaml.Node) -> None:
    is_list = path == TARGETS.path
    text: Text | None
    if is_list and isinstance(node, yaml.SequenceNode):
        items = [_scalar(file, path, item) for item in node.value]
        text = tuple(item for item in items if item is not None)
    else:
        single = _scalar(file, path, node)
        text = split(single) if single is not None and is_list else single
    if isinstance(text, str) and text.strip() and _PATHS[path].is_file:
        text = _beside(file, text)
    if text is not None:
        file.given[path] = Given(file.name(path), text)


def _credential(file: File, path: str, node: yaml.Node, sources: dict[str, Source]) -> None:
    text = _scalar(file, path, node)
    if text is not None and text.strip():
        sources[_FILE_KEYS[path.rpartition(".")[2]]] = Source(file.name(path), file=_beside(file, text))


def _beside(file: File, path: str) -> str:
    """As in Prometheus, a path in a file starts from that file's directory."""
    return str(PurePath(file.path).parent / path.strip())


def _entries(file: File, where: str, node: yaml.Node | None, known: tuple[str, ...] | None) -> dict[str, yaml.Node]:
    """The values of a mapping by their keys; nothing for null. Unknown and repeated keys are mistakes."""
    if node is None or _is_null(node):
        return {}
    prefix = f"{where}: " if where else ""
    if not isinstance(node, yaml.MappingNode):
        file.mistakes.append(file.name(f"{prefix}must be a mapping of keys to values"))
        return {}
    found: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            file.mistakes.append(file.name(f"{prefix}has a key that is no word"))
            continue
        key = key_node.value
        path = shown(f"{where}.{key}" if where else key)
        if key in found:
            file.mistakes.append(file.name(f"{path}: is given twice (line {key_node.start_mark.line + 1})"))
        elif known is not None and key not in known:
            file.mistakes.append(file.name(f"{path}: unknown key{_hint(where, key, known)}"))
        else:
            found[key] = value
    return found


def _hint(where: str, key: str, known: tuple[str, ...]) -> str:
    if key in _FILE_KEYS.values() and f"{key}_file" in known:
        return f"; the file takes no secrets, only the path of one: {key}_file"
    if not where and key in _PATHS:
        return f"; nest it: {key.replace('.', ': {')}: …}}"
    return suggestion(key, known) or f"; known: {', '.join(known)}"


def _scalar(file: File, path: str, node: yaml.Node) -> str | None:
    """The text of a single value, or None for null and for mistakes."""
    if _is_null(node):
        return None
    if not _is_plain(node):
        file.mistakes.append(file.name(f"{path}: must be a single value"))
        return None
    if not node.tag.startswith(_STANDARD):
        file.mistakes.append(file.name(f"{path}: a value that begins with ! needs quotes"))
        return None
    return str(node.value)


def _is_plain(node: yaml.Node) -> TypeGuard[yaml.ScalarNode]:
    return isinstance(node, yaml.ScalarNode)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_STANDARD}null"
