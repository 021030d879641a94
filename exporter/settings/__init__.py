"""Settings: one tree, four sources, and every mistake at once.

`load` is the only way in; what is configured where stands in docs/configuration.md.
"""

from exporter.settings.load import doubts, load
from exporter.settings.tree import Settings
from exporter.settings.values import ListenAddress

__all__ = ["ListenAddress", "Settings", "doubts", "load"]
