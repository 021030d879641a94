"""The command `planetscale-exporter`, also as `python -m exporter`."""

import gc
import sys

from exporter import signals


def main() -> int:
    """Run the command of the process's arguments and return the exit code."""
    signals.take_over()
    gc.disable()  # what is imported stays, and looking through it again and again is an eighth of the start
    from exporter.cli import main as run  # noqa: PLC0415 - importing takes most of the start, and signals may come

    code = run()
    signals.ignore()
    return code


if __name__ == "__main__":
    sys.exit(main())
