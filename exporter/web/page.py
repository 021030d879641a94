"""The status page as HTML: lays out what `view` says, and nothing else."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.web.view import View

if TYPE_CHECKING:
    from jinja2 import Template

_PAGES = Path(__file__).parent / "pages"
_STYLE = (_PAGES / "status.css").read_text(encoding="utf-8")
_SCRIPT = (_PAGES / "status.js").read_text(encoding="utf-8")


def _source(text: str) -> str:
    """What a Content-Security-Policy calls an inline text by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; connect-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy under which the page works: nothing but its own style sheet and script."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the view. `refresh` is in seconds; 0 means that the page stays as it is.

    `grafana` is the base URL of Grafana, without a slash at its end; empty where there is none.
    """

    version: str
    telemetry_path: str
    alive: bool
    ready: bool
    refresh: int
    grafana: str = ""


def html(view: View, frame: Frame) -> bytes:
    """The page in UTF-8."""
    return _template().render(view=view, frame=frame).encode()


@cache
def _template() -> "Template":
    """Made when the page is first asked for: probes and scrapes need none of it, and it takes a tenth of a second."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - a tenth of a second of every start
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2, and no earlier

    pages = Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    pages.globals |= {"style": Markup(_STYLE), "script": Markup(_SCRIPT)}  # noqa: S704 - two files of this package, nothing that anybody sent
    return pages.get_template("status.html")
