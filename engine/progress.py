"""How long work tells its caller how far it is, without knowing whether anybody looks."""

from typing import Protocol


class Progress(Protocol):
    """Called now and then by long work.

    done and total count in the work's own unit (total None when it is not known beforehand); files and bytes are those
    handled so far; note says what is being worked on.
    """

    def __call__(self, done: int, total: int | None, *, files: int = 0, size: int = 0, note: str = "") -> None:
        """Take one report."""


def silent(done: int, total: int | None, *, files: int = 0, size: int = 0, note: str = "") -> None:
    """A Progress that shows nothing."""
