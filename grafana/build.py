"""Writes the dashboards into `dashboards/`; with `--check`, exits 1 and names the files that would change."""

import argparse
import sys
from pathlib import Path

from deploy_request import dashboard_of_a_deploy_request
from fleet import dashboard_of_the_fleet
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from health import dashboard_of_the_exporter
from history import dashboard_of_what_was

FOLDER = Path(__file__).parent / "dashboards"


def generated() -> dict[Path, str]:
    """The text of each dashboard's file."""
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    models = (
        dashboard_of_the_fleet(),
        dashboard_of_a_deploy_request(),
        dashboard_of_what_was(),
        dashboard_of_the_exporter(),
    )
    return {FOLDER / f"{model.uid}.json": encoder.encode(model) + "\n" for model in models}


def main(arguments: list[str] | None = None) -> int:
    """Write, or only compare; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where files differ")
    check = parser.parse_args(arguments).check
    texts = generated()
    there = {path: path.read_text() for path in FOLDER.glob("*.json")}
    changed = sorted(path for path in texts.keys() | there.keys() if texts.get(path) != there.get(path))
    for path in changed:
        print(f"{path.name}: differs from what grafana/build.py makes" if check else f"{path.name}: written")  # noqa: T201
        if not check:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(texts[path]) if path in texts else path.unlink()
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
