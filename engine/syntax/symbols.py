"""Definitions, imports, calls and docstrings of one content: what can be asked again and again without parsing again.

One query (rules.py) is run in one pass over the tree; scopes then follow from the spans alone.
"""

import math
import re
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TypeAlias

from tree_sitter import Node, QueryCursor

from ..errors import QueryError, nearest
from .match import Limits, parsed
from .names import MAX_WRITTEN, chain, joined, named
from .rules import DEFINITIONS, GRAMMARS, Rules, rules

_DOCUMENTED = frozenset({*DEFINITIONS, "declaration"})
_SCOPES = frozenset({"function", "method", "class", "struct", "union", "enum", "interface", "trait", "module"})
_TYPES = frozenset({"class", "struct", "union", "enum", "interface", "trait", "scope"})
_MODULE_SEPARATOR = re.compile(r"::|\\")
# Comments that may go over several lines are documentation by themselves; others go on with the line above.
_BLOCKS = (b"/*", b"(*", b"{-", b"--[[", b"=")

# kind, name, qualified name, parent, first byte, byte after the last, first line, last line, the docstring's bytes.
Row: TypeAlias = tuple[str, str, str | None, str | None, int, int, int, int, int | None, int | None]


@dataclass(frozen=True)
class Symbol:
    """One symbol. Spans in bytes, end exclusive; lines from 1, end inclusive.

    kind: a key of DEFINITIONS or OTHERS. qualified_name: with what encloses it, and a dot between names in every
    language: `package.Class.method`. parent: the qualified name of what encloses it, None at the top.

    A call's name is that of what is called, its qualified name the callee as written (`os.path.join`), None where the
    receiver is an expression. An import's name is the one the file knows it by, its qualified name the thing itself
    (`os.path`), its parent the module that was taken from, None where the module itself is imported.
    """

    kind: str
    name: str
    qualified_name: str | None
    parent: str | None
    start_byte: int
    end_byte: int
    start_line: int
    end_line: int
    docstring: tuple[int, int] | None


def symbols(content: bytes, language: str) -> list[Symbol]:
    """The symbols of `content` in the order they begin, the file itself first.

    language: as Linguist calls it, one of GRAMMARS. Raises QueryError for another.
    """
    found = rows(content, language)
    return [Symbol(*row[:8], None if row[8] is None or row[9] is None else (row[8], row[9])) for row in found]


def rows(content: bytes, language: str, match_limit: int = Limits.match_limit) -> list[Row]:
    """The same as plain rows, as `match.SYMBOL` has them.

    match_limit: states of the query under way at once; beyond it symbols may be missing.
    """
    root, known = _parsed(content, language)
    cursor = QueryCursor(known.query, match_limit=match_limit)
    entries, comments, attributes = _entries(content, cursor.matches(root), known)
    outcome = "match-limit" if cursor.did_exceed_match_limit else "syntax-error" if root.has_error else "ok"
    found = _resolved(entries, _Found("file", outcome, None, None, 0, len(content)))
    lines = _Lines(content)
    if comments:
        _document(content, lines, found, comments, attributes)
    return [
        (
            *(f.kind, f.name, f.qualified, f.parent, f.start, f.end),
            *(lines.of(f.start), lines.of(max(f.start, f.end - 1)), *(f.docstring or (None, None))),
        )
        for f in found
    ]


def answer(content: bytes, language: str, _text: str, limits: Limits) -> list[Row]:
    """What the pool answers to a job of kind `symbols`."""
    return rows(content, language, limits.match_limit)


def _parsed(content: bytes, language: str) -> tuple[Node, Rules]:
    """The tree of `content` by the first grammar that finds no error in it; by the first of all if each finds one."""
    if language not in GRAMMARS:
        close = nearest(language, tuple(GRAMMARS)) or tuple(GRAMMARS)
        raise QueryError(f"no symbols are known of {language!r}; nearest: {', '.join(close)}")
    tried = []
    for known in map(rules, GRAMMARS[language]):
        start = time.thread_time()
        tried.append((known.parser.parse(content).root_node, known))
        parsed(content, start)
        if not tried[-1][0].has_error:
            return tried[-1]
    return tried[0]


_Settings: TypeAlias = Mapping[str, str | None]
_Spans: TypeAlias = list[tuple[int, int]]
# What matched: start, -end, pattern, number, role, settings, the name as written; the owner of a definition, the callee
# of a call (empty: an expression) or the module of an import, each as written; the alias. They sort by where they
# begin, outer before inner, and of two for one node that of the first pattern first.
_Entry: TypeAlias = tuple[int, int, int, int, str, _Settings, bytes, bytes | None, bytes | None]


