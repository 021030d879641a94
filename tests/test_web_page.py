"""The status page as HTML: well formed, inert whatever is in it, and rendered by a real browser."""

import asyncio
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from web_serving import World, serving
from web_snapshots import deployment, many, moment, operation, snapshot, status, summary, varied

from exporter.polling.snapshot import Snapshot, TargetStatus
from exporter.web.page import Frame, html
from exporter.web.view import Choice, view

ALL = Choice()
VOID = {"meta", "link", "input", "br"}
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></pre></textarea><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eevil\u2028",
)


class Read(HTMLParser):
    """Reads a page strictly: every element is closed where it must be."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(page.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and what it names."""
        self.tags[tag] += 1
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names)
        self.attributes |= set(names)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text.append(data)


def page_of(what: Snapshot, choice: Choice = ALL, **frame: Any) -> bytes:
    """The page of a snapshot."""
    around: dict[str, Any] = {
        "version": "1.2.3",
        "telemetry_path": "/metrics",
        "alive": True,
        "ready": True,
        "refresh": 15,
    } | frame
    return html(view(what, moment(), choice, show_ddl=True), Frame(**around))


def everywhere(text: str) -> Snapshot:
    """A snapshot with this text in every field that is text."""
    fields = {
        "keyspace_name": text,
        "table_name": text,
        "operation_name": text,
        "ddl_statement": text * 10,
        "deploy_errors": text,
        "deploy_error_docs_url": text,
        "state": text,
    }
    shards = [{"id": text, "shard": text, "state": text, "progress_percentage": 5}]
    request = {"branch": text, "into_branch": text, "html_url": text, "state": text}
    deployed = deployment(strategy=text, deploy_operation_summaries=[summary(shards, keyspace_name=text)])
    one = status(
        1,
        [operation(1, **fields)],
        organization=text,
        database=text,
        deployed=deployed,
        request=request,
        failed_for=60,
        error=text,
        throttle=[{"keyspace_name": text, "ratio": 40}],
    )
    return snapshot(one, targets=[TargetStatus(text, up=False, error=text)])


@pytest.mark.parametrize(
    "what",
    [Snapshot(), Snapshot(targets=(TargetStatus("acme", up=False, error="HTTP 401"),)), varied(), many(400, 1000)],
    ids=["nothing yet", "nothing works", "varied", "large"],
)
@pytest.mark.parametrize("refresh", [0, 15])
def test_every_page_is_well_formed_and_brings_all_it_needs(what: Snapshot, refresh: int) -> None:
    """Elements nest, there is one script, its own, and nothing is loaded from anywhere."""
    page = Read(page_of(what, refresh=refresh))
    assert (page.tags["script"], page.tags["img"]) == (1, 0)
    assert page.tags["title"] == page.tags["h1"] == page.tags["main"] == page.tags["style"] == 1
    assert "style" not in page.attributes
    assert {link.split(":")[0] for link in page.links if ":" in link} <= {"https", "data"}


def test_a_large_fleet_is_all_there() -> None:
    """A thousand operations in four hundred deploy requests are shown, each with its bar, in forty folded databases."""
    page = Read(page_of(many(400, 1000)))
    assert page.tags["progress"] == 1000
    assert page.tags["details"] == 40
    assert len([link for link in page.links if "deploy_request=" in link]) == 400


def test_every_bar_has_a_name() -> None:
    """Who hears the page knows what a bar is about."""
    text = page_of(varied()).decode()
    assert text.count("<progress") == text.count('aria-label="Progress of') > 0


@pytest.mark.parametrize("text", EVIL)
def test_no_text_of_the_api_is_ever_markup(text: str) -> None:
    """What names, statements and errors hold is shown, and never does anything."""
    tame, wild = (Read(page_of(everywhere(one), Choice(one, one), version=one)) for one in ("tame", text))
    assert set(wild.tags) <= set(tame.tags) | {"details", "summary", "pre"}
    assert wild.attributes <= tame.attributes
    assert [link.split("?")[0] for link in wild.links] == [link.split("?")[0] for link in tame.links]
    assert text in "".join(wild.text)


def test_links_lead_to_planetscale_and_to_the_exporters_own_pages() -> None:
    """Own links are relative, so that they hold behind a proxy's prefix."""
    page = Read(page_of(varied(), telemetry_path="/some/metrics"))
    assert {"./some/metrics", "./-/healthy", "./-/ready", "./?refresh=off"} <= set(page.links)
    assert "https://app.planetscale.com/acme/shop/1" in page.links
    assert "https://planetscale.com/docs/errors/duplicate-entry" in page.links


def test_what_is_finished_is_folded_away() -> None:
    """Only the finished section is closed at first."""
    text = page_of(varied()).decode()
    assert text.index("Finished (1)") > text.index("Waiting (1)")
    assert '<details class="group" id="finished">' in text
    assert "<details open" not in text


@pytest.mark.real
@pytest.mark.parametrize("what", [Snapshot(), varied(), everywhere("".join(EVIL)), many(400, 1000)])
async def test_a_real_browser_shows_it_without_complaint(
    what: Snapshot, program: Callable[..., Path], tmp_path: Path
) -> None:
    """Chromium finds nothing that breaks the page's own security policy."""
    async with serving(World(snapshot=what)) as client:
        url = client._base_url  # noqa: SLF001 - aiohttp offers no other way
        flags = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path}",
        )
        browser = await asyncio.create_subprocess_exec(
            program("chromium"), *flags, "--dump-dom", f"{url}", stdout=-1, stderr=-1
        )
        shown, said = await browser.communicate()
    assert browser.returncode == 0
    assert shown.count(b"<article") + shown.count(b"<tbody") == len(what.deploy_requests)
    assert [line for line in said.splitlines() if b"CONSOLE" in line] == []
