"""The real process beside a simulated PlanetScale: what its users and their supervisors see of it."""

import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from processes import CREDENTIAL, FAST, LOGIN, TOKEN, TOKEN_ID, PlanetScale, exporting, outcome, planetscale, until

from exporter.simulator import Fault, large_fleet

UP = "planetscale_deploy_request_up"
PROGRESS = "planetscale_deploy_operation_progress_percentage"
FAILURES = "planetscale_exporter_poll_failures_total"
RELOADED = "planetscale_exporter_config_last_reload_successful"


async def test_it_starts_serves_values_and_becomes_ready() -> None:
    """Values appear as they are polled; ready comes when every target was tried, healthy is at once."""
    async with planetscale() as api:
        api.held.add("billing/deploy-requests/1/operations")
        argv = ("--target=acme/shop/1", "--target=acme/billing/1", f"--api.url={api.url}")
        async with exporting(*argv, **LOGIN) as exporter:
            await exporter.shows(1, UP, database="shop")
            assert 40 < (await exporter.value(PROGRESS, database="shop") or 0) < 60
            assert await exporter.value(UP, database="billing") is None
            assert await exporter.get("/-/healthy") == (200, "healthy\n")
            assert (await exporter.get("/-/ready"))[0] == 503
            await api.release()
            assert await exporter.answers(200, "/-/ready") == "ready\n"
            await exporter.shows(1, UP, database="billing")
            status, page = await exporter.get("/")
            assert (status, "acme/shop" in page) == (200, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_the_scrape_in_flight_finished(number: int) -> None:
    """The answer that is being read arrives whole, though polls hang and others keep connections open."""
    simulator = large_fleet(databases=10, deploy_requests=200)
    async with planetscale(simulator) as api:
        login = dict(zip(LOGIN, simulator.tokens["large"].split(":"), strict=True))
        argv = ("--target=large", "--poll.interval=1s", f"--api.url={api.url}", "--api.requests-per-minute=10000")
        async with exporting(*argv, **login) as exporter:
            await exporter.shows(1000, "planetscale_exporter_operations")
            api.held.update({"deploy-queue", "databases", "deploy-requests"})
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(slow, ("127.0.0.1", exporter.port))
                await loop.sock_sendall(slow, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                page = await loop.sock_recv(slow, 4096)
                exporter.process.send_signal(number)
                await until(lambda: _refuses(exporter.port), lambda: "it goes on listening", exporter.tell)
                while part := await loop.sock_recv(slow, 1 << 20):
                    page += part
            head, _, body = page.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            assert length is not None
            assert len(body) == int(length[1])
            async with asyncio.timeout(5):
                assert await exporter.process.wait() == 0


async def _refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_no_answer_of_the_api_holds_the_end() -> None:
    """A poll under way is dropped: the process ends within the five seconds that supervisors are promised."""
    async with planetscale() as api:
        api.held.add("operations")
        async with exporting("--target=acme/shop/1", f"--api.url={api.url}", "--api.timeout=1h", **LOGIN) as exporter:

            async def hangs() -> bool:
                return api.waiting > 0

            await until(hangs, lambda: "no request came", exporter.tell)
            async with asyncio.timeout(5):
                assert await exporter.end() == 0


DEAF = """
import socket, sys, time
look_up = socket.getaddrinfo
def deaf(host, *rest, **more):
    if host != "api.invalid":
        return look_up(host, *rest, **more)
    sys.stderr.write("looking up\\n")
    time.sleep(3600)
socket.getaddrinfo = deaf
from exporter.cli import main
sys.exit(main())
"""


async def test_a_name_server_that_does_not_answer_holds_nothing_up() -> None:
    """A look-up can't be stopped, and takes as long as it takes: neither a scrape nor the end waits for it."""
    argv = ("--target=acme", "--target=other", "--api.url=http://api.invalid/v1")
    async with exporting(*argv, run=("-c", DEAF), **LOGIN) as exporter:
        await exporter.says("looking up")
        assert (await exporter.get("/metrics"))[0] == 200
        async with asyncio.timeout(5):
            assert await exporter.end() == 0


async def test_a_taken_port_is_exit_code_1_and_one_line() -> None:
    """What only shows when starting is one line that names the setting and the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = await outcome("--target=acme", f"--web.listen-address={address}", **LOGIN)
        assert (code, out) == (1, "")
        assert re.fullmatch(rf"web.listen_address: can't listen on {address}: .*in use.*\n", err)


async def test_a_bad_configuration_is_exit_code_2_and_a_line_per_mistake(tmp_path: Path) -> None:
    """All mistakes are told together, each by the name its user wrote."""
    file = tmp_path / "exporter.yml"
    file.write_text("poll: {interval: soon}\n")
    code, out, err = await outcome(f"--config-file={file}", "--log.format=xml", PLANETSCALE_SERVICE_TOKEN_ID=TOKEN_ID)
    assert (code, out) == (2, "")
    starts = ("--log.format: ", "FILE: poll.interval: ", "--target: ", "PLANETSCALE_SERVICE_TOKEN: ")
    lines = [re.sub(r"^/.*exporte\S*:", "FILE:", line) for line in err.splitlines()]
    assert [line for line in lines if not line.startswith(starts)] == []
    assert len(err.splitlines()) == len(starts)
    assert TOKEN_ID not in err


def configuration(api: PlanetScale, *targets: str, **web_settings: Any) -> str:
    """A configuration file that polls *targets* seldom."""
    settings = {
        "targets": list(targets),
        "api": {"url": api.url},
        "poll": {"interval": "1h", "idle_interval": "1h", "discovery_interval": "1h"},
        "web": {"enable_lifecycle": True, **web_settings},
    }
    return json.dumps(settings)  # which is YAML


async def test_a_hang_up_reloads_and_keeps_what_is_known(tmp_path: Path) -> None:
    """New targets are polled, gone ones go, and values of kept ones stay although nothing answers just now."""
    file = tmp_path / "exporter.yml"
    async with planetscale() as api:
        file.write_text(configuration(api, "acme/shop/1"))
        async with exporting(f"--config-file={file}", **LOGIN) as exporter:
            await exporter.shows(1, UP, database="shop")
            await exporter.answers(200, "/-/ready")
            known = await exporter.value(PROGRESS, database="shop")
            api.held.add("operations")
            file.write_text(configuration(api, "acme/shop/1", "acme/billing/1"))
            exporter.process.send_signal(signal.SIGHUP)
            await exporter.says("event=reloaded")
            assert await exporter.value(PROGRESS, database="shop") == known
            assert await exporter.get("/-/ready") == (200, "ready\n")
            await api.release()
            await exporter.shows(1, UP, database="billing")
            file.write_text(configuration(api, "acme/billing/1"))
            exporter.process.send_signal(signal.SIGHUP)
            await exporter.says("event=reloaded", times=2)
            assert await exporter.value(UP, database="shop") is None
            assert await exporter.value(UP, database="billing") == 1


async def test_a_reload_over_http_keeps_the_old_configuration_on_mistakes(tmp_path: Path) -> None:
    """200 for a good one; 500 with every mistake for a bad one, which the log and the metrics tell as well."""
    file = tmp_path / "exporter.yml"
    async with planetscale() as api:
        file.write_text(configuration(api, "acme/shop/1"))
        async with exporting(f"--config-file={file}", **LOGIN) as exporter:
            await exporter.shows(1, UP, database="shop")
            assert await exporter.value(RELOADED) == 1
            loaded = await exporter.value(RELOADED.replace("successful", "success_timestamp_seconds"))
            file.write_text("targets: [acme/shop/1]\npoll: {interval: soon}\napi: {token: x}\n")
            status, mistakes = await exporter.reload()
            assert status == 500
            assert [line.split(": ")[1] for line in mistakes.splitlines()] == ["api.token", "poll.interval"]
            await exporter.says("event=reload_failed", times=2)
            assert await exporter.value(RELOADED) == 0
            assert await exporter.value(RELOADED.replace("successful", "success_timestamp_seconds")) == loaded
            assert await exporter.value(UP, database="shop") == 1
            file.write_text(configuration(api, "acme/billing/1"))
            assert await exporter.reload() == (200, "reloaded\n")
            assert await exporter.value(RELOADED) == 1
            await exporter.shows(1, UP, database="billing")


async def test_reloading_over_http_is_off_unless_allowed() -> None:
    """403 says which setting allows it; SIGHUP works all the same."""
    async with planetscale() as api, exporting("--target=acme/shop/1", f"--api.url={api.url}", **LOGIN) as exporter:
        status, text = await exporter.reload()
        assert (status, "web.enable_lifecycle" in text) == (403, True)
        exporter.process.send_signal(signal.SIGHUP)
        await exporter.says("event=reloaded")


async def test_what_needs_a_restart_is_said_and_the_rest_is_changed(tmp_path: Path) -> None:
    """Listen address, telemetry path and lifecycle stay as they are; the log names each."""
    file = tmp_path / "exporter.yml"
    async with planetscale() as api:
        file.write_text(configuration(api, "acme/shop/1"))
        async with exporting(f"--config-file={file}", **LOGIN) as exporter:
            file.write_text(configuration(api, "acme/billing/1", telemetry_path="/other", enable_lifecycle=False))
            assert (await exporter.reload())[0] == 200
            await exporter.shows(1, UP, database="billing")
            told = [line for line in exporter.log if "event=restart_needed" in line]
            assert sorted(re.findall(r"setting=(\S+)", "\n".join(told))) == [
                "web.enable_lifecycle",
                "web.telemetry_path",
            ]
            assert (await exporter.get("/other"))[0] == 404
            assert (await exporter.reload())[0] == 200


async def test_a_mended_configuration_ends_the_back_off(tmp_path: Path) -> None:
    """What failed is tried at once after a reload, not when its back-off of an hour is over."""
    file = tmp_path / "exporter.yml"
    async with planetscale() as api:
        good = configuration(api, "acme/shop/1")
        file.write_text(good.replace("/v1", "/v9"))
        async with exporting(f"--config-file={file}", **LOGIN) as exporter:
            await exporter.shows(0, UP, database="shop")
            file.write_text(good)
            exporter.process.send_signal(signal.SIGHUP)
            await exporter.shows(1, UP, database="shop")


async def test_a_renewed_token_file_ends_the_back_off(tmp_path: Path) -> None:
    """A token that stops working, replaced in its file by rename as Kubernetes does, is used at once."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    files = {"PLANETSCALE_SERVICE_TOKEN_ID": TOKEN_ID, "PLANETSCALE_SERVICE_TOKEN_FILE": str(token)}
    async with planetscale() as api:
        argv = ("--target=acme/shop/1", f"--api.url={api.url}", "--poll.interval=1s", "--poll.idle-interval=1h")
        async with exporting(*argv, **files) as exporter:
            await exporter.shows(1, UP)
            api.simulator.revoke(CREDENTIAL)
            await exporter.shows(0, UP)
            await exporter.says("event=target_failed")
            renewed = tmp_path / "renewed"
            renewed.write_text(f"{TOKEN}-2\n")
            api.simulator.grant(f"{TOKEN_ID}:{TOKEN}-2", "acme")
            renewed.replace(token)
            await exporter.says("event=credentials_changed")
            await exporter.shows(1, UP)
            assert not any(TOKEN in line for line in exporter.log)


async def test_a_token_that_never_worked_is_replaced_without_waiting(tmp_path: Path) -> None:
    """With a back-off of ten minutes at least, values come as soon as the file holds a good token."""
    token = tmp_path / "token"
    token.write_text("wrong")
    files = {"PLANETSCALE_SERVICE_TOKEN_ID": TOKEN_ID, "PLANETSCALE_SERVICE_TOKEN_FILE": str(token)}
    async with planetscale() as api:
        argv = ("--target=acme", f"--api.url={api.url}", "--poll.interval=10m", "--poll.idle-interval=10m")
        async with exporting(*argv, **files) as exporter:
            await exporter.shows(0, "planetscale_exporter_target_up")
            token.unlink()
            await exporter.says("event=credentials_unusable")
            token.write_text(TOKEN)
            await exporter.shows(2, UP)


async def test_a_429_pauses_every_request() -> None:
    """Nothing is asked, of any target, until Retry-After has passed; then all goes on."""
    async with planetscale() as api:
        argv = ("--target=acme/shop/1", "--target=acme/billing/1", f"--api.url={api.url}", *FAST)
        async with exporting(*argv, **LOGIN) as exporter:
            await exporter.shows(2, UP)
            api.simulator.fail(Fault("operations", database="shop", status=429, headers={"Retry-After": "3"}, times=1))
            await exporter.shows(1, FAILURES, reason="rate_limited")
            await exporter.shows(2, UP)
        journal = list(api.simulator.requests)
        paused = next(asked.at for asked in journal if asked.status == 429)
        # what was under way when the answer came may still arrive a moment later
        assert not [asked for asked in journal if paused + 0.5 < asked.at < paused + 2.9]
        assert [asked for asked in journal if asked.at > paused + 2.9 and asked.database == "billing"]


Behaviour = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


async def _hang(_: web.Request, __: str) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise web.HTTPNoContent


async def _drop(request: web.Request, _: str) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _says(status: int, body: str = "", **headers: str) -> Behaviour:
    async def answer(_: web.Request, secret: str) -> web.StreamResponse:
        shown = {name.replace("_", "-"): text.format(secret) for name, text in headers.items()}
        text = body.replace("%", secret)
        return web.Response(status=status, reason=f"no {secret}", text=text, headers={"X-Echo": secret, **shown})

    return answer


ERROR = '{"code": "%", "message": "Authorization: %"}'
EVIL: dict[str, Behaviour] = {
    "unauthorized": _says(401, ERROR),
    "forbidden": _says(403, ERROR),
    "not_found": _says(404, "<h1>%</h1>"),
    "server_error": _says(502, "%"),
    "invalid": _says(200, '{"data": "%"}'),
    "redirect": _says(302, Location="http://elsewhere.invalid/{0}"),
    "timeout": _hang,
    "network": _drop,
    "too_large": _says(200, "%" * 1000),
    "rate_limited": _says(429, ERROR, Retry_After="1"),
}
ODD: tuple[Behaviour, ...] = (
    _says(200, "%"),
    _says(200, '{"data": [{"id": 1, "state": "%", "eta_seconds": "%", "created_at": "%"}]}'),
    _says(307, Location="http://[{0}"),
    _says(418, "%"),
)


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """An API that throws the credentials it is sent back in every way; which way, the deploy request's number says."""
    ways = [*EVIL.values(), *ODD]

    async def answer(request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        return await ways[number - 1](request, request.headers["Authorization"])

    app = web.Application()
    app.router.add_get("/v1/organizations/acme/databases/shop/deploy-requests/{number}{rest:.*}", answer)
    async with TestServer(app, skip_url_asserts=True) as server:
        with suppress(asyncio.CancelledError):
            yield str(server.make_url("/v1"))


@pytest.mark.parametrize("login", ["service token", "OAuth token"])
async def test_no_credential_shows_anywhere(login: str) -> None:
    """Whichever way polls fail, and whatever the other side echoes, no output holds a part of the credentials."""
    environ = LOGIN if login == "service token" else {"PLANETSCALE_ACCESS_TOKEN": TOKEN}
    targets = [f"--target=acme/shop/{number + 1}" for number in range(len(EVIL) + len(ODD))]
    async with echoing() as url:
        argv = (*targets, f"--api.url={url}", "--api.timeout=1s", "--api.max-response-bytes=1024", "--log.level=debug")
        async with exporting(*argv, **environ) as exporter:
            for reason in EVIL:

                async def has_failed(reason: str = reason) -> bool:
                    return bool(await exporter.value(FAILURES, reason=reason))

                await until(has_failed, lambda reason=reason: f"nothing failed as {reason}", exporter.tell)  # type: ignore[misc] # mypy can't infer the lambda's default
            shown = [(await exporter.get(path))[1] for path in ("/", "/metrics", "/-/ready", "/none")]
        checked = await outcome("check", *argv, **environ)
    assert checked[0] == 1
    output = "\n".join([*shown, *checked[1:], *exporter.out, *exporter.log])
    assert "unauthorized" in output
    for part in (TOKEN_ID, TOKEN, TOKEN[-8:], TOKEN_ID[:6]):
        assert part not in output


async def test_nobody_there_is_said_without_the_credentials() -> None:
    """A refused connection is an error like any other, in the log and in `check`."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    async with exporting("--target=acme/shop/1", f"--api.url={url}", "--log.level=debug", **LOGIN) as exporter:
        await exporter.shows(0, UP)
        await exporter.answers(200, "/-/ready")
        shown = [(await exporter.get(path))[1] for path in ("/", "/metrics")]
    checked = await outcome("check", "--target=acme/shop/1", f"--api.url={url}", **LOGIN)
    output = "\n".join([*shown, *checked[1:], *exporter.log])
    assert (checked[0], "the connection was refused" in output) == (1, True)
    assert TOKEN not in output
    assert TOKEN_ID not in output


@pytest.mark.parametrize("form", ["logfmt", "json"])
async def test_every_line_of_the_log_can_be_parsed(form: str) -> None:
    """Each has a time, a level and an event, and says what happened to which target; failures once, not per poll."""
    async with planetscale() as api:
        argv = ("--target=acme/shop/1", f"--api.url={api.url}", f"--log.format={form}", *FAST)
        async with exporting(*argv, **LOGIN) as exporter:
            await exporter.shows(1, UP)
            api.simulator.fail(Fault("operations", body='say "hi" = \n\t\x1b[31m', status=200))

            async def has_failed_often() -> bool:
                return (await exporter.value(FAILURES, reason="invalid") or 0) >= 3

            await until(has_failed_often, lambda: "nothing fails", exporter.tell)
            api.simulator.heal()
            await exporter.says("target_recovered")
            exporter.process.send_signal(signal.SIGHUP)
            await exporter.says("reloaded")
    lines = [json.loads(line) if form == "json" else logfmt(line) for line in exporter.log]
    assert all({"time", "level", "event"} <= line.keys() for line in lines)
    events = [line["event"] for line in lines]
    assert events == ["listening", "target_failed", "target_recovered", "reloaded", "stopping"]
    assert (lines[1]["target"], "no JSON" in lines[1]["error"]) == ("acme/shop/1", True)


def logfmt(line: str) -> dict[str, str]:
    """The pairs of a line of logfmt, which is nothing else."""
    pair = re.compile(r'([a-z_.]+)=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$)')
    assert pair.sub("", line) == ""
    return {key: json.loads(text) if text.startswith('"') else text for key, text in pair.findall(line)}
