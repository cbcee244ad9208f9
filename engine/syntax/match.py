"""Matching one file: parse within limits, run a query or a pattern, give plain rows. Runs in worker processes.

Nothing here imports pyarrow or DuckDB: a worker has to be there in a few hundredths of a second.
"""

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import QueryError
from .grammars import Grammar, grammar
from .shapes import shape

if TYPE_CHECKING:
    from ast_grep_py import SgNode
    from tree_sitter import Node, Query, Tree

Element: TypeAlias = tuple[int, int, str, str | None, int, int, int, int, str]
# One element of an answer, by the names and types that SQL sees. Lines count from 1, bytes are of the content as UTF-8.
ELEMENT = {
    "match": "UINTEGER",
    "pattern": "USMALLINT",
    "capture": "VARCHAR",
    "type": "VARCHAR",
    "start_byte": "UINTEGER",
    "end_byte": "UINTEGER",
    "start_line": "UINTEGER",
    "end_line": "UINTEGER",
    "text": "VARCHAR",
}
# One symbol, by the columns of the table `symbols` from `kind` on.
SYMBOL = {
    "kind": "VARCHAR",
    "name": "VARCHAR",
    "qualified_name": "VARCHAR",
    "parent": "VARCHAR",
    "start_byte": "UINTEGER",
    "end_byte": "UINTEGER",
    "start_line": "UINTEGER",
    "end_line": "UINTEGER",
    "docstring_start_byte": "UINTEGER",
    "docstring_end_byte": "UINTEGER",
}
_PREDICATES = re.compile(r'"(?:\\.|[^"\\])*"|;[^\n]*|#([\w.-]+\?)')
_KNOWN_PREDICATES = {
    f"{kind}?"
    for kind in (
        *("eq", "not-eq", "any-eq", "any-not-eq", "match", "not-match", "any-match", "any-not-match"),
        *("any-of", "not-any-of", "is", "is-not"),
    )
}
_OF_A_GRAMMAR = re.compile("Invalid (node type|field name)|Impossible pattern")
_PLACE = re.compile(r" at row (\d+)(?:, column (\d+))?")
_META = re.compile(r"(\$\$\$|\$\$?)([A-Z_][A-Z0-9_]*)")
# What can make compiling or matching take exponential time, or crash (py-tree-sitter#308): repetition, regular
# expressions, and captures compared with each other.
_WILD = re.compile(r"[*+]|match\?|\?\s*@[\w.-]+\s+@")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|;[^\n]*')


@dataclass(frozen=True)
class Limits:
    """What one file may cost. A file beyond a limit gives NULL and is counted, unless said otherwise.

    max_bytes: longer contents are not parsed. seconds: of processor time; the process of a file that takes longer is
    ended and another started (neither tree-sitter's queries nor ast-grep nor a regular expression can be interrupted:
    the progress callback of py-tree-sitter 0.26.1's queries crashes). match_limit: states of a query under way at
    once; beyond it tree-sitter drops the earliest, and the answer may lack matches. max_elements, max_text_bytes: of
    one file's answer, which is cut there. max_ended: a query of which as many files in one language ended their process
    raises QueryError, or with strict := false gives NULL for the others. worker_bytes: address space of a process.
    """

    max_bytes: int = 10 << 20
    seconds: float = 4.0
    match_limit: int = 4096
    max_elements: int = 10_000
    max_text_bytes: int = 10 << 20
    max_ended: int = 32
    worker_bytes: int = 4 << 30


@dataclass(frozen=True)
class Kind:
    """What can be asked of a file.

    function: "module:name" of a function (content, language, text, limits) -> one value, or a list of tuples where
    `fields` is the SQL type of each place in them (VARCHAR, BOOLEAN, BIGINT, UINTEGER, USMALLINT; None is NULL).
    check: the same of a function (language, text) that raises QueryError before anything is read. any_language:
    whether it needs no grammar.
    """

    function: str
    fields: Mapping[str, str] = field(default_factory=dict)
    scalar: str = ""
    check: str = ""
    any_language: bool = False


KINDS = {
    "query": Kind(f"{__name__}:query", ELEMENT, check=f"{__name__}:compiled"),
    "count": Kind(f"{__name__}:count", scalar="BIGINT", check=f"{__name__}:compiled"),
    "exists": Kind(f"{__name__}:exists", scalar="BOOLEAN", check=f"{__name__}:compiled"),
    "parse_ok": Kind(f"{__name__}:parse_ok", scalar="BOOLEAN"),
    "errors": Kind(f"{__name__}:errors", ELEMENT),
    "ast_grep": Kind(f"{__name__}:ast_grep", ELEMENT, check=f"{__name__}:checked_pattern"),
    "symbols": Kind(f"{__package__}.symbols:answer", SYMBOL),
    "regex": Kind(f"{__name__}:regex", ELEMENT, check=f"{__name__}:checked_regex", any_language=True),
    "text": Kind(f"{__name__}:text", ELEMENT, check=f"{__name__}:checked_text", any_language=True),
}
# What was done since it was last emptied: files and bytes parsed, the time that took, and files at a limit.
counts: Counter[str] = Counter()


