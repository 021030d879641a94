"""Settings: one tree, four sources, and every mistake at once.

`load` is the only way in; what is configured where stands in docs/configuration.md.
"""

from exporter.mistakes import ConfigError
from exporter.settings.addresses import ListenAddress
from exporter.settings.load import load, load_listen_address
from exporter.settings.tree import DEFAULT_PORT, Api, Log, Metrics, Poll, Settings, Shard, Web

__all__ = [
    "DEFAULT_PORT",
    "Api",
    "ConfigError",
    "ListenAddress",
    "Log",
    "Metrics",
    "Poll",
    "Settings",
    "Shard",
    "Web",
    "load",
    "load_listen_address",
]
