"""Check that the metadata of a wheel is what package indexes accept."""

from __future__ import annotations

import sys
import zipfile

from packaging.metadata import Metadata

NEEDED = ("summary", "description", "description_content_type", "license_expression", "requires_python")


def main(path: str) -> int:
    """Print what is missing from the wheel at *path*; the exit code says whether anything is."""
    with zipfile.ZipFile(path) as wheel:
        [name] = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = Metadata.from_email(wheel.read(name), validate=True)
    missing = [field for field in NEEDED if not getattr(metadata, field)]
    sys.stdout.writelines(f"{path}: no {field}\n" for field in missing)
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
