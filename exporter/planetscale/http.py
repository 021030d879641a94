"""One GET at PlanetScale: budget, credentials, redirects, limits; every failure ends as a `PlanetScaleError`."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from time import monotonic, time
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined] # undocumented twin, not in typeshed

import structlog
from aiohttp import (
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from exporter.planetscale.bodies import MOST_MEMORY, decode, memory_needed
from exporter.planetscale.causes import LOST_CONNECTION, NO_ANSWER, network_error
from exporter.planetscale.errors import (
    InvalidAnswerError,
    PlanetScaleError,
    RateLimitedError,
    RedirectError,
    RequestTimeoutError,
    TooLargeError,
    error_for_status,
)
from exporter.planetscale.slots import Slots

MAX_HOPS: Final = 5
_DEFAULT_PAUSE: Final = 60.0
_LONGEST_PAUSE: Final = 300.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LARGE: Final = MOST_MEMORY // 16
_OK: Final = 200
_TOO_MANY: Final = 429


T = TypeVar("T")

log = structlog.get_logger()


class RequestObserver(Protocol):
    """Who wants to know of every request that was made."""

    def request_ended(self, endpoint: str, code: str, seconds: float) -> None:
        """A request to *endpoint* ended after *seconds* with a status, or with the reason why there is none."""


def open_session(most_connections: int = 100) -> ClientSession:
    """The session that all requests share; it keeps no cookies, reads no ~/.netrc and sends no request twice.

    Each request has a connection of its own: what else comes on a kept one, aiohttp takes for the next one's answer.
    """
    return ClientSession(
        connector=TCPConnector(limit=most_connections, force_close=True),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        trust_env=False,
        middlewares=(_only_once,),
    )


async def _only_once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    try:
        return await send(request)
    except LOST_CONNECTION as error:  # aiohttp would send it again on a new connection, past the budget
        raise network_error(error) from None


class Transport:
    """Sends requests; swapped with the settings, while session and slots are kept."""

    def __init__(  # noqa: PLR0913 - each is one thing that a request needs
        self,
        session: ClientSession,
        slots: Slots,
        authorization: Callable[[str], str],
        *,
        timeout: float,
        max_bytes: int,
        user_agent: str,
        observer: RequestObserver,
        sources: Callable[[str], str] = "the credentials of {}".format,
    ) -> None:
        """`authorization` gives the header of an organisation, `sources` how its user calls where that comes from."""
        self._session = session
        self._slots = slots
        self._authorization = authorization
        self._sources = sources
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._user_agent = user_agent
        self._observer = observer
        self._reading = asyncio.Lock()
        self._proxy_for = cache(proxy_for)  # looking through the environment takes as long as reading an answer

    async def get(self, url: URL, endpoint: str, organization: str, parse: Callable[[str], T]) -> T:
        """What *parse* makes of a 200 answer's body; redirects are followed on the same scheme, host and port only.

        *parse* raises ValueError, with a message for users, for a body that can't be used.

        Raises:
            PlanetScaleError: there is nothing to use, for whichever reason.
        """
        asked = _Asked(endpoint, organization, url.raw_path)
        for _ in range(MAX_HOPS + 1):
            async with self._slots.slot():
                step = await self._observed(url, asked, parse)
            if not isinstance(step, _Hop):
                return step
            url = step.url
        raise InvalidAnswerError(f"PlanetScale redirected more than {MAX_HOPS} times; check api.url", "invalid")

    async def give_way(self) -> None:
        """Let others go first, as `Slots` says."""
        await self._slots.give_way()

    async def _observed(self, url: URL, asked: "_Asked", parse: Callable[[str], T]) -> "T | _Hop":
        started = monotonic()
        try:
            step, code = await self._request(url, asked.organization, parse)
        except PlanetScaleError as error:
            self._ended(asked, error.code, monotonic() - started)
            raise
        self._ended(asked, code, monotonic() - started)
        return step

    def _ended(self, asked: "_Asked", code: str, seconds: float) -> None:
        self._observer.request_ended(asked.endpoint, code, seconds)
        log.debug("request", endpoint=asked.endpoint, path=asked.path, status=code, seconds=round(seconds, 3))

    async def _request(self, url: URL, organization: str, parse: Callable[[str], T]) -> "tuple[T | _Hop, str]":
        headers = {
            "Authorization": self._authorization(organization),
            "User-Agent": self._user_agent,
            "Accept": "application/json",
        }
        proxy = self._proxy_for(url.origin())
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.get(url, headers=headers, allow_redirects=False, proxy=proxy) as response,
            ):
                if response.status in _REDIRECTS:
                    return _Hop(_target(response)), str(response.status)
                if response.status == _TOO_MANY:
                    raise self._rate_limited(response.headers)
                if response.status != _OK:
                    raise error_for_status(response.status, self._sources(organization))
                text = decode(await self._read(response))
        # Without their causes, whose texts and arguments quote what was sent and what came.
        except TimeoutError:  # before the others: aiohttp's own time-outs are both
            raise RequestTimeoutError(
                f"no whole answer within {self._timeout:g}s; see api.timeout", "timeout"
            ) from None
        except NO_ANSWER as error:
            raise network_error(error) from None
        try:
            return await self._parsed(text, parse), str(_OK)
        except ValueError as error:
            raise InvalidAnswerError(f"{error}; check api.url", "invalid") from None

    async def _parsed(self, text: str, parse: Callable[[str], T]) -> T:
        """What *parse* makes of the text; a large one is read beside the loop, one at a time to save memory."""
        needed = memory_needed(text)
        if needed > MOST_MEMORY:
            raise ValueError("PlanetScale's answer holds more than any that was asked for could")
        if needed < _LARGE:
            return parse(text)
        async with self._reading:
            return await asyncio.to_thread(parse, text)

    async def _read(self, response: ClientResponse) -> bytearray:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                raise TooLargeError(
                    f"the answer is larger than {self._max_bytes} bytes; see api.max_response_bytes", "too_large"
                )
        return body

    def _rate_limited(self, headers: Mapping[str, str]) -> RateLimitedError:
        pause = _retry_after(headers.get("Retry-After", ""))
        self._slots.pause(pause)
        message = f"PlanetScale answered 429; every request pauses for {pause:.0f}s, see api.requests_per_minute"
        return RateLimitedError(message, str(_TOO_MANY), pause)


class _Asked(NamedTuple):
    """What a request is for; the path stays that of the first one, for redirects are the other side's words."""

    endpoint: str
    organization: str
    path: str