def _entries(
    content: bytes, matches: Iterable[tuple[int, dict[str, list[Node]]]], known: Rules
) -> tuple[list[_Entry], _Spans, _Spans]:
    """What matched, sorted; the comments; the attributes."""
    entries: list[_Entry] = []
    comments: _Spans = []
    attributes: _Spans = []
    for pattern, captures in matches:
        role, settings = known.roles[pattern], known.settings[pattern]
        node = captures[role][0]
        start, end = node.start_byte, node.end_byte
        # The newline after a preprocessor line or a comment is part of it in some grammars.
        if content.endswith(b"\n", start, end):
            end = start + len(content[start:end].rstrip())
        other = alias = None
        if role == "call":
            called = captures["name"][0]
            begin, stop = called.start_byte, called.end_byte
            name = content[begin:stop]
            if receiver := captures.get("receiver"):
                first = receiver[0].start_byte
                other = content[first:stop] if stop - first <= MAX_WRITTEN else b""
                if not chain(other):
                    # Of a long chain of calls, each one is where its name is.
                    other, start = b"", begin
            elif begin < start:
                start = begin
        elif role == "comment":
            marker = settings.get("marker")
            if marker is None or _compiled(marker).match(content, start, end):
                comments.append((start, end))
            continue
        elif role == "attribute":
            attributes.append((start, end))
            continue
        else:
            name = _captured(content, captures, "name") or (settings.get("name") or "").encode()
            other = _captured(content, captures, "from" if role in ("import", "group") else "owner")
            alias = _captured(content, captures, "alias")
        entries.append((start, -end, pattern, len(entries), role, settings, name, other, alias))
    entries.sort()
    comments.sort()
    return entries, comments, attributes


def _captured(content: bytes, captures: Mapping[str, list[Node]], capture: str) -> bytes | None:
    nodes = captures.get(capture)
    return content[nodes[0].start_byte : nodes[-1].end_byte] if nodes else None


@cache
def _compiled(marker: str) -> re.Pattern[bytes]:
    return re.compile(marker.encode())


@dataclass(slots=True)
class _Found:
    kind: str
    name: str
    qualified: str | None
    parent: str | None
    start: int
    end: int
    docstring: tuple[int, int] | None = None


@dataclass(slots=True)
class _Scope:
    """What is open: until where; its kind; its qualified name, "" at the top, None if too long; what it is a symbol of.

    last: the last definition directly in it. module: what the imports of a group have in common.
    """

    end: float
    kind: str
    name: str | None
    symbol: _Found | None
    last: _Found | None = None
    module: str | None = ""


def _resolved(entries: list[_Entry], file: _Found) -> list[_Found]:
    """The symbols with their scopes: spans of a tree lie in each other or apart, so a stack of the open ones tells."""
    found = [file]
    scopes = [_Scope(math.inf, "file", "", file)]
    # What was there before: a second pattern may have matched the same node.
    defined = (-1, -1, -1, b"")
    referred = (-1, -1)
    for start, negative_end, pattern, _, role, settings, written, other, alias in entries:
        end = -negative_end
        while scopes[-1].end <= start:
            scopes.pop()
        scope = scopes[-1]
        if role in ("call", "import"):
            if referred != (start, end):
                referred = (start, end)
                name, whole, parent = (_called if role == "call" else _imported)(scope, settings, written, other, alias)
                if name:
                    found.append(_Found(role, name, whole, parent, start, end))
        elif role == "group":
            scopes.append(_Scope(end, role, scope.name, None, module=joined(scope.module, _module(other))))
        elif role == "docstring":
            if scope.symbol is not None and scope.symbol.docstring is None:
                scope.symbol.docstring = (start, end)
        elif defined[:2] != (start, end) or (defined[2] == pattern and defined[3] != written):
            # One pattern may find several names in one node: `int a, b`.
            defined = (start, end, pattern, written)
            if written and role != "skip":
                _define(found, scopes, role, settings, written, other, start, end)
    return found


