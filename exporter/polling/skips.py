"""Operations that are left out: counted at every poll, logged once."""

from collections.abc import Callable, Mapping

import structlog

from exporter.polling.asking import Answer
from exporter.polling.jobs import Job, Kind
from exporter.polling.snapshot import Key

log = structlog.get_logger()


class Skips:
    """Tells what answers left out."""

    def __init__(self, skipped: Callable[[str, int], None]) -> None:
        self._skipped = skipped
        self._logged: set[tuple[Job, str]] = set()

    def count(self, job: Job, answer: Answer, capped: Mapping[Key, int]) -> None:
        """Count what an answer left out, and what the cap leaves out of it."""
        # A deployment without a number takes its operations with it.
        lists = [*answer.taken.values(), *([answer.rows] if job.kind is Kind.QUEUE else [])]
        counts = {
            "no_id": sum(rows.without_id for rows in lists),
            "duplicate": sum(rows.duplicates for rows in lists),
            "cap": sum(capped.get(key, 0) for key in answer.taken),
        }
        for reason, count in counts.items():
            if not count:
                self._logged.discard((job, reason))
                continue
            self._skipped(reason, count)
            if (job, reason) not in self._logged:
                self._logged.add((job, reason))
                log.warning("operations_skipped", target=job.subject, reason=reason, count=count)

    def forget(self, job: Job) -> None:
        """The job is needed no more."""
        self._logged = {(logged, reason) for logged, reason in self._logged if logged != job}
