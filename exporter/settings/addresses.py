"""Settings that say where things are: the listen address, the API's base URL, the telemetry path."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from exporter.settings.values import Kind

_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen. An empty `host` means every address of the machine; port 0 any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_address() -> Kind:
    """`host:port`, `:port` or `[::1]:port`."""
    return Kind("ADDRESS", "host:port, :port or [::1]:port", parse_listen_address)


def base_url() -> Kind:
    """An http or https URL without its trailing slash."""
    return Kind("URL", "an http or https URL without user, query and fragment", _read_url, show=lambda url: url or "")


def telemetry_path() -> Kind:
    """A path of the exporter's own, away from its other pages."""
    allowed = "a path such as /metrics, of letters, digits and '-._~', not /, not under /-/, without a trailing slash"
    return Kind("PATH", allowed, _read_path)


def parse_listen_address(text: str) -> ListenAddress:
    """Read `host:port`, `:port` or `[::1]:port`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("has no port")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _LARGEST_PORT:
        raise ValueError("has no port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        return ListenAddress(str(ipaddress.IPv6Address(_ipv6(host[1:-1]))), int(port))
    if ":" in host:
        raise ValueError("has an IPv6 address without brackets")
    if host and not _is_host(host):
        raise ValueError("has no valid host")
    return ListenAddress(host, int(port))


def _ipv6(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError("has no valid IPv6 address in its brackets") from None
    return text


def _is_host(host: str) -> bool:
    if re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def _read_url(text: str) -> str:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port  # raises for a port that is none
    except ValueError:
        raise ValueError("is no URL") from None
    if url.scheme not in {"http", "https"}:
        raise ValueError("is no http or https URL")
    if "@" in url.netloc:
        raise ValueError("has a user in it")
    if "?" in text or "#" in text:
        raise ValueError("has a query or a fragment")
    path = url.path.rstrip("/")
    if not host or port == 0 or not _is_url_host(host) or (path and not _is_path(path)):
        raise ValueError("is no URL")
    return f"{url.scheme}://{url.netloc}{path}"


def _is_url_host(host: str) -> bool:
    return _is_host(host) or bool(re.fullmatch(r"[0-9a-f:.]+", host) and _ipv6(host))


def _read_path(text: str) -> str:
    if not _is_path(text):
        raise ValueError("is no path that can be used")
    if text.startswith("/-/"):
        raise ValueError("is under /-/, where health and reload live")
    return text


def _is_path(text: str) -> bool:
    return _PATH.fullmatch(text) is not None and not {".", ".."} & set(text.split("/"))
