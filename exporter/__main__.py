"""The command `planetscale-exporter`, also as `python -m exporter`."""

import sys

from exporter.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
