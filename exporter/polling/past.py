"""What has gone, and must not come back through a list that still names it or an answer that was asked for before."""

from collections.abc import Collection

from exporter.polling.questions import Questions
from exporter.polling.snapshot import Key


class Past:
    """Deploy requests that were let go."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        # Dropped ones with the last question whose answer tells nothing of them.
        self._dropped: dict[Key, int] = {}
        self._retired: set[Key] = set()

    def drop(self, key: Key, asked: int | None = None) -> None:
        """Heed no answer that was asked for up to now, or up to the question *asked*."""
        self._dropped[key] = self._questions.latest if asked is None else asked

    def retire(self, key: Key) -> None:
        """It has had its time as a finished one: only what was queued again comes back."""
        self.drop(key)
        self._retired.add(key)

    def is_retired(self, key: Key) -> bool:
        """Whether it has had its time."""
        return key in self._retired

    def came_back(self, key: Key) -> None:
        """It was queued again."""
        self._retired.discard(key)

    def is_late(self, key: Key, asked: int) -> bool:
        """Whether a question was asked before the deploy request was let go."""
        return asked <= self._dropped.get(key, 0)

    def forget_unlisted(self, organization: str, database: str, listed: Collection[Key] = ()) -> None:
        """No list names these retired ones any more: they can't come back."""
        scope = (organization, database)
        self._retired -= {key for key in self._retired if key[:2] == scope and key not in listed}

    def forget_answered(self) -> None:
        """Forget those that no open question can bring back."""
        oldest = self._questions.oldest
        for key in [key for key, asked in self._dropped.items() if asked < oldest]:
            del self._dropped[key]
