"""One request: whatever a server does, it ends as a value or as one of our errors, and nothing leaks."""

import asyncio
import gzip
import logging
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from socket import socket
from time import time, tzset

import aiohttp.http
import pytest
from aiohttp import ClientError, ClientHandlerType, ClientRequest, ClientResponse, ClientSession
from fakes import (
    TOKEN,
    TOKEN_ID,
    Answer,
    Client,
    FakeServer,
    answer,
    client,
    redirect,
    repeated,
    reset,
    stall,
    trickled,
    tunnel,
)

from exporter.planetscale.errors import (
    ForbiddenError,
    InvalidAnswerError,
    NetworkError,
    NotFoundError,
    PlanetScaleError,
    RateLimitedError,
    RedirectError,
    RequestTimeoutError,
    ServerError,
    TooLargeError,
    UnauthorizedError,
)
from exporter.planetscale.http import MAX_HOPS

OK = answer(200, '{"fine": true}')
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "no", "all"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.fixture(autouse=True)
def _no_credential_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert TOKEN not in caplog.text


@pytest.fixture
async def ours() -> AsyncIterator[Client]:
    """Give a client of ours."""
    async with client() as opened:
        yield opened


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., Path]) -> ssl.SSLContext:
    """Give a server's side of TLS, with a certificate that nobody trusts."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    command = [str(program("openssl")), *made.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_an_answer_is_parsed_and_counted(ours: Client) -> None:
    """A good answer's body is given, and its status counted under its endpoint."""
    async with FakeServer(OK) as server:
        assert await ours.get(server.url) == {"fine": True}
    assert (ours.ledger.codes, ours.ledger.endpoints) == (["200"], ["operations"])


# -- connections and answers that break


