"""What one source gives: texts by the path of the setting, each with the name its user wrote."""

from __future__ import annotations

from dataclasses import dataclass

Text = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """The text of one setting as it was given, and how the user named it."""

    name: str
    text: Text


def split(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated text, without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
