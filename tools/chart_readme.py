"""The chart's README: a table of its values, from values.yaml and the comments above them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
<!-- Written by `make chart` from values.yaml. -->
# planetscale-exporter

A chart for Kubernetes 1.25 and later and Helm 3 or 4. How to install it, with credentials, replicas and Grafana:
[docs/kubernetes.md](https://github.com/planetscale-exporter/planetscale-exporter/blob/main/docs/kubernetes.md).

```yaml
# values.yaml: the least that it takes
image: {repository: registry.example.com/planetscale-exporter}
config:
  targets: [acme]
credentials:
  default:
    existingSecret: {name: planetscale, service_token_id: id, service_token: token}
```

As a dependency that can be switched off, in the Chart.yaml of another chart:

```yaml
dependencies:
  - name: planetscale-exporter
    version: 0.1.x
    repository: oci://ghcr.io/planetscale-exporter/charts
    condition: planetscale-exporter.enabled
```

A key that is misspelt or has a wrong value stops `helm`. `helm test` asks every replica whether it is ready.

| value | default | |
|---|---|---|
"""


class Row(NamedTuple):
    """One value: its path with dots, its default as YAML in one line, and what its comment says."""

    path: str
    default: str
    meaning: str


def document(values: str) -> str:
    """The README of a chart whose values.yaml is *values*."""
    rows = (f"| `{row.path}` | `{_escaped(row.default)}` | {_escaped(row.meaning)} |\n" for row in _rows(values))
    return _HEAD + "".join(rows)


def _rows(values: str) -> Iterator[Row]:
    lines = values.splitlines()
    root = yaml.compose(values)
    if isinstance(root, yaml.MappingNode):
        yield from _below(root, yaml.safe_load(values), (), lines)


def _below(node: yaml.MappingNode, values: dict[str, object], path: tuple[str, ...], lines: list[str]) -> Iterator[Row]:
    """The rows of a mapping. One that is written out over lines gets a row for each of its keys."""
    for key, child in node.value:
        name, value = key.value, values[key.value]
        meaning = _comment_above(key.start_mark.line, lines)
        spread = isinstance(child, yaml.MappingNode) and not child.flow_style
        if meaning or not spread:
            yield Row(".".join((*path, name)), "" if spread else json.dumps(value), meaning)
        if spread:
            yield from _below(child, dict(value) if isinstance(value, dict) else {}, (*path, name), lines)


def _comment_above(line: int, lines: list[str]) -> str:
    """The comment that ends right above a line, in one line."""
    start = line
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return " ".join(each.lstrip(" #") for each in lines[start:line])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