@dataclass(frozen=True, slots=True)
class _Hop:
    """A redirect that may be followed."""

    url: URL


def _target(response: ClientResponse) -> URL:
    here = response.url
    try:
        url = here.join(URL(response.headers["Location"]))
    except (KeyError, ValueError):
        raise InvalidAnswerError(
            f"PlanetScale answered {response.status} without saying where to; check api.url", str(response.status)
        ) from None
    if (url.scheme, url.host, url.port) != (here.scheme, here.host, here.port):
        raise RedirectError(
            "PlanetScale redirected to another scheme, host or port, which is refused; check api.url", "redirect"
        )
    return url.with_user(None)  # a user there would stand against the Authorization header


def proxy_for(url: URL) -> str | None:
    """The proxy that the environment names for *url*.

    aiohttp's `trust_env` would read ~/.netrc too, and refuse every request over it.
    """
    if proxy_bypass_environment(f"{url.host}:{url.port}"):
        return None
    proxy = getproxies_environment().get(url.scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def is_in_clear_text(url: str) -> bool:
    """Whether what is sent to *url* can be read on its way: over plain HTTP to another host."""
    parsed = URL(url)
    if parsed.scheme != "http" or parsed.host is None:
        return False
    try:
        return not ip_address(parsed.host).is_loopback
    except ValueError:
        return parsed.host != "localhost"


def _retry_after(text: str) -> float:
    """Seconds to pause: what `Retry-After` says, from 1 second to 5 minutes; a minute where it says nothing."""
    if re.fullmatch(r"\d+", text.strip(), re.ASCII):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            return _DEFAULT_PAUSE
    return min(max(seconds, 1.0), _LONGEST_PAUSE)
