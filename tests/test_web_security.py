"""TLS, client certificates and passwords, with real handshakes."""

import asyncio
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt
import pytest
from aiohttp import ClientConnectorError, ClientError, ClientSession, TCPConnector, encode_basic_auth, web
from real import trusting
from structlog.testing import capture_logs
from web_serving import World

from exporter.healthcheck import health_url, healthcheck
from exporter.mistakes import ConfigError
from exporter.settings import ListenAddress
from exporter.web import WebSecurity, access, create_app, listen
from exporter.web.access import Bucket, Passwords
from exporter.web.web_config import RateLimit, parse

HASH = bcrypt.hashpw(b"sesame", bcrypt.gensalt(4)).decode()
ALICE = encode_basic_auth("alice", "sesame")


@asynccontextmanager
async def secured(security: WebSecurity) -> AsyncIterator[int]:
    """The web room behind *security*; gives its port."""
    app = create_app(World().services(), (access(security),))
    listener = await listen(app, "127.0.0.1", 0, security.tls)
    try:
        yield listener.port
    finally:
        await listener.close()


async def status(url: str, tls: ssl.SSLContext | None = None, auth: str = "") -> int:
    """What a GET is answered with."""
    connector = TCPConnector(ssl=tls or True)
    headers = {"Authorization": auth} if auth else {}
    async with ClientSession(connector=connector) as client, client.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status


def config(folder: Path, text: str) -> Path:
    """A web configuration with this text."""
    file = folder / "web-config.yml"
    file.write_text(text)
    return file


async def test_passwords_guard_all_but_probes_and_webhooks(tmp_path: Path) -> None:
    """A user, a wrong password, nobody and nonsense; the headers of the file are on every page."""
    text = f"basic_auth_users: {{alice: '{HASH}'}}\nhttp_server_config: {{headers: {{X-Frame-Options: SAMEORIGIN}}}}\n"
    async with secured(WebSecurity(str(config(tmp_path, text)))) as port:
        url = f"http://127.0.0.1:{port}"
        assert [await status(f"{url}{path}", auth=ALICE) for path in ("/", "/metrics")] == [200, 200]
        assert await status(f"{url}/metrics") == 401
        for wrong in (
            encode_basic_auth("alice", "x"),
            encode_basic_auth("bob", "sesame"),
            encode_basic_auth("", ""),
            encode_basic_auth("alice", "\0"),
        ):
            assert await status(f"{url}/metrics", auth=wrong) == 401
        assert [await status(f"{url}/-/{probe}") for probe in ("healthy", "ready")] == [200, 200]
        async with ClientSession() as client:
            async with client.post(f"{url}/-/webhook") as answer:
                assert answer.status == 404  # off, and not 401
            headers = {"Authorization": "Basic " + b64encode(b"alice:sesame").decode() + "!"}
            async with client.get(f"{url}/metrics", headers=headers) as answer:
                assert (answer.status, "Basic" in answer.headers["WWW-Authenticate"]) == (401, True)
            async with client.get(url, headers={"Authorization": ALICE}) as answer:
                assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


async def test_a_rate_limit_refuses_what_comes_too_fast(tmp_path: Path) -> None:
    """A burst, then one for each interval; probes are never refused, and headers left blank stay as they are."""
    file = config(
        tmp_path, "rate_limit: {interval: 1h30m, burst: 3}\nhttp_server_config: {headers: {X-Frame-Options: ''}}\n"
    )
    security = WebSecurity(str(file))
    async with secured(security) as port:
        url = f"http://127.0.0.1:{port}"
        assert [await status(f"{url}/metrics") for _ in range(5)] == [200, 200, 200, 429, 429]
        assert await status(f"{url}/-/healthy") == 200
        file.write_text("rate_limit: {interval: 0, burst: 3}\n")
        security.refresh()
        assert [await status(f"{url}/metrics") for _ in range(5)] == [200] * 5


async def test_tokens_come_back_one_for_each_interval() -> None:
    """And never more than the burst, however long nobody asked."""
    bucket, limit = Bucket(), RateLimit.model_validate({"interval": "2s", "burst": 2})
    times = (0, 0, 0, 1, 2, 2, 3, 4, 1000, 1000, 1000)
    assert [bucket.allows(limit, now) for now in times] == [
        True, True, False, False, True, False, False, True, True, True, False,
    ]  # fmt: skip


async def test_a_renewed_file_counts_at_once_and_a_bad_one_never(tmp_path: Path) -> None:
    """A password that was changed is refused though it was good before; what is wrong is logged once."""
    file = config(tmp_path, f"basic_auth_users: {{alice: '{HASH}'}}\n")
    security = WebSecurity(str(file))
    async with secured(security) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        assert await status(url, auth=ALICE) == 200
        renewed = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
        file.write_text(f"basic_auth_users: {{alice: '{renewed}', longer: '{renewed}'}}\n")
        with capture_logs() as logged:
            security.refresh()
            assert [await status(url, auth=auth) for auth in (ALICE, encode_basic_auth("alice", "other"))] == [401, 200]
            file.write_text("basic_auth_users: {alice: plain-text-password}\n")
            security.refresh()
            security.refresh()
            assert await status(url, auth=encode_basic_auth("alice", "other")) == 200
    assert [entry["event"] for entry in logged] == ["web_config_changed", "web_config_unusable"]
    assert "plain-text-password" not in str(logged)


