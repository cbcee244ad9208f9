"""What any match of a pattern must contain: an AND/OR of literals, tested on the raw text before anything is parsed.

A plan is sound: a text that fails it has no match. It may let through texts without one.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Literal:
    """`text`, case-sensitive. word: with no ASCII letter, digit or underscore beside it."""

    text: str
    word: bool = False


@dataclass(frozen=True)
class And:
    """All of `parts`; with no parts it holds for every text."""

    parts: "tuple[Plan, ...]" = ()


@dataclass(frozen=True)
class Or:
    """One of `parts`; with no parts it holds for no text."""

    parts: "tuple[Plan, ...]" = ()


Plan: TypeAlias = Literal | And | Or
ANYTHING = And()
NOTHING = Or()
