"""The literals that every match of a tree-sitter query contains.

The reader follows tree-sitter's lib/src/query.c (0.26), the predicates py-tree-sitter's query_predicates.c (0.26.1). What
these do with a capture decides what can be said of it:

- a predicate belongs to its whole top-level pattern, wherever it stands, and holds where its capture is absent;
- `#eq?`, `#any-of?` and `#match?` ask every node captured under the name, so whatever node is certain to be captured
  holds the literal; of `#any-eq?` and `#any-match?` one captured node does;
- a node's text is one stretch of the file. `#match?` searches it up to the first NUL;
- a MISSING node has no text, so what a query names by its text ("return") need not be in the file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .literals import ANYTHING, Plan, both, either, literal
from .regexes import regex_plan, whole_strings

MAX_QUERY = (
    1 << 15
)  # characters; a longer query says nothing. It also keeps tree-sitter's 16-bit counters from wrapping
MAX_DEPTH = 100  # of brackets
MAX_CAPTURES = 3  # MAX_STEP_CAPTURE_COUNT in query.c: tree-sitter drops further captures of a node without a word

WORDS: Mapping[str, frozenset[str]] = {"Python": frozenset({"identifier"})}
"""Types of node, by Linguist's name of the language, whose text is a word as `Literal` has it."""

_TOKEN = re.compile(
    r'[ \t\n\v\f\r]+|;[^\n\0]*|("(?:[^"\\\n]|\\.)*"|@?[A-Za-z0-9_-][A-Za-z0-9_.-]*|[()\[\]:/.!#?*+])', re.DOTALL
)
_SIGNS = frozenset("()[]:/.!#?*+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_]*")


class _Unreadable(Exception):
    """The query is not one that tree-sitter compiles, or goes beyond what is read here."""


@dataclass
class _Node:
    """A part of a pattern. kind: a type of node, a string, "_", or "()" and "[]" for a group and an alternation."""

    kind: str
    parts: "list[_Node]" = field(default_factory=list)
    captures: list[str] = field(default_factory=list)  # those that are certain to get a node here
    optional: bool = False
    taken: int = 0  # captures that tree-sitter keeps for the node

    def heads(self) -> "list[_Node]":
        """The nodes that a capture of this part is put on, one of them at a time; none where that is not certain."""
        if self.optional:
            return []
        if self.kind == "()":
            return self.parts[0].heads() if self.parts else []
        if self.kind == "[]":
            branches = [part.heads() for part in self.parts]
            return [head for branch in branches for head in branch] if all(branches) else []
        return [self]

    def capture(self, name: str) -> None:
        heads = self.heads()
        if heads and all(head.taken < MAX_CAPTURES for head in heads):
            self.captures.append(name)
        for node in heads or self.leaves():
            node.taken += 1

    def leaves(self) -> "Iterator[_Node]":
        yield self
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True)
class _Predicate:
    name: str
    arguments: tuple[str, ...]  # as written: @capture, "string" or string


@lru_cache(maxsize=512)
def query_plan(query: str, language: str | None) -> Plan:
    """What any text holds in which `query` matches; ANYTHING for a query that cannot be read.

    language: Linguist's name of the language that is parsed; None for a plan that is true for every language.
    """
    if len(query) > MAX_QUERY:
        return ANYTHING
    words = WORDS.get(language or "", frozenset())
    try:
        return either([_plan(node, predicates, words) for node, predicates in _Reader(query).patterns()])
    except _Unreadable:
        return ANYTHING


def _plan(node: _Node, predicates: list[_Predicate], words: frozenset[str]) -> Plan:
    if node.optional:
        return ANYTHING
    parts = [_plan(part, predicates, words) for part in node.parts]
    named = all(head.kind in words for head in node.heads())
    asked = [
        _asked(predicate, named)
        for capture in node.captures
        for predicate in predicates
        if predicate.arguments[:1] == ("@" + capture,)
    ]
    return both([*([either(parts)] if node.kind == "[]" else parts), *asked])


