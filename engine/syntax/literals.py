"""What any match of a pattern must contain: an AND/OR of literals, tested on the raw text before anything is parsed.

A plan is sound: a text that fails it has no match. It may let through texts without one.

Every gate but `mask` weakens the plan to what its medium can say, which leaves it sound.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Literal:
    """`text`, case-sensitive. word: as a token of its own.

    That is: no ASCII letter, digit or underscore stands after it. Nor does one before it, unless it is a single one
    after a `'`, or belongs to a run that starts with a digit or follows one of `\\ ! # % $ @ & ?`. For a lexer begins
    an identifier right after a letter only where another token ends with one: a number (`1Leval`, `2.jeval`) or what
    such a sign begins (`"\\teval`, `{x!reval}`, `<?phpeval`, `'xeval`), mostly while it recovers from an error.
    """

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
P = TypeVar("P", bound=Plan)
ANYTHING = And()
NOTHING = Or()

MIN_BYTES = 2  # one byte is in nearly every file
MAX_CHARACTERS = 100  # of a literal: what is longer is cut, which is sound
MAX_ALL = 16  # parts of an And: the most selective are kept, which is sound
MAX_ANY = 256  # parts of an Or: with more, it says nothing
MAX_DEPTH = 6  # of Ands and Ors: what is deeper says nothing

_AFTER = "(?:[^0-9A-Za-z_]|$)"
_BEFORE = r"(?:^|[^0-9A-Za-z_]|[\\!#%$@&?][0-9A-Za-z_]*|'[0-9A-Za-z_]|[0-9][0-9A-Za-z_.']*)"

# The bytes of source code, the commonest first: of 8 MB of Python and 8 MB of C, C++, JavaScript, HTML and CSS.
_BYTES = b""" etrianso\nl_dcufpmh)(,y.g:b/"=TvE-wSxNPI;OAR0'*kC1L#2F>DU{}6<M43[]jzB`58G&H\\XWVqY+\t7|9K!%@Z?J$Q~^"""
_BITS = {byte: 3 + rank / 12 for rank, byte in enumerate(_BYTES)}
_RAREST = 12.0
_WORD_BITS = 8.0


def simplify(plan: Plan) -> Plan:
    """An equal or weaker plan that is flat, without what other parts imply, and bounded in size and depth."""
    if isinstance(plan, Literal):
        return literal(plan.text, word=plan.word)
    parts = [simplify(part) for part in plan.parts]
    return both(parts) if isinstance(plan, And) else either(parts)


def literal(text: str, *, word: bool = False) -> Plan:
    """The simplified Literal."""
    cut = text[:MAX_CHARACTERS]
    try:
        size = len(cut.encode())
    except UnicodeEncodeError:  # half of a surrogate pair: no file in UTF-8 has it
        return ANYTHING
    return Literal(cut, word and cut == text) if size >= MIN_BYTES else ANYTHING


def both(parts: Iterable[Plan]) -> Plan:
    """The simplified And of simplified parts."""
    every = _flat(parts, And)
    if NOTHING in every:
        return NOTHING
    found = _best(_literals(every))
    literals = [a for a in found if not any(a != b and _implies(b, a) for b in found)]
    others: list[Plan] = [
        part
        for part in every
        if isinstance(part, Or)
        and _depth(part) < MAX_DEPTH
        and not any(_implies(a, b) for a in literals for b in _literals(part.parts))
    ]
    kept: list[Plan] = _best([*others, *literals])
    return kept[0] if len(kept) == 1 else And(tuple(kept))


def either(parts: Iterable[Plan]) -> Plan:
    """The simplified Or of simplified parts."""
    every = _flat(parts, Or)
    if ANYTHING in every or len(every) > MAX_ANY or any(_depth(part) >= MAX_DEPTH for part in every):
        return ANYTHING
    found = _literals(every)
    literals = [a for a in found if not any(a != b and _implies(a, b) for b in found)]
    others: list[Plan] = [
        part
        for part in every
        if isinstance(part, And) and not any(_implies(a, b) for a in _literals(part.parts) for b in literals)
    ]
    kept: list[Plan] = [*others, *literals]
    return kept[0] if len(kept) == 1 else Or(tuple(kept))


def _flat(parts: Iterable[Plan], kind: type[And] | type[Or]) -> dict[Plan, None]:
    """Parts without repeats, those of `kind` taken apart."""
    return {inner: None for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))}


def _literals(parts: Iterable[Plan]) -> list[Literal]:
    return [part for part in parts if isinstance(part, Literal)]


def _implies(a: Literal, b: Literal) -> bool:
    """Whether every text that holds `a` holds `b`."""
    return a == b or (not b.word and b.text in a.text)


