"""The file of webhook secrets, and webhooks from PlanetScale's event to the page of metrics."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientSession
from processes import until
from structlog.testing import capture_logs
from test_app import LOGIN, Running, exporting

from exporter.cli import main
from exporter.mistakes import ConfigError
from exporter.simulator import deliver, signature
from exporter.webhook_secrets import WebhookSecrets

RARELY = ("--target=acme", "--poll.interval=10m", "--poll.idle-interval=10m", "--poll.discovery-interval=10m")


def test_each_line_is_a_secret(tmp_path: Path) -> None:
    """Blank lines, comments and white space around a secret are none."""
    file = tmp_path / "secrets"
    file.write_text("# shop\n\n  pscale-hook-a \n#b\r\npscale-hook-c\r\n")
    assert WebhookSecrets(str(file)).current == (b"pscale-hook-a", b"pscale-hook-c")
    assert WebhookSecrets(None).current is None


@pytest.mark.parametrize(("text", "problem"), [(None, "no such file or directory"), ("#\n\n", "holds no secret")])
def test_a_file_without_secrets_is_a_mistake(
    tmp_path: Path,
    text: str | None,
    problem: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The setting and the path are named, and it is exit code 2 at the start."""
    file = tmp_path / "secrets"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=problem) as error:
        WebhookSecrets(str(file))
    assert str(error.value).startswith(f"web.webhook_secrets_file: {file} ")
    for name, value in LOGIN.items():
        monkeypatch.setenv(name, value)
    assert main(["--target=acme", f"--web.webhook-secrets-file={file}"]) == 2
    assert problem in capsys.readouterr().err


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """What is wrong is told once, without its content, and the last good secrets stay in use."""
    file = tmp_path / "secrets"
    file.write_text("first\n")
    secrets = WebhookSecrets(str(file))
    with capture_logs() as logged:
        file.write_text("second\nthird\n")
        secrets.refresh()
        assert secrets.current == (b"second", b"third")
        file.unlink()
        secrets.refresh()
        secrets.refresh()
        assert secrets.current == (b"second", b"third")
        file.write_text("fourth\n")
        secrets.refresh()
    assert [entry["event"] for entry in logged] == [
        "webhook_secrets_changed",
        "webhook_secrets_unusable",
        "webhook_secrets_changed",
    ]
    assert "fourth" not in str(logged)


async def opened(run: Running, secret: bytes) -> None:
    """Open a deploy request of which the simulator tells under *secret*, and wait until it is exported."""
    telling = asyncio.create_task(deliver(run.simulator, f"{run.url}/-/webhook", secret, every=0.05))
    await asyncio.sleep(0)
    try:
        number = run.simulator.add_deploy_request("acme", "shop", "long_copy", age=36 * 3600)
        await run.until("/metrics", f'deployment_state{{database="shop",deploy_request="{number}"')
    finally:
        telling.cancel()


async def status(run: Running, secret: bytes) -> int:
    """What PlanetScale's test webhook is answered with."""
    body = b'{"timestamp":1,"event":"webhook.test","organization":"acme","database":"shop","resource":{}}'
    headers = {"X-PlanetScale-Signature": signature(body, secret)}
    async with ClientSession() as client, client.post(f"{run.url}/-/webhook", data=body, headers=headers) as answer:
        return answer.status


async def test_from_the_event_to_the_page(tmp_path: Path) -> None:
    """With ten minutes between polls a webhook brings what was opened at once; a reload turns webhooks on and off."""
    file = tmp_path / "secrets"
    file.write_text("one\n")
    async with exporting(*RARELY, f"--web.webhook-secrets-file={file}") as run:
        await run.until("/-/ready", "ready")
        await opened(run, b"one")
        file.write_text("two\n")

        async def is_renewed() -> bool:
            return await status(run, b"two") != 401

        await until(is_renewed, lambda: "the file is not read again")
        assert await status(run, b"one") == 401
        await opened(run, b"two")
        run.argv.pop()
        assert await run.reload() == ()
        assert await status(run, b"two") == 404
        run.argv.append(f"--web.webhook-secrets-file={tmp_path / 'missing'}")
        assert len(await run.reload()) == 1
        assert await status(run, b"two") == 404
