"""What was measured, written into `docs/alert-quality.md` and drawn beside it."""

import math
from collections.abc import Sequence
from typing import Final

from .evaluating import ROOT, Outcome
from .judging import kinds
from .report import eta_table, naive_table, restarts_table, table
from .restarts import STALLED

DOCUMENT: Final = ROOT / "docs/alert-quality.md"
PICTURE: Final = ROOT / "docs/images/alert-quality.svg"
_BEGIN, _END = "<!-- measured -->\n", "<!-- end of what was measured -->"
_LEFT, _WIDTH, _ROW, _DECADES = 290, 700, 34, 5
_STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#24292f}"
    ".grid{stroke:#8c959f;stroke-opacity:.4}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


def write(outcomes: Sequence[Outcome], seeds: range, days: float) -> None:
    """Replace the document's measured part, and the picture."""
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    total = sum(outcome.deploy_days for outcome in outcomes)
    what = f"Seeds {seeds[0]} to {seeds[-1]}, {days:g} days each: {total:.0f} deploy-days."
    # The rule of three: what did not happen in n days happens, with 95 % certainty, less than three times in as many.
    proves = f"None in so many days means, with 95 % certainty, fewer than {math.ceil(3000 / total)} in 1,000."
    parts = (
        [what, proves, "", "![False alarms by rule](images/alert-quality.svg)", "", *table(outcomes)],
        ["Messages about one stall:", "", *restarts_table(outcomes)],
        ["Rules that people write first, for the same stalls:", "", *naive_table(outcomes)],
        ["The error of the time left, as a share of what was really left (median):", "", *eta_table(outcomes)],
    )
    measured = "\n\n".join("\n".join(lines) for lines in parts)
    DOCUMENT.write_text(f"{before}{_BEGIN}\n{measured}\n\n{_END}{after}")
    PICTURE.write_text(_drawn(_false_alarms(outcomes, total)))


def _false_alarms(outcomes: Sequence[Outcome], days: float) -> list[tuple[str, float, str]]:
    """False alarms about stalls per 1,000 deploy-days: of whom, how many, in which colour."""
    bars = [(name, sum(len(each.naive[name].false) for each in outcomes), "#cf222e") for name in outcomes[0].naive]
    shipped = kinds(each.scores for each in outcomes)
    bars += [(f"shipped, {kind[1]}", len(score.false), "#1a7f37") for kind, score in shipped if kind[0] == STALLED]
    return [(name, 1000 * count / days, colour) for name, count, colour in bars]


def _drawn(bars: Sequence[tuple[str, float, str]]) -> str:
    """Bars on a logarithmic axis as SVG."""
    height = 60 + _ROW * len(bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {height}" role="img">',
        "<title>False alarms about stalls per 1,000 deploy-days</title>",
        f"<style>{_STYLE}</style>",
        '<text x="8" y="22" font-weight="600">False alarms about stalls per 1,000 deploy-days</text>',
    ]
    for decade in range(_DECADES + 1):
        x = _LEFT + _WIDTH * decade / _DECADES
        lines.append(f'<line class="grid" x1="{x:.0f}" y1="50" x2="{x:.0f}" y2="{height - 8}"/>')
        lines.append(f'<text x="{x:.0f}" y="46" text-anchor="middle">{10**decade:,}</text>')
    for number, (name, rate, colour) in enumerate(bars):
        y = 58 + _ROW * number
        length = _WIDTH * math.log10(max(rate, 1)) / _DECADES
        lines.append(f'<text x="{_LEFT - 10}" y="{y + 16}" text-anchor="end">{_escaped(name)}</text>')
        lines.append(f'<rect x="{_LEFT}" y="{y}" width="{max(length, 2):.0f}" height="22" fill="{colour}"/>')
        lines.append(f'<text x="{_LEFT + length + 10:.0f}" y="{y + 16}">{rate:,.0f}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
