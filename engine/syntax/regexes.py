"""The literals that every match of a regular expression contains.

As in RE2's prefilter (prefilter.cc) and in Russ Cox's "Regular Expression Matching with a Trigram Index": a part of the
expression is either one of a few known strings, or unknown text of which some literals are known.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from .literals import ANYTHING, NOTHING, Plan, both, either, literal

MAX_PATTERN = 1 << 12  # characters; a longer pattern says nothing
MAX_STRINGS = 64  # alternatives of one stretch of text, of MAX_LENGTH characters each
MAX_LENGTH = 64
MAX_PLANS = 32  # stretches of text of a sequence that are looked at
MAX_CLASS = 16  # characters of a class that are spelled out

# What a letter matches when case is ignored, in Python or RE2 (a superset of both).
_FOLDS = {"i": "iIİı", "s": "sSſ", "k": "kKK"}

# What Python and RE2 read differently, `[[:alpha:]]` and `a{,2}`, or Python warns of: set operations to come.
_NOT_COMMON = re.compile(r"\{,|\[\^?\[|\[\^?\]?(?:\\.|[^\]\\])*?(?:\[:|--|&&|~~|\|\|)", re.DOTALL)

_STARTS = {sre.AT_BEGINNING, sre.AT_BEGINNING_STRING}
_ENDS = {sre.AT_END, sre.AT_END_STRING}


@dataclass(frozen=True)
class _Found:
    """What is known of the text that a part of the pattern matches.

    strings: all that it can be, or None if they are not known. plan: what it contains beside.
    """

    strings: tuple[str, ...] | None
    plan: Plan = ANYTHING


_EMPTY = _Found(("",))
_UNKNOWN = _Found(None)


@lru_cache(maxsize=512)
def regex_plan(pattern: str) -> Plan:
    """What any text holds in which `pattern` is found (`re.search`; RE2 too); ANYTHING for what Python cannot read."""
    try:
        return _close(_sequence(*_parse(pattern)))
    except (re.error, OverflowError, RecursionError):
        return ANYTHING


def whole_strings(pattern: str) -> tuple[str, ...] | None:
    """Strings among which is any text in which `pattern` is found, but for its last line break; None if not known."""
    try:
        items, flags = _parse(pattern)
        edges = [value if op is sre.AT else None for op, value in (*items[:1], *items[-1:])]
        if flags & re.MULTILINE or len(items) < 2 or edges[0] not in _STARTS or edges[1] not in _ENDS:
            return None
        found = _sequence(items[1:-1], flags)
    except (re.error, OverflowError, RecursionError):
        return None
    return found.strings if found.plan == ANYTHING else None


def _parse(pattern: str) -> tuple[list[tuple[Any, Any]], int]:
    if len(pattern) > MAX_PATTERN or _NOT_COMMON.search(pattern):
        return [(None, None)], 0
    parsed = parser.parse(pattern)
    return list(parsed), parsed.state.flags


def _close(found: _Found) -> Plan:
    if found.strings is None:
        return found.plan
    return both([either(map(literal, found.strings)), found.plan])


def _sequence(items: Iterable[tuple[Any, Any]], flags: int) -> _Found:
    """Parts that follow each other: strings are joined as long as they are few and short."""
    strings: tuple[str, ...] = ("",)
    plans: list[Plan] = []
    known = True
    for op, value in items:
        for found in _part(op, value, flags):
            if found.plan != ANYTHING:
                plans.append(found.plan)
            joined = None if found.strings is None else _joined(strings, found.strings)
            if joined is None:
                if len(plans) < MAX_PLANS:
                    plans.append(_close(_Found(strings)))
                strings = found.strings or ("",)
                known = False
            else:
                strings = joined
    if known:
        return _Found(strings, both(plans))
    return _Found(None, both([*plans, _close(_Found(strings))]))


def _joined(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...] | None:
    if len(left) * len(right) > MAX_STRINGS or max(map(len, left)) + max(map(len, right)) > MAX_LENGTH:
        return None
    return tuple(dict.fromkeys(a + b for a in left for b in right))


def _part(op: Any, value: Any, flags: int) -> list[_Found]:
    """One node of the parsed pattern, as parts that follow each other."""
    match op:
        case sre.LITERAL:
            found = _characters([chr(value)], flags)
        case sre.IN:
            found = _class(value, flags)
        case sre.BRANCH:
            found = _branches([_sequence(branch, flags) for branch in value[1]])
        case sre.SUBPATTERN:
            _, added, removed, inner = value
            found = _sequence(inner, (flags | added) & ~removed)
        case sre.ATOMIC_GROUP:
            found = _sequence(value, flags)
        case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
            least, most, inner = value
            return _repeat(least, most, _sequence(inner, flags))
        case sre.ASSERT:
            found = _Found(("",), _close(_sequence(value[1], flags)))
        case sre.AT | sre.ASSERT_NOT:
            found = _EMPTY
        case sre.GROUPREF_EXISTS:
            _, yes, no = value
            found = _branches([_sequence(yes, flags), _sequence(no, flags) if no else _EMPTY])
        case sre.FAILURE:
            found = _Found(None, NOTHING)
        case _:  # any character, a negation, a reference back
            found = _UNKNOWN
    return [found]


def _repeat(least: int, most: int, found: _Found) -> list[_Found]:
    if least == 0:
        if most == 1 and found.strings is not None and found.plan == ANYTHING:
            return [_Found(tuple(dict.fromkeys(("", *found.strings))))]
        return [_UNKNOWN]
    # The first ones join what stands before, the last one what follows.
    first = [found] * min(least, 4)
    return first if least == most == len(first) else [*first, _UNKNOWN, found]


def _branches(found: list[_Found]) -> _Found:
    strings: dict[str, None] = {}
    for branch in found:
        if branch.strings is None or branch.plan != ANYTHING:
            break
        strings.update(dict.fromkeys(branch.strings))
    else:
        if len(strings) <= MAX_STRINGS:
            return _Found(tuple(strings))
    return _Found(None, either(_close(branch) for branch in found))


def _class(items: list[tuple[Any, Any]], flags: int) -> _Found:
    characters: list[str] = []
    for op, value in items:
        if op is sre.LITERAL:
            characters.append(chr(value))
        elif op is sre.RANGE and value[1] - value[0] < MAX_CLASS:
            characters += map(chr, range(value[0], value[1] + 1))
        else:  # a category, a long range, a negation
            return _UNKNOWN
    return _characters(characters, flags) if len(characters) <= MAX_CLASS else _UNKNOWN


def _characters(characters: list[str], flags: int) -> _Found:
    if flags & re.IGNORECASE:
        if not all(character.isascii() for character in characters):
            return _UNKNOWN
        characters = [fold for c in characters for fold in _FOLDS.get(c.lower(), c.lower() + c.upper())]
    return _Found(tuple(dict.fromkeys(characters)))
