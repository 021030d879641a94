"""What an answer costs from its text to what is exported, in fleets of two sizes; `make bench` prints it."""

import json
from collections.abc import Callable, Iterator
from typing import Final

from polled import LIMITS

from exporter.planetscale.bodies import parse_object
from exporter.planetscale.models import Deployment
from exporter.planetscale.rows import parse_rows
from exporter.polling import answers
from exporter.polling.endings import Endings
from exporter.polling.exported import Exported
from exporter.polling.fleet import Fleet
from exporter.polling.plan import Plan
from exporter.polling.snapshot import Moment
from exporter.targets import parse

POLLS: Final = 100
OPERATIONS_EACH: Final = 10
_AT: Final = "2026-07-30T12:01:01.738Z"


def of_a_fleet(operations: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done with the answers of `POLLS` databases, of as many as it takes for so many operations."""
    names = [f"database-{number}" for number in range(operations // OPERATIONS_EACH)]
    texts = [_queue(name) for name in names[:POLLS]]
    fleet = Fleet(Plan(tuple(parse(f"acme/{name}") for name in names)), LIMITS, Endings(since=0))
    exported = Exported(fleet)

    def take(name: str, text: str) -> None:
        rows = parse_rows(parse_object(text)["data"], Deployment, lambda row: row.number)
        with fleet.questions.asking() as asked:
            answers.deploy_queue(fleet, ("acme", name), rows, asked, Moment(asked, asked))

    for name in names:
        take(name, _queue(name))
    exported.snapshot()

    def taken() -> None:
        for name, text in zip(names, texts, strict=False):
            take(name, text)
            exported.snapshot()

    yield "their JSON alone", lambda: [json.loads(text) for text in texts]
    yield "read, taken in and put together", taken


def _queue(name: str) -> str:
    rows = [
        {
            "id": f"{name}-{row}",
            "state": "in_progress",
            "keyspace_name": "commerce",
            "table_name": f"table_{row}",
            "operation_name": "ALTER",
            "eta_seconds": 10 * row,
            "progress_percentage": row,
            "ddl_statement": f"ALTER TABLE `table_{row}` ADD COLUMN `note` varchar(255) NOT NULL DEFAULT ''",
            **dict.fromkeys(("created_at", "updated_at", "throttled_at", "table_recently_used_at"), _AT),
            **dict.fromkeys(("can_drop_data", "table_locked", "table_recently_used"), False),
            "removed_foreign_key_names": [],
        }
        for row in range(OPERATIONS_EACH)
    ]
    deployment = {"deploy_request_number": 1, "state": "in_progress", "started_at": _AT, "deploy_operations": rows}
    return json.dumps({"data": [deployment], "next_page": None})
