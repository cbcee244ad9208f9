"""The literals that every match of a tree-sitter query contains.

The reader follows tree-sitter's lib/src/query.c (0.26), the predicates py-tree-sitter's query_predicates.c (0.26.1).
What these do with a capture decides what can be said of it:

- a predicate belongs to its whole top-level pattern, wherever it stands, and holds where its capture is absent;
- `#eq?`, `#any-of?` and `#match?` ask every node captured under the name, so whatever node is certain to be captured
  holds the literal; of `#any-eq?` and `#any-match?` one captured node does;
- a node's text is one stretch of the file. `#match?` searches it up to the first NUL;
- a node that is named by its text ("return") need not be written so, or at all: a MISSING node has no text.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from .literals import ANYTHING, Plan, both, either, literal
from .regexes import regex_plan, whole_strings
from .words import IDENTIFIERS, KEYWORDS, is_word

MAX_QUERY = (
    1 << 15
)  # characters; a longer query says nothing. It also keeps tree-sitter's 16-bit counters from wrapping
MAX_DEPTH = 100  # of brackets
MAX_CAPTURES = 3  # MAX_STEP_CAPTURE_COUNT in query.c: tree-sitter drops further captures of a node without a word

_TOKEN = re.compile(
    r'[ \t\n\v\f\r]+|;[^\n\0]*|("(?:[^"\\\n]|\\.)*"|@?[A-Za-z0-9_-][A-Za-z0-9_.-]*|[()\[\]:/.!#?*+])', re.DOTALL
)
_ERROR = "\0"  # a token that fits nowhere
_SIGNS = frozenset("()[]:/.!#?*+" + _ERROR)
_SET = {("set", "!"), ("is", "?"), ("is-not", "?")}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


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

    def may_be_empty(self) -> bool:
        among = {"()": all, "[]": any}.get(self.kind)
        return self.optional or (among is not None and among(part.may_be_empty() for part in self.parts))

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
    try:
        patterns = list(_Reader(query).patterns())
    except _Unreadable:
        return ANYTHING
    return either([_Pattern(predicates, language or "").plan(node) for node, predicates in patterns])


class _Pattern:
    """The predicates of one top-level pattern, and what they ask of its nodes."""

    def __init__(self, predicates: list[_Predicate], language: str) -> None:
        self._identifiers = IDENTIFIERS.get(language, frozenset())
        self._keywords = KEYWORDS.get(language, frozenset())
        # Of each capture: what its node holds, and the same where that is an identifier.
        self._asked: dict[str, tuple[Plan, Plan]] = {}
        for predicate in predicates:
            name = predicate.arguments[0] if predicate.arguments else ""
            plain, word = self._asked.get(name, (ANYTHING, ANYTHING))
            self._asked[name] = both([plain, _asked(predicate)]), both([word, _asked(predicate, word=True)])

    def plan(self, node: _Node) -> Plan:
        if node.optional:
            return ANYTHING
        if node.kind[0] == '"' and (text := _unquote(node.kind)) in self._keywords:
            own: list[Plan] = [literal(text, word=True)]
        else:
            own = []
        named = all(head.kind in self._identifiers for head in node.heads())
        own += [self._asked[name][named] for name in node.captures if name in self._asked]
        parts = [self.plan(part) for part in node.parts]
        return both([*own, either(parts)] if node.kind == "[]" else [*own, *parts])


def runnable(query: str) -> str:
    """A query with the same matches and of the same length on which tree-sitter 0.26 neither crashes nor hangs.

    - `#set!`, `#is?` and `#is-not?`, which change no match, become spaces: py-tree-sitter 0.26.1 frees a predicate
      twice where one of them follows it in its pattern (`query_new` in query.c keeps `predicate_obj` between steps).
    - `+` of something that may be empty becomes `*`: `ts_query_new` runs in a circle on `((a)?)+`.

    What follows an error keeps its `+`: tree-sitter does not come to it.
    """
    text = list(query)
    tokens = [(found[1], found.start(1)) for found in _TOKEN.finditer(query) if found[1]]
    names = [name for name, _ in tokens]
    start = -1
    for i, (name, at) in enumerate(tokens):
        if start < 0 and name == "(" and names[i + 1 : i + 2] in (["#"], ["."]) and tuple(names[i + 2 : i + 4]) in _SET:
            start = at
        elif start >= 0 and name == ")":
            text[start : at + 1] = " " * (at + 1 - start)
            start = -1
    reader = _Reader(query)
    with suppress(_Unreadable):
        list(reader.patterns())
    for i in reader.circles:
        text[tokens[i][1]] = "*"
    return "".join(text)


def _asked(predicate: _Predicate, *, word: bool = False) -> Plan:
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
    if predicate.name in {"any-eq", "any-match"}:  # it may hold for another node of that name
        word = False
    return either([literal(text, word=word and is_word(text)) for text in texts])


def _unquote(token: str) -> str:
    if token[0] != '"':
        return token
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), token[1:-1])


def _tokens(query: str) -> Iterator[str]:
    at = 0
    while at < len(query):
        found = _TOKEN.match(query, at)
        if not found:
            yield _ERROR
            return
        if found[1]:
            yield found[1]
        at = found.end()


class _Reader:
    """Recursive descent as in `ts_query__parse_pattern`. It takes a few queries that tree-sitter does not."""

    def __init__(self, query: str) -> None:
        self._tokens = list(_tokens(query))
        self.circles: list[int] = []  # tokens: each `+` of what may be empty
        self._at = 0
        self._depth = 0
        self._predicates: list[_Predicate] = []

    def patterns(self) -> Iterator[tuple[_Node, list[_Predicate]]]:
        """The top-level patterns, each with its predicates."""
        while self._next:
            self._predicates = []
            node = self._pattern()
            # Of a predicate by itself tree-sitter makes a pattern, or a branch, that matches any node.
            yield node or _Node("_", optional=True), self._predicates

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
        if node is None:
            return None
        captures = []
        while self._next in {"?", "*", "+"} or self._next[:1] == "@":
            if self._next[0] == "@":
                captures.append(self._next)
            elif self._next != "+":
                node.optional = True
            elif node.may_be_empty():
                self.circles.append(self._at)
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
            if node is not None or end == "]":
                parts.append(node or _Node("_", optional=True))
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
