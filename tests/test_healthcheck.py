"""The health check: what it asks, and what its exit code says."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from exporter.healthcheck import health_url, healthcheck
from exporter.settings import ListenAddress


class Handler(BaseHTTPRequestHandler):
    """Answers with one status."""

    status = 200

    def do_GET(self) -> None:
        """Answer with the status that the test wants."""
        self.send_response(self.status if self.path == "/-/healthy" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A real HTTP server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (ListenAddress("", 1), "http://127.0.0.1:1/-/healthy"),
        (ListenAddress("0.0.0.0", 1), "http://127.0.0.1:1/-/healthy"),  # noqa: S104 - nothing is bound here
        (ListenAddress("::", 1), "http://[::1]:1/-/healthy"),
        (ListenAddress("::2", 1), "http://[::2]:1/-/healthy"),
        (ListenAddress("10.0.0.1", 1), "http://10.0.0.1:1/-/healthy"),
    ],
)
def test_where_it_asks(address: ListenAddress, url: str) -> None:
    """An exporter that listens everywhere is asked on loopback, any other where it listens."""
    assert health_url(address) == url


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (302, 1)])
def test_exit_code_follows_the_status(
    status: int,
    code: int,
    server: ThreadingHTTPServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only 200 is healthy, and a proxy from the environment is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setattr(Handler, "status", status)
    assert healthcheck(health_url(ListenAddress("", server.server_port))) == code
    assert len(capsys.readouterr().err.splitlines()) == code


def test_nobody_there_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed port is one line and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert healthcheck(f"http://127.0.0.1:{port}/-/healthy") == 1
    assert "does not answer" in capsys.readouterr().err


def test_an_answer_that_is_no_http_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    """Something else on the port is not the exporter."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert healthcheck(f"http://127.0.0.1:{other.getsockname()[1]}/-/healthy") == 1
        thread.join()
    assert "does not answer in HTTP" in capsys.readouterr().err
