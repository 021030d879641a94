"""What can go wrong with a request, each with a reason out of a bounded list.

The reasons are labels of `planetscale_exporter_poll_failures_total`; the messages say what happened and what mends it,
and hold nothing that the other side sent.
"""

from typing import ClassVar, Final


class PlanetScaleError(Exception):
    """A request that brought no answer to use; `code` is what `planetscale_exporter_api_requests_total` counts."""

    reason: ClassVar[str]

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnauthorizedError(PlanetScaleError):
    """401: the credentials are not known to PlanetScale."""

    reason = "unauthorized"


class ForbiddenError(PlanetScaleError):
    """403: the credentials lack an access."""

    reason = "forbidden"


class NotFoundError(PlanetScaleError):
    """404: it does not exist, or the credentials may not see it."""

    reason = "not_found"


class RateLimitedError(PlanetScaleError):
    """429: PlanetScale wants a pause of `retry_after` seconds."""

    reason = "rate_limited"

    def __init__(self, message: str, code: str, retry_after: float) -> None:
        super().__init__(message, code)
        self.retry_after = retry_after


class ServerError(PlanetScaleError):
    """5xx."""

    reason = "server_error"


class RequestTimeoutError(PlanetScaleError):
    """No whole answer within `api.timeout`."""

    reason = "timeout"


class NetworkError(PlanetScaleError):
    """No connection, or one that broke."""

    reason = "network"


class InvalidAnswerError(PlanetScaleError):
    """An answer that makes no sense, or a status without a reason of its own."""

    reason = "invalid"


class TooLargeError(PlanetScaleError):
    """An answer above `api.max_response_bytes`."""

    reason = "too_large"


class RedirectError(PlanetScaleError):
    """A redirect to somewhere else, which is never followed: the credentials would go with it."""

    reason = "redirect"


_BY_STATUS: Final[dict[int, tuple[type[PlanetScaleError], str]]] = {
    401: (
        UnauthorizedError,
        "the token is wrong, expired or deleted: check {sources}",
    ),
    403: (
        ForbiddenError,
        (
            "the token lacks an access: give it read_deploy_request and, for targets that are no single database, read"
            " access to databases (an OAuth token: read_deploy_requests, read_databases)"
        ),
    ),
    404: (
        NotFoundError,
        "it does not exist, or the token may not see it: check the target's spelling and the token's access",
    ),
}


def error_for_status(status: int, sources: str) -> PlanetScaleError:
    """The error that a status other than 200 and 429 stands for; *sources* name where the credentials come from."""
    if status in _BY_STATUS:
        kind, hint = _BY_STATUS[status]
        return kind(f"PlanetScale answered {status}; {hint.format(sources=sources)}", str(status))
    if status // 100 == 5:  # noqa: PLR2004 - HTTP's server errors
        return ServerError(
            f"PlanetScale answered {status}; it is tried again, check api.url and the proxy if it stays", str(status)
        )
    return InvalidAnswerError(
        f"PlanetScale answered {status}, which means nothing here; check api.url and the proxy", str(status)
    )
