"""`make alert-quality`: judge the shipped alerts on fleets of many seeds."""

import argparse
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from .document import write
from .evaluating import ALERTMANAGER, ALERTS, RECORDINGS, Case, Outcome, evaluate
from .report import eta_table, naive_table, restarts_table, table

TUNE, REPORT = "0-5", "100-105"


def main() -> int:
    """The exit code."""
    given = _parse()
    program = shutil.which("prometheus")
    if program is None:
        sys.stderr.write("make alert-quality: there is no prometheus on the PATH; install it (Debian: prometheus)\n")
        return 1
    cases = [
        Case(seed, given.days, Path(program), given.rules, given.recordings, given.alertmanager) for seed in given.seeds
    ]
    began, outcomes = time.monotonic(), []
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        for case, outcome in zip(cases, pool.map(evaluate, cases), strict=True):
            outcomes.append(outcome)
            took = time.monotonic() - began
            sys.stderr.write(f"seed {case.seed}: {outcome.deploy_days:.0f} deploy-days ({took:.0f}s)\n")
    _print(outcomes, explain=given.explain)
    if given.write:
        write(outcomes, given.seeds, given.days)
    return 0


def _print(outcomes: list[Outcome], *, explain: str) -> None:
    days = sum(outcome.deploy_days for outcome in outcomes)
    tables = (table, restarts_table, naive_table, eta_table)
    for lines in ([f"{days:.0f} deploy-days"], *(each(outcomes) for each in tables)):
        sys.stdout.write("\n".join([*lines, "", ""]))
    for number, outcome in enumerate(outcomes):
        for (name, severity), score in outcome.scores.items():
            if explain and explain in name:
                told = [f"missed {severity} {incident}" for incident in score.missed]
                told += [
                    f"false {severity} {dict(each.labels)} {each.start:.0f}-{each.end:.0f}" for each in score.false
                ]
                sys.stdout.writelines(f"{number}: {line}\n" for line in told)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make alert-quality", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seeds", type=_range, default=_range(TUNE), help=f"such as 3 or 0-5; default {TUNE}")
    parser.add_argument("--days", type=float, default=2.0, help="how long each fleet lives")
    parser.add_argument("--rules", type=Path, default=ALERTS)
    parser.add_argument("--recordings", type=Path, default=RECORDINGS)
    parser.add_argument("--alertmanager", type=Path, default=ALERTMANAGER)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--explain", default="", help="list what was missed or false of alerts with this in their name")
    parser.add_argument("--write", action="store_true", help="write docs/alert-quality.md and its picture as well")
    return parser.parse_args()


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
