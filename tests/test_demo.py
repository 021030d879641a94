"""The demo, as a process: what somebody sees who has a minute and no credentials."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from processes import exporting, outcome, until
from real import trusting

from exporter.metrics.families import FAMILIES

PROGRESS = "planetscale_deploy_operation_progress_percentage"
FAST = ("--poll.interval=2s", "--poll.idle-interval=5s", "--poll.discovery-interval=2s")


async def test_it_says_where_it_is_and_something_moves() -> None:
    """Its pages are where it says; four targets work; progress changes; nothing fails, is refused or skipped."""
    async with exporting("demo") as exporter:

        async def is_announced() -> bool:
            return len(exporter.out) == 3

        await until(is_announced, lambda: f"it says {exporter.out}", exporter.tell)
        urls = [found[0] for line in exporter.out if (found := re.search(r"http://\S+", line))]
        assert urls == [f"http://127.0.0.1:{exporter.port}/", f"http://127.0.0.1:{exporter.port}/metrics"]
        for url in urls:
            async with ClientSession() as client, client.get(url) as answer:
                assert answer.status == 200
        await exporter.answers(200, "/-/ready")
        await exporter.shows(4, "planetscale_exporter_target_up")
        before = {tuple(sorted(labels.items())): value for _, labels, value in await exporter.samples(PROGRESS)}
        assert before

        async def has_moved() -> bool:
            now = await exporter.samples(PROGRESS)
            return any(value > before.get(tuple(sorted(labels.items())), value) for _, labels, value in now)

        await until(has_moved, lambda: "nothing moves", exporter.tell)
        assert await exporter.value("planetscale_exporter_poll_failures_total") == 0
        assert await exporter.value("planetscale_exporter_operations_skipped_total") == 0
        assert await exporter.value("planetscale_exporter_api_requests_total", code="429") == 0
    assert [re.findall(r"level=(\S+)", line) for line in exporter.log] == [["info"]] * 2


async def test_every_family_has_a_sample() -> None:
    """Whoever builds a dashboard or an alert against the demo finds each family within a couple of minutes."""
    missing = {family.name for family in FAMILIES}
    async with exporting("demo", *FAST) as exporter:

        async def is_complete() -> bool:
            for name, _, _ in await exporter.samples():
                missing.discard(name)
                missing.discard(name.removesuffix("_count"))
            return not missing

        await until(is_complete, lambda: f"no sample of {sorted(missing)}", exporter.tell, seconds=150)


async def test_it_leaves_settings_of_real_use_alone() -> None:
    """Targets and credentials in the environment, meant for the real PlanetScale, neither hinder it nor are sent."""
    environ = {
        "PLANETSCALE_EXPORTER_TARGETS": "not/a/target/at/all",
        "PLANETSCALE_EXPORTER_API_URL": "http://127.0.0.1:9/v1",
        "PLANETSCALE_SERVICE_TOKEN_ID": "half-a-login",
        "PLANETSCALE_EXPORTER_POLL_INTERVAL": "2s",
    }
    async with exporting("demo", **environ) as exporter:
        await exporter.shows(4, "planetscale_exporter_target_up")


async def test_a_proxy_is_not_asked() -> None:
    """Both ends are in one process: whatever proxy the environment names for the world outside has no say."""
    proxy = "http://127.0.0.1:9"
    async with exporting("demo", HTTP_PROXY=proxy, http_proxy=proxy) as exporter:
        await exporter.shows(4, "planetscale_exporter_target_up")


async def test_a_taken_port_is_told_in_one_line() -> None:
    """Two demos on one port: the second says so and announces nothing."""
    async with exporting("demo") as exporter:
        code, out, err = await outcome("demo", f"--web.listen-address=127.0.0.1:{exporter.port}")
        assert (code, out, len(err.splitlines())) == (1, "", 1)


async def test_it_says_what_it_does_not_use(tmp_path: Path) -> None:
    """Targets of environment and file are for serving: the demo starts, and says of each that it has its own."""
    file = tmp_path / "file.yml"
    file.write_text("targets: [acme]\napi: {url: https://planetscale.invalid}\n")
    async with exporting("demo", f"--config-file={file}", PLANETSCALE_EXPORTER_TARGETS="acme") as exporter:
        await exporter.answers(200, "/-/ready")
    for name in ("PLANETSCALE_EXPORTER_TARGETS", f"{file}: targets", f"{file}: api.url"):
        assert sum(f"{name}: is not used; demo brings its own" in line for line in exporter.log) == 1, exporter.log


@pytest.mark.real
async def test_with_tls_it_says_so_and_its_webhooks_arrive(issue: Callable[[str], None], tmp_path: Path) -> None:
    """The addresses that it names begin with https, and its own events come over TLS as well."""
    issue("server")
    web, secrets = tmp_path / "web.yml", tmp_path / "secrets"
    web.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    secrets.write_text("a-secret-of-the-demo\n")
    argv = (f"--web.config-file={web}", f"--web.webhook-secrets-file={secrets}")
    async with exporting("demo", *argv) as exporter, ClientSession() as client:

        async def are_accepted() -> bool:
            found = [re.search(r"https://\S+/metrics", line) for line in exporter.out]
            urls = [each[0] for each in found if each]
            if not urls:
                return False
            async with client.get(urls[0], ssl=trusting(tmp_path)) as answer:
                page = await answer.text()
            return bool(
                re.search(r'^planetscale_exporter_webhooks_total{.*result="accepted"} [1-9]', page, re.MULTILINE)
            )

        await until(are_accepted, lambda: f"no webhook was accepted: {exporter.out}", exporter.tell, seconds=100)
