"""Write every generated document, or with --check say which ones are out of date (exit code 1)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import configuration
import metrics_page

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
DOCUMENTS: dict[str, Callable[[], str]] = {
    "docs/configuration.md": configuration.document,
    "docs/metrics.md": metrics_page.document,
    "deploy/config.example.yml": configuration.example,
}


def main() -> int:
    """Do as the arguments say; the exit code is that of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [path for path, write in DOCUMENTS.items() if _text(ROOT / path) != write()]
    for path in stale:
        if not check:
            (ROOT / path).write_text(DOCUMENTS[path](), encoding="utf-8")
        sys.stdout.write(f"{path}: {'is out of date; run python tools/build_docs.py' if check else 'written'}\n")
    return int(check and bool(stale))


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
