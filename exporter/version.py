"""Which build this is."""

from __future__ import annotations

import importlib.metadata
import json
import os

DISTRIBUTION = "planetscale-exporter"
_UNKNOWN = "unknown"


def version() -> str:
    """The version of the installed distribution, `unknown` when it is not installed."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return _UNKNOWN


def revision() -> str:
    """The revision that the image was built from, or that pip took from a repository; `unknown` elsewhere."""
    return os.environ.get("PLANETSCALE_EXPORTER_REVISION", "").strip() or _installed_revision() or _UNKNOWN


def _installed_revision() -> str:
    """What pip wrote down, as PEP 610 has it."""
    try:
        origin = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        return str(json.loads(origin or "{}").get("vcs_info", {}).get("commit_id", ""))
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return ""