async def test_a_flood_of_wrong_passwords_keeps_nobody_out_who_was_in() -> None:
    """Too many checks at once are refused; who was let in before is not checked again."""
    passwords = Passwords()
    users = {"alice": HASH}
    assert await passwords.are_good(users, "alice", b"sesame")
    flood = [asyncio.create_task(passwords.are_good(users, "alice", b"%d" % number)) for number in range(200)]
    await asyncio.sleep(0)
    assert await passwords.are_good(users, "alice", b"sesame")
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(answer is False for answer in answers) == 50
    assert sum(isinstance(answer, web.HTTPServiceUnavailable) for answer in answers) == 150


async def test_nobody_gets_in_with_the_password_of_another() -> None:
    """An unknown user takes the time of a known one, and has no password that is good."""
    passwords, users = Passwords(), {"alice": HASH}
    for _ in range(2):
        assert not await passwords.are_good(users, "mallory", b"sesame")
        assert await passwords.are_good(users, "alice", b"sesame")
    assert not await passwords.are_good({}, "alice", b"sesame")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: [", "is no YAML (line 1)"),
        ("tls: {}", "tls: is no key of this file that is supported"),
        ("- a", ": input should be"),
        ("basic_auth_users: {alice: secret}", "basic_auth_users.alice: is no bcrypt hash"),
        ("rate_limit: {interval: often, burst: 5}", "rate_limit.interval: should be a duration such as 1s"),
        ("rate_limit: {interval: 1s}", "rate_limit.burst: 0 would let no request in"),
        ("tls_server_config: {cert_file: a}", "tls_server_config: set either key_file or key"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: SSL3}", "tls_server_config.min_version: input"),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}",
            "tls_server_config.client_auth_type: input should be",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}",
            "tls_server_config: client_auth_type and a client_ca_file go together",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, cipher_suites: [ROT13]}",
            "tls_server_config.cipher_suites: ROT13 is not known here",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}",
            "tls_server_config: min_version is above max_version",
        ),
    ],
)
def test_mistakes_name_the_file_and_the_key(text: str, mistake: str) -> None:
    """And never a value, which may be a secret."""
    with pytest.raises(ConfigError) as error:
        parse("web.yml", text.encode())
    assert str(error.value).startswith("web.config_file: web.yml: ") or mistake == "is no YAML (line 1)"
    assert mistake in str(error.value)
    assert "secret" not in str(error.value)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    """The configuration itself, and a certificate, whose path is relative to it."""
    with pytest.raises(ConfigError, match=r"web\.config_file: /nowhere/web\.yml can't be read"):
        WebSecurity("/nowhere/web.yml")
    file = config(tmp_path, "tls_server_config: {cert_file: missing.crt, key_file: missing.key}")
    with pytest.raises(ConfigError, match=rf"{tmp_path}/missing\.crt can't be read"):
        WebSecurity(str(file))


@pytest.mark.real
async def test_tls_and_its_renewal(issue: Callable[[str], None], tmp_path: Path) -> None:
    """A client that trusts the authority gets in, plain HTTP does not, and a renewed certificate is used at once."""
    issue("server")
    file = config(
        tmp_path,
        "tls_server_config: {cert_file: server.crt, key_file: server.key, curve_preferences: [X25519], "
        "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]}\n",
    )
    security = WebSecurity(str(file))
    async with secured(security) as port:
        url = f"https://127.0.0.1:{port}/metrics"
        assert await status(url, trusting(tmp_path)) == 200
        with pytest.raises(ClientConnectorError):
            await status(url, ssl.create_default_context())
        with pytest.raises(ClientError):
            await status(f"http://127.0.0.1:{port}/metrics")
        check = health_url(ListenAddress("127.0.0.1", port))
        assert await asyncio.to_thread(healthcheck, check) == 0

        async def serial() -> str:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(tmp_path))
            found = writer.get_extra_info("peercert")["serialNumber"]
            writer.close()
            return str(found)

        before = await serial()
        issue("server")
        security.refresh()
        assert await serial() != before


@pytest.mark.real
async def test_client_certificates(issue: Callable[[str], None], tmp_path: Path) -> None:
    """None is refused in the handshake, one with a name that is not allowed is refused after it."""
    for name in ("server", "friend", "stranger"):
        issue(name)
    file = config(
        tmp_path,
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt, "
        "client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [friend]}\n",
    )
    async with secured(WebSecurity(str(file))) as port:
        url = f"https://127.0.0.1:{port}/metrics"
        assert await status(url, trusting(tmp_path, "friend")) == 200
        assert await status(url, trusting(tmp_path, "stranger")) == 403
        with pytest.raises(ClientError):
            await status(url, trusting(tmp_path))


@pytest.mark.real
def test_promtool_takes_what_is_taken_here(
    issue: Callable[[str], None], program: Callable[..., Path], tmp_path: Path
) -> None:
    """The documented example is a web configuration to Prometheus' own tool, too."""
    issue("server")
    text = (Path(__file__).parents[1] / "docs" / "tls.md").read_text().split("```yaml\n")[1].split("```")[0]
    text = text.replace("tls.crt", "server.crt").replace("tls.key", "server.key").replace("clients.crt", "ca.crt")
    assert WebSecurity(str(config(tmp_path, text))).tls is not None
    file = config(tmp_path, text.replace("  client_allowed_sans: [prometheus]\n", ""))  # newer than Prometheus 2.42
    checked = subprocess.run([program("promtool"), "check", "web-config", file], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()
