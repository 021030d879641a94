"""PlanetScale's API as the exporter uses it: one method for each endpoint, all pages read, answers parsed."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import Any, Final, TypeVar
from urllib.parse import quote

from yarl import URL

from exporter.planetscale.bodies import parse_object
from exporter.planetscale.errors import InvalidAnswerError
from exporter.planetscale.http import Transport
from exporter.planetscale.models import Database, Deployment, DeployRequest, Operation, Throttler
from exporter.planetscale.rows import Rows, distinct, parse_record, parse_row

PER_PAGE: Final = 100
MAX_PAGES: Final = 500

_Model = TypeVar("_Model")


class PlanetScale:
    """Reads PlanetScale's API; every method raises `PlanetScaleError` when there is no answer to use."""

    def __init__(self, transport: Transport, base_url: str) -> None:
        self._transport = transport
        self._base_url = base_url.rstrip("/")

    async def databases(self, organization: str) -> Rows[Database]:
        """The databases of an organisation, of every kind (list_databases)."""
        return await self._list("databases", organization, ("databases",), Database, identity=attrgetter("name"))

    async def deploy_queue(self, organization: str, database: str) -> Rows[Deployment]:
        """What is queued and running in a database, in the queue's order (get_deploy_queue)."""
        path = ("databases", database, "deploy-queue")
        return await self._list("deploy_queue", organization, path, Deployment, identity=attrgetter("number"))

    async def open_deploy_requests(self, organization: str, database: str) -> Rows[DeployRequest]:
        """A database's open deploy requests (list_deploy_requests)."""
        return await self._deploy_requests(organization, database, {"state": "open"})

    async def ran_between(self, organization: str, database: str, start: float, end: float) -> Rows[DeployRequest]:
        """The deploy requests that were running at some time between two Unix times (list_deploy_requests)."""
        return await self._deploy_requests(
            organization, database, {"running_at": f"{_rfc3339(start)}..{_rfc3339(end)}"}
        )

    async def deploy_request(self, organization: str, database: str, number: int) -> DeployRequest:
        """One deploy request with its deployment (get_deploy_request)."""

        def is_asked(request: DeployRequest) -> bool:
            return request.number in {number, None}

        return await self._get("deploy_request", organization, _numbered(database, number), DeployRequest, is_asked)

    async def operations(self, organization: str, database: str, number: int) -> Rows[Operation]:
        """The operations of a deploy request (list_deploy_operations)."""
        path = (*_numbered(database, number), "operations")
        return await self._list("operations", organization, path, Operation, identity=attrgetter("id"))

    async def throttler(self, organization: str, database: str, number: int) -> Throttler:
        """How a deploy request's copying is throttled, per keyspace (get_deploy_request_throttler)."""
        return await self._get("throttler", organization, (*_numbered(database, number), "throttler"), Throttler)

    async def _deploy_requests(self, organization: str, database: str, query: Mapping[str, str]) -> Rows[DeployRequest]:
        path = ("databases", database, "deploy-requests")
        return await self._list(
            "deploy_requests", organization, path, DeployRequest, identity=attrgetter("number"), query=query
        )

    async def _get(
        self,
        endpoint: str,
        organization: str,
        path: Iterable[str],
        model: type[_Model],
        is_asked: Callable[[_Model], bool] = lambda _: True,
    ) -> _Model:
        """One object, which *is_asked* tells from another's."""

        def parse_one(text: str) -> _Model:
            answer = parse_record(parse_object(text), model)
            if not is_asked(answer):
                raise ValueError("PlanetScale's answer is about something else than was asked for")
            return answer

        return await self._transport.get(self._url(organization, path), endpoint, organization, parse_one)

    async def _list(  # noqa: PLR0913 - what tells one listing from another
        self,
        endpoint: str,
        organization: str,
        path: Iterable[str],
        model: type[_Model],
        *,
        identity: Callable[[_Model], Hashable],
        query: Mapping[str, str] | None = None,
    ) -> Rows[_Model]:
        """All pages; a page that comes again, or more than `MAX_PAGES`, would never end and is an error."""

        def parse_page(text: str) -> tuple[list[_Model | None], int]:
            data, following = _read_page(text)
            return [parse_row(row, model) for row in data], following

        base = self._url(organization, path).with_query(query)
        pages: list[list[_Model | None]] = []
        number, following = 0, 1
        while following:
            if not number < following <= MAX_PAGES:
                raise InvalidAnswerError("PlanetScale's list of pages doesn't end; check api.url", "invalid")
            number = following
            if pages:
                await self._transport.give_way()
            url = base.update_query(page=number, per_page=PER_PAGE)
            page, following = await self._transport.get(url, endpoint, organization, parse_page)
            if any(page) and page in pages:
                raise InvalidAnswerError("PlanetScale sent the same page twice; check api.url", "invalid")
            pages.append(page)
        return distinct(chain.from_iterable(pages), identity)

    def _url(self, organization: str, path: Iterable[str]) -> URL:
        segments = "/".join(quote(segment, safe="") for segment in ("organizations", organization, *path))
        return URL(f"{self._base_url}/{segments}", encoded=True)


def _numbered(database: str, number: int) -> tuple[str, ...]:
    return ("databases", database, "deploy-requests", str(number))


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_page(text: str) -> tuple[list[Any], int]:
    """A page's rows and the next page's number, 0 where there is none: pages count from 1.

    Raises:
        ValueError: the text is no JSON object with a `data` list, has more rows than were asked for, or says something
            odd about the next page: rows that would be lost in silence look like health.
    """
    answer = parse_object(text)
    data, following = answer.get("data"), answer.get("next_page")
    if not isinstance(data, list):
        raise ValueError("PlanetScale's answer has no data list")  # noqa: TRY004 - the parser's callers know ValueError
    if len(data) > PER_PAGE:
        raise ValueError(f"PlanetScale sent more than the {PER_PAGE} rows that a page was asked for")
    if following is None:
        return data, 0
    if type(following) is not int:
        raise ValueError("PlanetScale's answer names an odd next page")
    return data, max(following, 0)