@pytest.mark.parametrize(
    ("misbehaviour", "words"),
    [
        pytest.param(answer(200, "{}")[:0], "the connection was lost", id="closes before answering"),
        pytest.param(reset, "the connection was lost", id="resets before answering"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", "the connection was lost", id="cuts in the headers"),
        pytest.param(OK[:-5], "the answer broke off, or is garbled", id="cuts in a body of known length"),
        pytest.param(CHUNKED + b'5\r\n{"a":', "the answer broke off, or is garbled", id="cuts in a chunk"),
        pytest.param(
            CHUNKED + b"1\r\n{\r\n1\r\n}\r\n", "the answer broke off, or is garbled", id="cuts between chunks"
        ),
        pytest.param(CHUNKED + b"zz\r\n{}\r\n", "", id="sends chunks without size"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the answer is not HTTP", id="speaks another protocol"),
        pytest.param(bytes(range(256)) * 4, "the answer is not HTTP", id="sends garbage"),
        pytest.param(b"HTTP/1.1 2000 OK\r\n\r\n", "the answer is not HTTP", id="sends a status that is none"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "the answer is not HTTP", id="sends a header that is none"
        ),
        pytest.param(answer(200, "{}", f"X: {'x' * 100_000}"), "the answer is not HTTP", id="sends a huge header"),
        pytest.param(
            answer(200, "{}", *(f"X-{n}: x" for n in range(100_000))), "the answer is not HTTP", id="sends many headers"
        ),
        pytest.param(
            repeated(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n" * 9999),
            "the answer is not HTTP",
            id="sends headers without end",
        ),
        pytest.param(
            answer(200, b"no gzip", "Content-Encoding: gzip"), "the answer broke off, or is garbled", id="lies of gzip"
        ),
    ],
)
async def test_what_is_no_answer_is_a_network_error(ours: Client, misbehaviour: Answer, words: str) -> None:
    """A server that breaks off, or speaks no HTTP, is told in plain words."""
    async with FakeServer(misbehaviour) as server:
        error = await ours.failure(server.url)
    assert type(error) is NetworkError
    assert error.reason == "network"
    assert words in str(error)
    assert ours.ledger.codes == ["network"]


@pytest.mark.parametrize(
    "misbehaviour",
    [
        pytest.param(stall, id="stalls before answering"),
        pytest.param(trickled(OK * 1000), id="trickles its headers"),
        pytest.param(trickled(ENDLESS + b" " * 1000), id="trickles its body"),
        pytest.param(repeated(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999), id="puts off for ever"),
    ],
)
async def test_an_answer_that_takes_too_long_is_a_timeout(misbehaviour: Answer) -> None:
    """The time-out covers a request from connecting to the last byte."""
    async with client(timeout=0.2) as ours, FakeServer(misbehaviour) as server:
        error = await ours.failure(server.url)
        assert type(error) is RequestTimeoutError
        assert str(error) == "no whole answer within 0.2s; see api.timeout"
        assert (error.reason, ours.ledger.codes) == ("timeout", ["timeout"])


async def test_a_handshake_that_never_ends_is_a_timeout() -> None:
    """The time-out covers TLS too, against a server that says nothing."""
    with socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        async with client(timeout=0.2) as ours:
            error = await ours.failure(f"https://127.0.0.1:{mute.getsockname()[1]}/v1")
            assert (error.reason, ours.ledger.codes) == ("timeout", ["timeout"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_refused_connection_is_named_as_one(ours: Client, host: str, scheme: str) -> None:
    """Where nobody listens, on whichever address of the host, the message says so."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await ours.failure(f"{scheme}://{host}:{taken.getsockname()[1]}/v1")
    assert str(error) == "no answer: the connection was refused; check api.url, the network and the proxy"
    assert (error.reason, ours.ledger.codes) == ("network", ["network"])


async def test_an_unknown_host_is_named_as_one(ours: Client) -> None:
    """A host name that nobody knows is told from other failures."""
    error = await ours.failure("http://api.invalid/v1")
    assert "the host name is not known" in str(error)
    assert (error.reason, ours.ledger.codes) == ("network", ["network"])


async def test_a_certificate_that_nobody_vouches_for_is_refused(ours: Client, tls: ssl.SSLContext) -> None:
    """TLS is verified, and nothing is sent to a server that can't prove who it is."""
    async with FakeServer(OK, tls=tls) as server:
        error = await ours.failure(server.url)
        assert server.requests == []
    assert "the server's certificate is not accepted" in str(error)
    assert (error.reason, ours.ledger.codes) == ("network", ["network"])


async def test_a_server_without_tls_is_named_as_one(ours: Client) -> None:
    """An https URL that leads to a plain server says that TLS is what fails."""

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(400))
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        error = await ours.failure(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    assert "no TLS connection could be agreed on" in str(error)
    assert (error.reason, ours.ledger.codes) == ("network", ["network"])


@pytest.mark.parametrize(
    "misbehaviour",
    [
        pytest.param(answer(200, b" " * (MIB + 1)), id="sends too much"),
        pytest.param(repeated(ENDLESS, b" " * 65536), id="sends without end"),
        pytest.param(repeated(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"), id="sends chunks without end"),
        pytest.param(
            repeated(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b" " * 65536), id="claims a huge body"
        ),
        pytest.param(
            answer(200, gzip.compress(bytes(32 * MIB)), "Content-Encoding: gzip"), id="sends a compression bomb"
        ),
        pytest.param(
            answer(200, gzip.compress(bytes(8 * MIB)) * 64, "Content-Encoding: gzip"), id="sends a bomb of many parts"
        ),
        pytest.param(
            answer(200, gzip.compress(bytes(MIB + 1)), "Content-Encoding: gzip"), id="sends too much once unpacked"
        ),
    ],
)
async def test_an_answer_that_is_too_large_costs_little_memory(misbehaviour: Answer) -> None:
    """The limit is on what a body unpacks to, and no more than a little above it is ever held."""
    async with client(max_bytes=MIB) as ours, FakeServer(misbehaviour) as server:
        tracemalloc.start()
        try:
            error = await ours.failure(server.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert type(error) is TooLargeError
        assert str(error) == "the answer is larger than 1048576 bytes; see api.max_response_bytes"
        assert (error.reason, ours.ledger.codes) == ("too_large", ["too_large"])
        assert peak < 8 * MIB


async def test_an_answer_at_the_limit_is_read() -> None:
    """The limit itself is still allowed."""
    body = b'{"a": "' + b"x" * (MIB - 9) + b'"}'
    async with client(max_bytes=len(body)) as ours, FakeServer(answer(200, body)) as server:
        assert len((await ours.get(server.url))["a"]) == MIB - 9


async def test_a_request_is_never_sent_twice(ours: Client) -> None:
    """When a connection breaks, that is a failure: a second try would take no slot of the budget."""
    async with FakeServer(reset, OK) as server:
        error = await ours.failure(server.url)
        assert len(server.requests) == 1
    assert "the connection was lost" in str(error)
    assert ours.ledger.codes == ["network"]


async def test_an_answer_that_nobody_asked_for_is_nobody_s(ours: Client) -> None:
    """What a connection brings after its answer is not taken for the next one's, which gets its own."""
    answered = asyncio.Event()

    async def push(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, '{"fine": true}', keep=True))
        await answered.wait()
        writer.write(answer(200, '{"fine": false}', keep=True))
        await asyncio.Event().wait()

    async with FakeServer(push, OK) as server:
        assert await ours.get(server.url) == {"fine": True}
        answered.set()
        for _ in range(100):  # turns of the loop, in which the push arrives where it can
            await asyncio.sleep(0)
        assert await ours.get(server.url) == {"fine": True}
        assert server.connections == 2


# -- statuses


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (204, InvalidAnswerError, "invalid"),
        (206, InvalidAnswerError, "invalid"),
        (300, InvalidAnswerError, "invalid"),
        (304, InvalidAnswerError, "invalid"),
        (400, InvalidAnswerError, "invalid"),
        (401, UnauthorizedError, "unauthorized"),
        (403, ForbiddenError, "forbidden"),
        (404, NotFoundError, "not_found"),
        (407, InvalidAnswerError, "invalid"),
        (408, InvalidAnswerError, "invalid"),
        (418, InvalidAnswerError, "invalid"),
        (422, InvalidAnswerError, "invalid"),
        (429, RateLimitedError, "rate_limited"),
        (500, ServerError, "server_error"),
        (502, ServerError, "server_error"),
        (503, ServerError, "server_error"),
        (599, ServerError, "server_error"),
        (600, InvalidAnswerError, "invalid"),
        (999, InvalidAnswerError, "invalid"),
    ],
)
async def test_every_status_has_a_reason(ours: Client, status: int, kind: type[PlanetScaleError], reason: str) -> None:
    """A status other than 200 is a failure with a reason out of the list, whatever the body says."""
    body = "" if status in {204, 304} else f"<html>{TOKEN}</html>"
    async with FakeServer(answer(status, body)) as server:
        error = await ours.failure(server.url)
    assert type(error) is kind
    assert error.reason == reason
    assert f"PlanetScale answered {status}" in str(error)
    assert (error.code, ours.ledger.codes) == (str(status), [str(status)])


async def test_a_failure_needs_no_body(ours: Client) -> None:
    """A status counts as soon as it is there, though its body never ends."""
    async with FakeServer(repeated(b"HTTP/1.1 503 No\r\n\r\n", b" " * 65536)) as server:
        assert (await ours.failure(server.url)).reason == "server_error"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ((), 60),
        (("Retry-After: 17",), 17),
        (("Retry-After:  17 ",), 17),
        (("Retry-After: 0",), 1),
        (("Retry-After: -5",), 60),
        (("Retry-After: 1.5",), 60),
        (("Retry-After: ",), 60),
        (("Retry-After: soon",), 60),
        (("Retry-After: \xb2",), 60),
        (("Retry-After: 3600",), 300),
        (("Retry-After: 99999999999999999999",), 300),
        ((f"Retry-After: {'9' * 5000}",), 300),
        (("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT",), 1),
        (("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",), 300),
        (("Retry-After: Fri, 99 Dec 2026 23:59:59 GMT",), 60),
        (("Retry-After: 17", "Retry-After: 18"), 17),
    ],
)
async def test_too_many_requests_pause_all(ours: Client, header: tuple[str, ...], seconds: float) -> None:
    """A 429 pauses every request for what `Retry-After` says, 5 minutes at most, or a minute."""
    async with FakeServer(answer(429, "", *header)) as server:
        error = await ours.failure(server.url)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds
    assert ours.slots.budget.delay(asyncio.get_running_loop().time()) == pytest.approx(seconds, abs=5)


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run where the clocks show another time than UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-12")
        tzset()
        yield
    tzset()


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
@pytest.mark.usefixtures("_far_east")
async def test_retry_after_may_be_a_date(ours: Client, zone: str) -> None:
    """A date is waited for until it comes, whatever zone the exporter runs in."""
    date = format_datetime(datetime.fromtimestamp(time(), UTC) + timedelta(seconds=120), usegmt=True)
    async with FakeServer(answer(429, "", f"Retry-After: {date.replace('GMT', zone)}")) as server:
        error = await ours.failure(server.url)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == pytest.approx(120, abs=10)


# -- redirects


async def test_redirects_on_the_same_host_are_followed(ours: Client) -> None:
    """Five hops are followed; each is counted with its status, and takes a slot of its own."""
    hops = [redirect(f"/v1/{n}", status) for n, status in enumerate([301, 302, 303, 307, 308])]
    async with FakeServer(*hops, OK) as server:
        assert await ours.get(server.url) == {"fine": True}
        assert [asked.target for asked in server.requests] == ["/v1", *(f"/v1/{n}" for n in range(5))]
        assert {asked.headers["authorization"] for asked in server.requests} == {f"{TOKEN_ID}:{TOKEN}"}
    assert ours.ledger.codes == ["301", "302", "303", "307", "308", "200"]
    budget = ours.slots.budget
    budget.resize(6)
    assert budget.delay(asyncio.get_running_loop().time()) == pytest.approx(60, abs=30)
    budget.resize(7)
    assert budget.delay(asyncio.get_running_loop().time()) == 0


async def test_redirects_without_end_are_given_up(ours: Client) -> None:
    """A loop ends after the allowed hops as an answer that makes no sense."""
    async with FakeServer(redirect("")) as server:
        error = await ours.failure(server.url)
        assert len(server.requests) == MAX_HOPS + 1
    assert type(error) is InvalidAnswerError
    assert "redirected more than 5 times" in str(error)
    assert ours.ledger.codes == ["302"] * (MAX_HOPS + 1)


@pytest.mark.parametrize("to", ["http://127.0.0.1:{other}/v1", "//127.0.0.1:{other}/v1", "http://localhost:{own}/v1"])
async def test_another_host_gets_nothing(ours: Client, to: str) -> None:
    """A redirect to another host or port is refused, and nothing is sent there."""
    async with FakeServer(OK) as other, FakeServer() as server:
        server.answers = (redirect(to.format(other=other.port, own=server.port)), OK)
        error = await ours.failure(server.url)
        assert (other.connections, len(server.requests)) == (0, 1)
    assert type(error) is RedirectError
    assert (error.reason, error.code, ours.ledger.codes) == ("redirect", "redirect", ["redirect"])


@pytest.mark.parametrize(
    "to",
    [
        "https://127.0.0.1:{own}/v1",
        "https://127.0.0.1/",
        "http://127.0.0.1/",
        "ftp://127.0.0.1:{own}/",
        "mailto:a@b.c",
        "javascript:alert(1)",
        "data:,x",
        "file:///etc/passwd",
        "http://127.0.0.1.evil.invalid:{own}/",
        "http://127.0.0.1:{own}@evil.invalid/",
        "http://evil.invalid\\@127.0.0.1:{own}/",
        "//evil.invalid",
    ],
)
async def test_another_scheme_or_host_is_refused(ours: Client, to: str) -> None:
    """Whatever leads elsewhere, however it is written, is refused."""
    async with FakeServer() as server:
        server.answers = (redirect(to.format(own=server.port)), OK)
        error = await ours.failure(server.url)
        assert len(server.requests) == 1
    assert error.reason in {"redirect", "invalid"}
    assert not any(code == "200" for code in ours.ledger.codes)


@pytest.mark.parametrize("header", [(), ("Location: http://[/",), ("Location: http://127.0.0.1:99999999/",)])
async def test_a_redirect_to_nowhere_makes_no_sense(ours: Client, header: tuple[str, ...]) -> None:
    """A redirect that does not say where to is an answer that makes no sense, counted with its status."""
    async with FakeServer(answer(302, "", *header)) as server:
        error = await ours.failure(server.url)
    assert type(error) is InvalidAnswerError
    assert (error.code, ours.ledger.codes) == ("302", ["302"])


@pytest.mark.parametrize("to", ["http://user:word@127.0.0.1:{own}/v1", "x y\xff", "?a=b#c", "/../..//x"])
async def test_an_odd_redirect_on_the_same_host_is_followed(ours: Client, to: str) -> None:
    """What stays on the host is followed, with our credentials and no others."""
    async with FakeServer() as server:
        server.answers = (redirect(to.format(own=server.port)), OK)
        assert await ours.get(server.url) == {"fine": True}
        assert server.requests[1].headers["authorization"] == f"{TOKEN_ID}:{TOKEN}"


# -- what a request carries


@pytest.mark.parametrize("authorization", [f"{TOKEN_ID}:{TOKEN}", f"Bearer {TOKEN}"])
async def test_a_request_says_who_asks(authorization: str) -> None:
    """Both kinds of credentials are sent as given, with our name, and JSON is asked for."""
    async with client(authorization=authorization) as ours, FakeServer(OK) as server:
        await ours.get(server.url)
        (asked,) = server.requests
    assert asked.method == "GET"
    assert asked.headers["authorization"] == authorization
    assert asked.headers["user-agent"] == "planetscale-exporter/test"
    assert asked.headers["accept"] == "application/json"


async def test_cookies_are_not_kept(ours: Client) -> None:
    """A cookie never comes back to the server that set it."""
    async with FakeServer(answer(200, "{}", "Set-Cookie: a=b; Path=/"), OK) as server:
        url = server.url.replace("127.0.0.1", "localhost")  # a jar would keep no cookies of a bare address
        await ours.get(url)
        await ours.get(url)
        assert "cookie" not in server.requests[1].headers


async def test_a_netrc_file_is_ignored(ours: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in ~/.netrc neither replace ours nor stop the request."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login other password word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    async with FakeServer(OK) as server:
        await ours.get(server.url)
        assert server.requests[0].headers["authorization"] == f"{TOKEN_ID}:{TOKEN}"


# -- proxies


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", "", "http://user:word@"])
async def test_a_proxy_is_used(ours: Client, name: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy gets the request, which names the server in full."""
    async with FakeServer(OK) as proxy:
        monkeypatch.setenv(name, f"{scheme}127.0.0.1:{proxy.port}")
        assert await ours.get("http://api.invalid/v1") == {"fine": True}
        assert [asked.target for asked in proxy.requests] == ["http://api.invalid/v1"]


async def test_a_proxy_tunnels_tls(ours: Client, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """An https URL asks the proxy for a tunnel, sees no credential, and verifies TLS through it."""
    async with FakeServer(OK, tls=tls) as server, FakeServer(tunnel(server.port)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        error = await ours.failure(server.url)
        assert [(asked.method, asked.target) for asked in proxy.requests] == [("CONNECT", f"127.0.0.1:{server.port}")]
        assert "authorization" not in proxy.requests[0].headers
        assert server.requests == []
    assert "the server's certificate is not accepted" in str(error)


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_named(ours: Client, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel that the proxy refuses is told as the proxy's doing, without the proxy's password."""
    async with FakeServer(answer(status, "no")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://user:s3cret@127.0.0.1:{proxy.port}")
        error = await ours.failure("https://api.invalid/v1")
    assert "the proxy refused to connect" in str(error)
    assert (error.reason, ours.ledger.codes) == ("network", ["network"])


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_away_is_named(ours: Client, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that can't be reached is told from a server that can't."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(f"{scheme}_proxy", f"http://user:s3cret@127.0.0.1:{taken.getsockname()[1]}")
        error = await ours.failure(f"{scheme}://api.invalid/v1")
    assert "the proxy can't be reached" in str(error)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://", "http://[", "127.0.0.1:port", "\xff"])
async def test_a_proxy_that_is_none_is_a_network_error(
    ours: Client, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy setting that can't be used fails the request, and says to check it."""
    monkeypatch.setenv("http_proxy", proxy)
    error = await ours.failure("http://api.invalid/v1")
    assert error.reason == "network"
    assert "the proxy" in str(error)


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "a.b, 127.0.0.1", "127.0.0.1:{port}", "0.1"])
async def test_no_proxy_exempts(ours: Client, exempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What NO_PROXY names, with or without a port, is asked directly."""
    async with FakeServer(OK) as server, FakeServer(stall) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", exempt.format(port=server.port))
        assert await ours.get(server.url) == {"fine": True}
        assert proxy.connections == 0


# -- nothing escapes


def _kinds(*roots: type[Exception]) -> Iterator[type[Exception]]:
    for root in roots:
        yield root
        yield from _kinds(*root.__subclasses__())


LIBRARIES = {"aiohttp", "asyncio", "builtins", "socket", "ssl"}
ALL_KINDS = sorted(
    {
        kind
        for kind in _kinds(ClientError, aiohttp.http.HttpProcessingError, OSError)
        if kind.__module__.partition(".")[0] in LIBRARIES
    },
    key=lambda kind: (kind.__module__, kind.__name__),
)


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_nothing_that_aiohttp_raises_escapes(kind: type[Exception]) -> None:
    """Every exception of aiohttp and of sockets ends as one of our errors."""

    async def fail(_: ClientRequest, __: ClientHandlerType) -> ClientResponse:
        raise kind.__new__(kind)

    async with client(session=ClientSession(middlewares=[fail])) as ours:
        error = await ours.failure("http://127.0.0.1/")
    assert error.reason == ("timeout" if issubclass(kind, TimeoutError) else "network")
    assert ours.ledger.codes == [error.reason]


async def test_every_reason_is_an_error_of_its_own() -> None:
    """The errors' reasons are the ones that the contract lists for requests, each once."""
    reasons = [kind.reason for kind in _kinds(*PlanetScaleError.__subclasses__()) if issubclass(kind, PlanetScaleError)]
    assert sorted(reasons) == [
        "forbidden",
        "invalid",
        "network",
        "not_found",
        "rate_limited",
        "redirect",
        "server_error",
        "timeout",
        "too_large",
        "unauthorized",
    ]


async def test_a_cancelled_request_gives_its_slot_back(ours: Client) -> None:
    """Cancelling a request ends it as cancelled, counts no code, and its slot is free a minute later."""
    arrived = asyncio.Event()

    async def notice(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    budget, now = ours.slots.budget, asyncio.get_running_loop().time
    budget.resize(1)
    async with FakeServer(notice) as server:
        asking = asyncio.create_task(ours.get(server.url))
        await arrived.wait()
        assert budget.delay(now()) is None
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert budget.delay(now()) == pytest.approx(60, abs=30)
    assert ours.ledger.codes == []


async def test_a_parser_that_refuses_makes_an_invalid_answer(ours: Client) -> None:
    """What can't be used is counted as invalid, with the parser's own words."""
    async with FakeServer(answer(200, "[]")) as server:
        error = await ours.failure(server.url)
    assert type(error) is InvalidAnswerError
    assert str(error) == "PlanetScale's answer is no JSON object; check api.url"
    assert (error.code, ours.ledger.codes) == ("invalid", ["invalid"])
