"""Which build this is."""

from __future__ import annotations

import importlib.metadata
import os

DISTRIBUTION = "planetscale-exporter"


def version() -> str:
    """The version of the installed distribution, `unknown` when it is not installed."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def revision() -> str:
    """The revision that the image was built from, `unknown` elsewhere."""
    return os.environ.get("PLANETSCALE_EXPORTER_REVISION", "").strip() or "unknown"