def _best(parts: "list[P]") -> "list[P]":
    return sorted(parts, key=_bits, reverse=True)[:MAX_ALL]


def _bits(plan: Plan) -> float:
    """How rare what a plan lets through is: bits of its bytes as if they were independent, for comparison only."""
    if isinstance(plan, Literal):
        return sum(_BITS.get(byte, _RAREST) for byte in plan.text.encode()) + _WORD_BITS * plan.word
    if isinstance(plan, And):
        return sum(map(_bits, plan.parts))
    return min(map(_bits, plan.parts), default=math.inf) - math.log2(len(plan.parts) or 1)


def _depth(plan: Plan) -> int:
    return 0 if isinstance(plan, Literal) else 1 + max(map(_depth, plan.parts), default=0)


def contained(plan: Plan) -> list[str]:
    """The literals that every match needs, the most selective first: for `contains` in SQL."""
    return [part.text for part in _parts(simplify(plan)) if isinstance(part, Literal)]


def alternatives(plan: Plan) -> str:
    """A regular expression (RE2) of the most selective Or that every match needs, "" if there is none."""
    found = [part for part in _parts(simplify(plan)) if isinstance(part, Or) and part.parts]
    return _any_of(_cover(max(found, key=_bits))) if found else ""


def _parts(plan: Plan) -> tuple[Plan, ...]:
    return plan.parts if isinstance(plan, And) else (plan,)


def _cover(plan: Plan) -> list[Literal]:
    """Literals of which every text that passes holds one. plan: simplified, and neither ANYTHING nor within it."""
    if isinstance(plan, Literal):
        return [plan]
    if isinstance(plan, And):
        return _cover(max(plan.parts, key=_bits))
    return [literal for part in plan.parts for literal in _cover(part)]


def _any_of(literals: Iterable[Literal]) -> str:
    return "|".join(dict.fromkeys(_quote(literal.text) for literal in literals))


def _quote(text: str) -> str:
    return re.escape(text).replace("\0", r"\x00")


def mask(plan: Plan, contents: Any) -> pa.BooleanArray:
    """Which of `contents` pass the plan: one boolean a row, false for NULL.

    contents: an Array or ChunkedArray of (large_)string or (large_)binary. The interpreter lock is free meanwhile.
    """
    if isinstance(contents, pa.ChunkedArray):
        return pa.concat_arrays([mask(plan, chunk) for chunk in contents.chunks] or [pa.array([], pa.bool_())])
    # As bytes: in a string RE2 would not let a byte that is not UTF-8 be the neighbour of a word.
    if pa.types.is_string(contents.type):
        contents = contents.view(pa.binary())
    elif pa.types.is_large_string(contents.type):
        contents = contents.view(pa.large_binary())
    return _passes(simplify(plan), contents)


def _passes(plan: Plan, contents: pa.Array) -> pa.BooleanArray:
    if isinstance(plan, Literal):
        return _holds([plan], contents)
    if isinstance(plan, And):
        found = contents.is_valid()
        for part in plan.parts:
            found = _where(found, part, contents)
        return found
    literals = _literals(plan.parts)
    found = _holds([literal for literal in literals if not literal.word], contents)
    words = [literal for literal in literals if literal.word]
    found = pc.or_(found, _where(pc.invert(found), words, contents))
    for part in plan.parts:
        if isinstance(part, And):
            found = pc.or_(found, _where(pc.invert(found), part, contents))
    return found


def _where(rows: pa.BooleanArray, plan: Plan | list[Literal], contents: pa.Array) -> pa.BooleanArray:
    """Those of `rows` that pass; the others are not looked at."""
    count = rows.true_count
    if not count:
        return rows
    some = contents if count == len(rows) else contents.filter(rows)
    found = _holds(plan, some) if isinstance(plan, list) else _passes(plan, some)
    return found if count == len(rows) else pc.replace_with_mask(rows, rows, found)


def _holds(literals: list[Literal], contents: pa.Array) -> pa.BooleanArray:
    """Which texts hold one of `literals`, all of them words or none."""
    if not literals:
        return pa.repeat(False, len(contents))
    # RE2 looks for a lone literal with memchr: 5 times faster than match_substring, which goes byte by byte.
    texts = _any_of(literals)
    found = pc.fill_null(pc.match_substring_regex(contents, texts), False)
    if not literals[0].word or not found.true_count:
        return found
    words = pc.match_substring_regex(contents.filter(found), f"{_BEFORE}(?:{texts}){_AFTER}")
    return pc.replace_with_mask(found, found, words)
