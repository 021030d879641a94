"""Write the Helm chart's copies and README and the mixin's list; with --check say what is out of date (exit code 1).

The chart's rules and dashboards are files, not links: some archives leave links out, and a chart without its alerts
looks like one that has nothing to tell.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import chart_readme

ROOT = Path(__file__).parent.parent
CHART = ROOT / "deploy" / "helm" / "planetscale-exporter"
MIXIN = ROOT / "mixin" / "dashboards.libsonnet"
COPIES = {
    CHART / "files" / "rules": (ROOT / "deploy" / "prometheus" / "rules", "*.yml"),
    CHART / "files" / "dashboards": (ROOT / "grafana" / "dashboards", "*.json"),
}


def generated() -> dict[Path, str]:
    """The text of each file that is generated."""
    texts = {
        folder / source.name: source.read_text(encoding="utf-8")
        for folder, (sources, pattern) in COPIES.items()
        for source in sources.glob(pattern)
    }
    readme = chart_readme.document((CHART / "values.yaml").read_text(encoding="utf-8"))
    return {**texts, CHART / "README.md": readme, MIXIN: _mixin()}


def main() -> int:
    """Do as the arguments say; the exit code is that of the process."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    texts = generated()
    there = {path for folder in COPIES for path in folder.glob("*")} | {CHART / "README.md", MIXIN}
    stale = sorted(path for path in texts.keys() | there if texts.get(path) != _text(path))
    for path in stale:
        if not check:
            _write(path, texts.get(path))
        sys.stdout.write(f"{path.relative_to(ROOT)}: {'is out of date; run make chart' if check else 'written'}\n")
    return int(check and bool(stale))


def _mixin() -> str:
    """The dashboards by name: Jsonnet imports no folder, and no path that it computes."""
    names = sorted(path.name for path in (ROOT / "grafana" / "dashboards").glob("*.json"))
    lines = "".join(f"  '{name}': import '../grafana/dashboards/{name}',\n" for name in names)
    return f"// Written by `make chart`.\n{{\n{lines}}}\n"


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