@lru_cache(maxsize=64)
def resolve(path: str) -> Callable[..., Any]:
    """The function at "module:name"."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def tame(kind: str, text: str, languages: Iterable[str]) -> bool:
    """Whether `text` cannot hang or crash on a small file, so that the session's own process may run it."""
    if not KINDS[kind].any_language and not all(grammar(language).trusted for language in languages):
        return False
    if kind == "regex":
        return not set(text) & set("*+{(")
    return kind in {"ast_grep", "text"} or not _WILD.search(_STRINGS.sub("", text))


# Parsing


@lru_cache(maxsize=256)
def _parser(name: str) -> Any:
    from tree_sitter import Parser

    return Parser(grammar(name).language)


def parse(content: bytes, language: str) -> "Tree":
    """The syntax tree of `content`."""
    start = time.thread_time()
    tree: Tree = _parser(language).parse(content)
    parsed(content, start)
    return tree


def parsed(content: bytes, start: float) -> None:
    """Count one content parsed since `start` (time.thread_time)."""
    counts["parsed_files"] += 1
    counts["parsed_bytes"] += len(content)
    counts["parse_microseconds"] += round((time.thread_time() - start) * 1e6)


def parse_ok(content: bytes, language: str, _text: str, _limits: Limits) -> bool:
    """Whether the file parses without an error."""
    return not parse(content, language).root_node.has_error


def errors(content: bytes, language: str, _text: str, limits: Limits) -> list[Element]:
    """The places that do not parse: capture "error" for what is out of place, "missing" for what is not there."""
    root = parse(content, language).root_node
    if not root.has_error:
        return []
    return _elements(matches(compiled(language, "(ERROR) @error (MISSING) @missing"), root, limits), content, limits)


# tree-sitter queries


def _caret(text: str, row: int, column: int | None) -> str:
    lines = text.split("\n")
    line = lines[min(row, len(lines) - 1)]
    if column is None:
        return f"\n  line {row + 1}: {line}"
    # tree-sitter counts bytes.
    before = line.encode()[:column].decode(errors="replace")
    head = f"  line {row + 1}: "
    return f"\n{head}{line}\n{' ' * (len(head) + len(before))}^"


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n"), len(before.rpartition("\n")[2].encode())


@lru_cache(maxsize=256)
def compiled(language: str, text: str) -> "Query":
    """The query `text` for the grammar of `language`. Raises QueryError that shows the place."""
    import tree_sitter

    from .scm import runnable

    known = grammar(language)
    for found in _PREDICATES.finditer(text):
        if found[1] and found[1] not in _KNOWN_PREDICATES:
            raise QueryError(
                f"the query's predicate #{found[1]} is unknown; known: {', '.join(sorted(_KNOWN_PREDICATES))}"
                + _caret(text, *_place(text, found.start(1) - 1))
            )
    try:
        # As long as the text, so that the place of an error is that in the text.
        query = tree_sitter.Query(known.language, runnable(text))
    except tree_sitter.QueryError as error:
        raise QueryError(_explained(str(error), text, known)) from None
    except (ValueError, SystemError) as error:
        raise QueryError(f"tree-sitter refuses the query: {error}") from None
    if not query.pattern_count:
        raise QueryError("the query is empty; for example (function_definition name: (identifier) @name)")
    return query


def readable(text: str) -> None:
    """Raise QueryError if `text` is no query for any grammar, whatever nodes it has."""
    import tree_sitter

    if tame("query", text, ["JSON"]):
        try:
            compiled("JSON", text)
        except QueryError as error:
            if isinstance(error.__context__, tree_sitter.QueryError) and _OF_A_GRAMMAR.match(str(error.__context__)):
                return
            raise