def _define(
    found: list[_Found], scopes: list[_Scope], role: str, settings: _Settings, written: bytes, owner: bytes | None,
    start: int, end: int,
) -> None:  # fmt: skip
    """Add a definition, and open the scope that it is."""
    scope = scopes[-1]
    name, whole = _names(written, settings)
    if role == "package":
        scope.name = joined(scope.name, whole) if "nested" in settings else whole
        found.append(_Found("module", name, scope.name, _enclosing(scope.name, name), start, end))
        return
    if "outside" in settings and scope.kind in ("function", "method"):
        return
    if owner and (owned := named(owner)[1]) != (scope.name or "").rpartition(".")[2]:
        whole = f"{owned}.{whole}"
    qualified = joined("" if "absolute" in settings else scope.name, whole)
    if role == "scope":
        scopes.append(_Scope(end, role, qualified, None))
        return
    if role == "function" and scope.kind in _TYPES:
        role = "method"
    elif "capitals" in settings and len(name) > 1 and name.isupper():
        role = "constant"
    last = scope.last
    if "merge" in settings and last is not None and (last.kind, last.name) == (role, name):
        last.end = end
    else:
        scope.last = last = _Found(role, name, qualified, _enclosing(qualified, name), start, end)
        found.append(last)
    if role in _SCOPES:
        scopes.append(_Scope(end, role, qualified, last))


def _enclosing(qualified: str | None, name: str) -> str | None:
    return qualified[: -len(name) - 1] or None if qualified else None


def _names(written: bytes, settings: _Settings) -> tuple[str, str]:
    if "plain" in settings:
        name = written.decode("utf-8", "replace").strip("`")
        return name, name
    return named(written)


def _called(
    scope: _Scope, settings: _Settings, written: bytes, callee: bytes | None, _: bytes | None
) -> tuple[str, str | None, str | None]:
    """Name, qualified name and parent of a call."""
    name, whole = _names(written, settings)
    if callee is None:
        return name, whole, scope.name or None
    return name, chain(callee.replace(b"$", b".") if "plain" in settings else callee), scope.name or None


def _imported(
    scope: _Scope, settings: _Settings, written: bytes, source: bytes | None, alias: bytes | None
) -> tuple[str, str | None, str | None]:
    """Name, qualified name and parent of an import: of a module, or of the name `written` of it."""
    known = named(alias)[0] if alias else None
    if "last" in settings and source:
        source, _, written = source.rpartition(b".")
    module = joined(scope.module, _module(source))
    if not written:
        # `use a::b::{self}` is the module of the group.
        return known or (_text(source) if source else (scope.module or "").rpartition(".")[2]), module, None
    name = _text(written)
    # Python's relative modules end in a dot already.
    whole = f"{module}{name}" if module and module.endswith(".") else joined(module, name)
    return known or name, whole, module or None


def _module(written: bytes | None) -> str:
    """A module with dots for separators, but a path as it is."""
    return ".".join(filter(None, _MODULE_SEPARATOR.split(_text(written))))


def _text(written: bytes | None) -> str:
    return (written or b"").decode("utf-8", "replace").strip().strip("<>\"'")


class _Lines:
    """Where the lines of a content begin."""

    def __init__(self, content: bytes) -> None:
        self.begins = [0, *accumulate(len(line) + 1 for line in content.split(b"\n"))]

    def of(self, position: int) -> int:
        """The line of a byte, from 1."""
        return bisect_right(self.begins, position)

    def begin(self, line: int) -> int:
        """The first byte of a line."""
        return self.begins[line - 1]


def _document(content: bytes, lines: _Lines, found: list[_Found], comments: _Spans, attributes: _Spans) -> None:
    """Give each definition without a docstring the comment on the lines above it, or above its attributes."""
    blocks = _comment_blocks(content, lines, comments)
    above = {lines.of(end - 1): lines.of(start) for start, end in attributes}
    for symbol in found:
        if symbol.docstring is None and symbol.kind in _DOCUMENTED:
            line = lines.of(symbol.start)
            while (first := above.get(line, line)) < line or (first := above.get(line - 1, line)) < line:
                line = first
            # Of several definitions that begin on one line it is the outermost that is documented.
            symbol.docstring = blocks.pop(line - 1, None)


def _comment_blocks(content: bytes, lines: _Lines, comments: _Spans) -> dict[int, tuple[int, int]]:
    """By its last line, each run of comments that have their lines to themselves."""
    blocks: dict[int, tuple[int, int]] = {}
    for start, end in comments:
        first = lines.of(start)
        if not content[lines.begin(first) : start].strip():
            before = None if content.startswith(_BLOCKS, start) else blocks.pop(first - 1, None)
            blocks[lines.of(end - 1)] = (start if before is None else before[0], end)
    return blocks
