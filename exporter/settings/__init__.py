"""Settings: one tree, four sources, and every mistake at once.

`load` is the only way in; what is configured where stands in docs/configuration.md.
"""

from exporter.mistakes import ConfigError
from exporter.settings.load import doubts, load, load_listen_address
from exporter.settings.tree import DEFAULT_PORT, Api, Poll, Settings
from exporter.settings.values import ListenAddress

__all__ = [
    "DEFAULT_PORT",
    "Api",
    "ConfigError",
    "ListenAddress",
    "Poll",
    "Settings",
    "doubts",
    "load",
    "load_listen_address",
]