def _explained(said: str, text: str, known: Grammar) -> str:
    from ..errors import nearest

    place = _PLACE.search(said)
    reason = _PLACE.sub("", said)
    if place is None:
        # The text ended inside a pattern.
        lines = text.rstrip().split("\n")
        return f"the query is cut off: {reason}{_caret(text, len(lines) - 1, len(lines[-1].encode()))}"
    named = re.match(r"Invalid (node type|field name)", reason)
    at = text.split("\n")[int(place[1])].encode()[int(place[2] or 0) :].decode(errors="replace")
    # tree-sitter stops at a letter that is not ASCII.
    token = re.match(r'[^\s()"\[\]:@#]*', at)
    if named and token:
        close = nearest(token[0], _nodes(known) if named[1] == "node type" else _fields(known))
        near = f"; near: {', '.join(close)}" if close else ""
        reason = f"the {known.name} grammar has no {named[1].split()[0]} {token[0]}{near}"
    return f"{reason}{_caret(text, int(place[1]), int(place[2]) if place[2] else None)}"


def _nodes(known: Grammar) -> list[str]:
    language = known.language
    return sorted(
        {
            language.node_kind_for_id(i) or ""
            for i in range(language.node_kind_count)
            if language.node_kind_is_visible(i) and language.node_kind_is_named(i)
        }
    )


def _fields(known: Grammar) -> list[str]:
    return [known.language.field_name_for_id(i) or "" for i in range(1, known.language.field_count + 1)]


def matches(query: "Query", node: "Node", limits: Limits) -> "list[tuple[int, dict[str, list[Node]]]]":
    """Every match below `node`: (pattern, capture name -> nodes)."""
    from tree_sitter import QueryCursor

    cursor = QueryCursor(query, match_limit=limits.match_limit)
    found = cursor.matches(node)
    counts["match_limit"] += cursor.did_exceed_match_limit
    return found


def _found(content: bytes, language: str, text: str, limits: Limits) -> "list[tuple[int, dict[str, list[Node]]]]":
    return matches(compiled(language, text), parse(content, language).root_node, limits)


def count(content: bytes, language: str, text: str, limits: Limits) -> int:
    """How many matches there are."""
    return len(_found(content, language, text, limits))


def exists(content: bytes, language: str, text: str, limits: Limits) -> bool:
    """Whether there is a match."""
    return bool(_found(content, language, text, limits))


def query(content: bytes, language: str, text: str, limits: Limits) -> list[Element]:
    """The captures of every match."""
    return _elements(_found(content, language, text, limits), content, limits)


def _elements(found: "list[tuple[int, dict[str, list[Node]]]]", content: bytes, limits: Limits) -> list[Element]:
    rows: list[Element] = []
    size = 0
    for match, (pattern, captures) in enumerate(found):
        for capture, nodes in captures.items():
            for node in nodes:
                start, end = node.byte_range
                size += end - start
                if len(rows) >= limits.max_elements or size > limits.max_text_bytes:
                    counts["cut"] += 1
                    return rows
                rows.append(
                    (
                        *(match, pattern, capture, node.type, start, end),
                        *(node.start_point[0] + 1, node.end_point[0] + 1),
                        content[start:end].decode("utf-8", "replace"),
                    )
                )
    return rows


# ast-grep patterns


def _said(error: Exception) -> str:
    """The innermost cause, without ast-grep's backtrace."""
    causes = str(error).split("\n\nStack backtrace:")[0].split("\n")
    return re.sub(r"^\s*(\d+: )?", "", causes[-1])


@lru_cache(maxsize=256)
def checked_pattern(language: str, text: str) -> Grammar:
    """The grammar for the ast-grep pattern `text`. Raises QueryError if ast-grep has none, or refuses the pattern."""
    import ast_grep_py

    known = grammar(language)
    if known.ast_grep is None:
        from .grammars import languages

        have = [name for name in languages() if grammar(name).ast_grep]
        raise QueryError(f"ast-grep has no grammar for {known.name}; it has {', '.join(have)}. ts_query reads all")
    if not text.strip():
        raise QueryError("the pattern is empty; write code, for example eval($$$ARGS)")
    try:
        ast_grep_py.SgRoot("", known.ast_grep).root().find(pattern=text)
    except RuntimeError as error:
        raise QueryError(f"ast-grep refuses the pattern {text!r}: {_said(error)}") from None
    return known


@lru_cache(maxsize=256)
def _shape(text: str, language: str) -> "re.Pattern[bytes] | None":
    wanted = shape(text, language)
    return re.compile(wanted.encode()) if wanted else None


@lru_cache(maxsize=256)
def _meta_variables(text: str) -> list[tuple[str, bool]]:
    """(name, whether it stands for many nodes) of the variables that capture: not $_ and not $_NAME."""
    found = dict.fromkeys((m[2], m[1] == "$$$") for m in _META.finditer(text) if not m[2].startswith("_"))
    return list(found)


