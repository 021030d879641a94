"""What aiohttp's exceptions mean, in plain words.

Their own texts are never used: those quote addresses, headers and what the other side sent.
"""

from errno import ECONNREFUSED
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientHttpProxyError,
    ClientOSError,
    ClientPayloadError,
    ClientProxyConnectionError,
    ClientResponseError,
    ServerDisconnectedError,
)
from aiohttp.http import HttpProcessingError

from exporter.planetscale.errors import NetworkError

NO_ANSWER: Final = (ClientError, HttpProcessingError, OSError, ValueError)
"""All that aiohttp raises where there is no whole answer, time-outs aside."""
LOST_CONNECTION: Final = (ServerDisconnectedError, ClientOSError)
"""What aiohttp answers by sending the request again, where the connection was a kept one."""

_UNMADE: Final = "no connection could be made"
# The first that fits counts: the special ones stand before those they derive from.
_CAUSES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ClientProxyConnectionError, "the proxy can't be reached"),
    (ClientHttpProxyError, "the proxy refused to connect"),
    (ClientConnectorDNSError, "the host name is not known"),
    (ClientConnectorCertificateError, "the server's certificate is not accepted"),
    (ClientConnectorSSLError, "no TLS connection could be agreed on"),
    (ClientConnectorError, _UNMADE),
    (ClientPayloadError, "the answer broke off, or is garbled"),
    (ClientResponseError, "the answer is not HTTP"),
    (HttpProcessingError, "the answer is not HTTP"),
    (ServerDisconnectedError, "the connection was lost"),
    (OSError, "the connection was lost"),
)


def network_error(error: Exception) -> NetworkError:
    """The error for users, given one of `NO_ANSWER`."""
    return NetworkError(f"no answer: {_cause(error)}; check api.url, the network and the proxy", "network")


def _cause(error: Exception) -> str:
    words = next((words for kind, words in _CAUSES if isinstance(error, kind)), "the request could not be sent")
    return "the connection was refused" if words is _UNMADE and getattr(error, "errno", None) == ECONNREFUSED else words
