"""What goes wrong when a test wants it to."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(slots=True)
class Fault:
    """What goes wrong, and where. The globs *endpoint*, *organization* and *database* must match; *number* 0 is any.

    Args:
        times: How many answers it spoils; None for all until `Simulator.heal`.
        status: The HTTP status.
        body: The whole body; None is the API's own error body for *status*.
        headers: Headers besides.
        hang: True sends no answer at all until the server stops.
        drop: True cuts the connection; aiohttp, like other clients, then asks once more by itself.
    """

    endpoint: str = "*"
    organization: str = "*"
    database: str = "*"
    number: int = 0
    times: int | None = None
    status: int = 500
    body: str | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False

    def strikes(self, endpoint: str, organization: str, database: str, number: int) -> bool:
        """Whether it spoils an answer to this question."""
        return (
            self.times != 0
            and fnmatchcase(endpoint, self.endpoint)
            and fnmatchcase(organization, self.organization)
            and fnmatchcase(database, self.database)
            and self.number in {0, number}
        )
