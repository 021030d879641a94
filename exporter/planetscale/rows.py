"""Lists of rows, told apart by what identifies a row; rows that can't be told apart are left out and counted."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter

Row_co = TypeVar("Row_co", covariant=True)
_Model = TypeVar("_Model")
_adapter: Final = cache(TypeAdapter)  # making one takes longer than parsing


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row_co]):
    """The rows of an answer that can be told apart, in the answer's order, and how many could not."""

    items: tuple[Row_co, ...] = ()
    without_id: int = 0
    duplicates: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the answer held no rows at all, told apart or not."""
        return not (self.items or self.without_id)

    def __iter__(self) -> Iterator[Row_co]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def distinct(rows: Iterable[_Model | None], identity: Callable[[_Model], Hashable]) -> Rows[_Model]:
    """The rows with an identity, the first of each; None and an identity of None count as `without_id`."""
    kept: dict[Hashable, _Model] = {}
    without_id = duplicates = 0
    for row in rows:
        key = None if row is None else identity(row)
        if row is None or key is None:
            without_id += 1
        elif key in kept:
            duplicates += 1
        else:
            kept[key] = row
    return Rows(tuple(kept.values()), without_id, duplicates)


def parse_rows(values: Any, model: type[_Model], identity: Callable[[_Model], Hashable]) -> Rows[_Model]:
    """The rows in *values*; what is no list holds none."""
    return distinct((parse_row(value, model) for value in values), identity) if isinstance(values, list) else Rows()


def parse_row(value: Any, model: type[_Model]) -> _Model | None:
    """One row, or None for what is no object."""
    return parse_record(value, model) if isinstance(value, dict) else None


def parse_record(value: Any, model: type[_Model]) -> _Model:
    """An object as a record of the model.

    Raises:
        ValidationError: it is no object; whatever an object holds is accepted.
    """
    return _adapter(model).validate_python(value)  # type: ignore[arg-type, no-any-return] # mypy takes no type through a cache


def changed(record: _Model, **values: object) -> _Model:
    """The record with other values of these names, as they are: `replace` would read them as an answer's again."""
    other = copy(record)
    for name, value in values.items():
        object.__setattr__(other, name, value)
    return other
