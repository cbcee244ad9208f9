"""What the text of a node says of the text around it, by Linguist's name of the language.

A lexer takes the longest identifier it can, so none ends before a letter, and one begins after a letter only where the
token before it ends with one. Which tokens those are depends on the grammar; so does whether a keyword is written as
the grammar names it. The grammars listed were checked on thousands of mutants (snippets put before words, cuts, joined
words, unterminated strings) of some hundred real files each, and tests/engine/syntax/test_words.py does it in small.
Of others that were looked at, Ruby (`/x/gTypes`) and Kotlin (`' Table`) break the rule. PHP's keywords are written in
any case.
"""

import re
from collections.abc import Mapping


def is_word(text: str) -> bool:
    """Whether `text` can be asked to stand as a word."""
    return _NAME.fullmatch(text) is not None


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Of two characters or more: of a comment without an end, Rust's grammar makes the last letter an identifier.
_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_]+")

_C = _set("identifier type_identifier field_identifier statement_identifier")
_JAVASCRIPT = _set(
    "identifier property_identifier shorthand_property_identifier shorthand_property_identifier_pattern"
    " statement_identifier"
)

IDENTIFIERS: Mapping[str, frozenset[str]] = {
    "C": _C,
    "C#": _set("identifier"),
    "C++": _C | {"namespace_identifier"},
    "Go": _set("identifier type_identifier field_identifier package_identifier"),
    "Java": _set("identifier type_identifier"),
    "JavaScript": _JAVASCRIPT,
    "PHP": _set("name"),
    "Python": _set("identifier"),
    "Rust": _set("identifier type_identifier field_identifier shorthand_field_identifier"),
    "TSX": _JAVASCRIPT | {"type_identifier"},
    "TypeScript": _JAVASCRIPT | {"type_identifier"},
}
"""Types of named nodes whose text, if `is_word`, is a word as `Literal` has it."""

_TYPESCRIPT = _set(
    "abstract catch delete enum extends finally for from function implements infer instanceof interface keyof"
    " satisfies switch throw try typeof var while with"
)

KEYWORDS: Mapping[str, frozenset[str]] = {
    "C": _set("enum sizeof struct switch typedef union while"),
    "C++": _set(
        "catch decltype enum friend namespace operator sizeof struct switch template throw try typedef union using"
        " while"
    ),
    "Go": _set("chan const defer func goto import interface map package range select struct switch var"),
    "Java": _set(
        "assert catch enum extends finally implements import instanceof interface package switch throw throws try while"
    ),
    "JavaScript": _set(
        "catch class delete extends finally for from function instanceof new switch throw try typeof var while with"
    ),
    "Python": _set(
        "and assert class def del elif else except finally for from global import lambda nonlocal try while with"
    ),
    "TSX": _TYPESCRIPT,
    "TypeScript": _TYPESCRIPT,
}
"""Unnamed nodes that stand in the text as they are named, as a word.

To recover from an error the parser makes up a node without text (MISSING), but only of a token that can end a rule,
such as Python's `return`: `ts_parser__handle_error` asks for a reduction right after it. None of these can.
"""