def ast_grep(content: bytes, language: str, text: str, limits: Limits) -> list[Element]:
    """Every match as a whole, capture "match", and each named node of its meta-variables."""
    import ast_grep_py

    known = checked_pattern(language, text)
    name = known.ast_grep
    assert name is not None
    look = _shape(text, known.name)
    source = _same_length(content)
    start = time.thread_time()
    root = ast_grep_py.SgRoot(source, name).root()
    parsed(content, start)
    place = _byte_places(source)
    rows: list[Element] = []
    size = 0
    match = -1
    for node in root.find_all(pattern=text):
        if look is not None:
            whole = node.range()
            first = place(whole.start.index)
            if not look.search(content, max(first - 2, 0), place(whole.end.index)):
                continue
        match += 1
        for capture, part in _parts(node, text):
            span = part.range()
            first, last = place(span.start.index), place(span.end.index)
            size += last - first
            if len(rows) >= limits.max_elements or size > limits.max_text_bytes:
                counts["cut"] += 1
                return rows
            rows.append(
                (
                    *(match, 0, capture, part.kind(), first, last, span.start.line + 1, span.end.line + 1),
                    content[first:last].decode("utf-8", "replace"),
                )
            )
    return rows


def _parts(node: "SgNode", text: str) -> "Iterator[tuple[str, SgNode]]":
    yield "match", node
    for name, many in _meta_variables(text):
        if many:
            # The commas between them are nodes too.
            yield from ((name, part) for part in node.get_multiple_matches(name) if part.is_named())
        elif (part := node.get_match(name)) is not None:
            yield name, part


# Regular expressions and plain text


@lru_cache(maxsize=256)
def checked_regex(_language: str, text: str) -> "re.Pattern[str]":
    """`text` as a regular expression. Raises QueryError that shows the place."""
    if not text:
        raise QueryError("the regular expression is empty")
    try:
        return re.compile(text, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        at = _caret(text, *_place(text, error.pos)) if isinstance(error, re.error) and error.pos is not None else ""
        raise QueryError(f"Python's re refuses the expression: {getattr(error, 'msg', error)}{at}") from None


def checked_text(_language: str, text: str) -> str:
    """`text`. Raises QueryError if it is empty."""
    if not text:
        raise QueryError("the text to search for is empty")
    return text


def regex(content: bytes, language: str, text: str, limits: Limits) -> list[Element]:
    """Every match of a regular expression, capture "match", and its groups by name or number."""
    pattern = checked_regex(language, text)
    names = {number: name for name, number in pattern.groupindex.items()}
    groups = [(0, "match"), *((number, names.get(number, str(number))) for number in range(1, pattern.groups + 1))]
    source = _same_length(content)
    spans = (
        (match, capture, *found.span(group))
        for match, found in enumerate(pattern.finditer(source))
        for group, capture in groups
        if found.start(group) >= 0
    )
    return _spans(spans, _byte_places(source), content, limits)


def text(content: bytes, language: str, text: str, limits: Limits) -> list[Element]:
    """Every place of a text, capture "match"."""
    sought = text.encode("utf-8", "replace")

    def spans() -> Iterator[tuple[int, str, int, int]]:
        at, match = content.find(sought), 0
        while at >= 0:
            yield match, "match", at, at + len(sought)
            at, match = content.find(sought, at + len(sought)), match + 1

    return _spans(spans(), lambda byte: byte, content, limits)


def _spans(
    spans: Iterator[tuple[int, str, int, int]], place: Callable[[int], int], content: bytes, limits: Limits
) -> list[Element]:
    rows: list[Element] = []
    size = line = counted = 0
    for match, capture, start, end in spans:
        first, last = place(start), place(end)
        size += last - first
        if len(rows) >= limits.max_elements or size > limits.max_text_bytes:
            counts["cut"] += 1
            break
        # A group may begin before where the last one did.
        line += content.count(b"\n", counted, first) - content.count(b"\n", first, counted)
        counted = first
        found = content[first:last]
        ends = line + 1 + found.count(b"\n")
        rows.append((match, 0, capture, None, first, last, line + 1, ends, found.decode("utf-8", "replace")))
    return rows


# Places


def _same_length(content: bytes) -> str:
    """The text of a content; a byte that is no UTF-8 is a question mark, so that places stay what they are."""
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode()
    return content.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()


def _byte_places(source: str) -> Callable[[int], int]:
    """A function from an index of a character, as ast-grep counts, to that of a byte; quick where calls are near."""
    if source.isascii():
        return lambda index: index
    last = (0, 0)

    def place(index: int) -> int:
        nonlocal last
        at, byte = last
        step = len(source[min(at, index) : max(at, index)].encode())
        last = (index, byte + step if index > at else byte - step)
        return last[1]

    return place