def _asked(predicate: _Predicate, named: bool) -> Plan:
    """What a node holds that satisfies `predicate`, its first argument being the node's capture."""
    values = predicate.arguments[1:]
    if not values or any(value[0] == "@" for value in values):
        return ANYTHING
    # tree-sitter takes two strings for one if they are equal up to a NUL.
    texts = [_unquote(value).split("\0")[0] for value in values]
    if predicate.name in {"match", "any-match"}:
        strings = whole_strings(texts[0])
        if strings is None:
            return regex_plan(texts[0])
        texts = list(strings)
    elif predicate.name not in {"eq", "any-eq", "any-of"}:
        return ANYTHING
    return either([literal(text, word=named and is_word(text)) for text in texts])


def is_word(text: str) -> bool:
    """Whether it makes sense to ask that `text` stand as a word of its own."""
    return _NAME.fullmatch(text) is not None


def _unquote(token: str) -> str:
    if token[0] != '"':
        return token
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), token[1:-1])


def _tokens(query: str) -> Iterator[str]:
    at = 0
    while at < len(query):
        found = _TOKEN.match(query, at)
        if not found:
            raise _Unreadable
        if found[1]:
            yield found[1]
        at = found.end()


class _Reader:
    """Recursive descent as in `ts_query__parse_pattern`. It takes a few queries that tree-sitter does not."""

    def __init__(self, query: str) -> None:
        self._tokens = list(_tokens(query))
        self._at = 0
        self._depth = 0
        self._predicates: list[_Predicate] = []

    def patterns(self) -> Iterator[tuple[_Node, list[_Predicate]]]:
        """The top-level patterns, each with its predicates."""
        while self._next:
            self._predicates = []
            node = self._pattern()
            if node is None:  # tree-sitter makes a lone predicate a pattern of its own
                raise _Unreadable
            yield node, self._predicates

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *tokens: str) -> bool:
        if self._next in tokens:
            self._at += 1
            return True
        return False

    def _name(self) -> str:
        """A name or a string."""
        token = self._next
        if not token or token in _SIGNS or token[0] == "@":
            raise _Unreadable
        self._at += 1
        return token

    def _pattern(self) -> _Node | None:
        """One pattern with its quantifiers and captures; None for a predicate."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Unreadable
        node = self._bare()
        self._depth -= 1
        captures = []
        while node and (self._next in {"?", "*", "+"} or self._next[:1] == "@"):
            if self._next[0] == "@":
                captures.append(self._next[1:])
            else:
                node.optional |= self._next != "+"
            self._at += 1
        for capture in captures:
            node.capture(capture)
        return node

    def _bare(self) -> _Node | None:
        if self._take("["):
            return _Node("[]", self._parts("]"))
        if self._take("("):
            if self._take("#", "."):
                self._predicate()
                return None
            if self._next in {"(", "["} or self._next[:1] == '"':
                return _Node("()", self._parts(")"))
            return self._node()
        name = self._name()
        if name[0] == '"' or name == "_":
            return _Node(name)
        if name[0] == "_" or not self._take(":"):  # `_name:` is read as a wildcard and a field
            raise _Unreadable
        return self._certain_pattern()

    def _certain_pattern(self) -> _Node:
        node = self._pattern()
        if node is None:
            raise _Unreadable
        return node

    def _parts(self, end: str) -> list[_Node]:
        """The parts of a group, an alternation or a node."""
        parts = []
        while not self._take(end):
            if end == ")" and self._take("."):
                continue
            if end == ")" and self._take("!"):
                self._name()
                continue
            node = self._pattern()
            if node is not None:
                parts.append(node)
            elif end == "]":  # an empty branch
                raise _Unreadable
        return parts

    def _node(self) -> _Node:
        kind = self._name()
        if kind == "MISSING" and self._next not in _SIGNS:
            self._name()
        if self._take("/"):
            kind = self._name()
        return _Node(kind, self._parts(")"))

    def _predicate(self) -> None:
        name = self._name()
        if not self._take("?", "!"):
            raise _Unreadable
        arguments = []
        while not self._take(")"):
            if self._next[:1] == "@":
                arguments.append(self._next)
                self._at += 1
            else:
                arguments.append(self._name())
        self._predicates.append(_Predicate(name, tuple(arguments)))
