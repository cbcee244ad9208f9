"""The SQL functions of syntax: what the macros in sql/macros call, and when they ask the pool at all."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import QueryError, nearest
from ..functions import Function
from . import match
from .grammars import grammar, known, languages
from .literals import ANYTHING, Literal, Plan, alternatives, contained, either, mask, simplify
from .match import KINDS, Limits
from .pool import Job, Pool, arrow_type, sql_type
from .shapes import shape

# What `kind` of code_search may be -> the kind of job.
SEARCHES = {"ts": "query", "ast_grep": "ast_grep", "regex": "regex", "text": "text"}
_FUNCTIONS = {
    "_ts_query": "query",
    "_ts_count": "count",
    "_ts_exists": "exists",
    "_ts_parse_ok": "parse_ok",
    "_ts_errors": "errors",
    "_ast_grep": "ast_grep",
}


@lru_cache(maxsize=1024)
def plan(kind: str, text: str, language: str | None) -> Plan:
    """What any content holds for which a job of `kind` has an answer. language: Linguist's name, None for any."""
    if kind in {"query", "count", "exists"}:
        from .scm import query_plan

        return query_plan(text, language)
    if kind == "ast_grep":
        from .patterns import pattern_plan

        return pattern_plan(text, language)
    if kind == "regex":
        from .regexes import regex_plan

        return regex_plan(text)
    return simplify(Literal(text)) if kind == "text" else ANYTHING


def _plan(kind: str, text: str, chosen: Iterable[str | None] | None) -> Plan:
    if chosen is None:
        return plan(kind, text, None)
    return either(plan(kind, text, grammar(one).name if one and known(one) else None) for one in chosen)


class Syntax:
    """The functions of one session. Close it, or its processes live on until this process ends.

    present: the languages that `code` has files in, None if that is not known, for a search that names none.
    processes: of the pool; 0 for none.
    """

    def __init__(
        self, present: Callable[[], list[str] | None], limits: Limits | None = None, *, processes: int | None = None
    ) -> None:
        self._present = present
        self.pool = Pool(processes, limits)

    def close(self) -> None:
        """End the pool's processes."""
        self.pool.close()

    def functions(self) -> list[Function]:
        """All of them, for macros: users call ts_query, ts_count, ..., ast_grep, code_search and codelake_stats."""
        asked = {"language": "VARCHAR", "query": "VARCHAR", "strict": "BOOLEAN"}
        doc = "One answer a content; rows that lack a literal which any match has are not parsed."
        return [
            *(
                Function(
                    name=name,
                    parameters={"content": "VARCHAR", **asked},
                    returns=sql_type(kind),
                    call=self._asking(kind),
                    doc=doc,
                )
                for name, kind in _FUNCTIONS.items()
            ),
            Function(
                name="_search",
                parameters={"content": "VARCHAR", "language": "VARCHAR", "query": "VARCHAR", "kind": "VARCHAR"},
                returns=sql_type("query"),
                call=self._search,
                doc="One answer a content to a search of one of four kinds.",
            ),
            Function(
                name="_search_languages",
                parameters={"query": "VARCHAR", "language": "VARCHAR", "kind": "VARCHAR"},
                returns="VARCHAR[]",
                call=_rows(self._search_languages, pa.list_(pa.string())),
                doc="The languages in which a search makes sense; NULL for all.",
            ),
            Function(
                name="_literal",
                parameters={"kind": "VARCHAR", "query": "VARCHAR", "languages": "VARCHAR[]", "n": "INTEGER"},
                returns="VARCHAR",
                call=_rows(_literal, pa.string()),
                doc="The n-th literal that any match contains, the rarest first; empty if there are fewer.",
            ),
            Function(
                name="_alternatives",
                parameters={"kind": "VARCHAR", "query": "VARCHAR", "languages": "VARCHAR[]"},
                returns="VARCHAR",
                call=_rows(_alternatives, pa.string()),
                doc="A regular expression that is found in any match; empty if there is none.",
            ),
            Function(
                name="_stats",
                # A Python function of DuckDB's has to have a parameter to know how many rows are asked for.
                parameters={"_": "BOOLEAN"},
                returns="STRUCT(name VARCHAR, value DOUBLE)[]",
                call=self._stats,
                doc="The pool's counts.",
                volatile=True,
            ),
            Function(
                name="_grammars",
                parameters={"_": "BOOLEAN"},
                returns="STRUCT(language VARCHAR, ast_grep BOOLEAN)[]",
                call=_grammars,
                doc="The languages that have a grammar.",
            ),
        ]

    def _asking(self, kind: str) -> Callable[..., pa.Array]:
        def call(
            contents: pa.ChunkedArray, named: pa.ChunkedArray, texts: pa.ChunkedArray, strict: pa.ChunkedArray
        ) -> pa.Array:
            return self._each(
                contents,
                named,
                pa.StructArray.from_arrays([_whole(texts), _whole(strict)], ["text", "strict"]),
                lambda asked: Job(kind, asked["text"], strict=asked["strict"] is not False),
                arrow_type(kind),
            )

        return call

    def _search(
        self, contents: pa.ChunkedArray, named: pa.ChunkedArray, texts: pa.ChunkedArray, kinds: pa.ChunkedArray
    ) -> pa.Array:
        return self._each(
            contents,
            named,
            pa.StructArray.from_arrays([_whole(texts), _whole(kinds)], ["text", "kind"]),
            lambda asked: Job(_search_kind(asked["kind"]), asked["text"], strict=False),
            arrow_type("query"),
        )

    def _each(
        self,
        contents: pa.ChunkedArray,
        named: pa.ChunkedArray,
        asked: pa.StructArray,
        job: Callable[[dict[str, Any]], Job],
        type_: pa.DataType,
    ) -> pa.Array:
        """The answers where each row may ask something else, though nearly always all ask the same."""
        files, tongues = _whole(contents), _whole(named)
        self.pool.count(rows=len(files))
        questions = asked.to_pylist()
        first = questions[0] if questions else None
        if first is None or all(question == first for question in questions):
            if first is None or first["text"] is None:
                return pa.nulls(len(files), type_)
            return self._answers(job(first), files, tongues)
        groups: dict[Job, list[int]] = {}
        for row, question in enumerate(questions):
            if question["text"] is not None:
                groups.setdefault(job(question), []).append(row)
        order = [row for rows in groups.values() for row in rows]
        parts = [self._answers(one, files.take(rows), tongues.take(rows)) for one, rows in groups.items()]
        return _placed(pa.concat_arrays(parts), order, len(files), pa.nulls(1, type_))

    def _answers(self, job: Job, contents: pa.Array, named: pa.Array) -> pa.Array:
        passing = self._passing(job, contents, named)
        if passing is None or passing.true_count == len(passing):
            return self.pool.run(job, contents, named)
        rows = pc.indices_nonzero(passing)
        self.pool.count(without_literals=len(contents) - len(rows) - contents.null_count)
        type_ = arrow_type(job.kind)
        nothing = pa.array([[] if pa.types.is_list(type_) else 0], type_) if type_ != pa.bool_() else pa.array([False])
        found = self.pool.run(job, contents.take(rows), named.take(rows)) if len(rows) else pa.nulls(0, type_)
        answered = _placed(found, rows.to_pylist(), len(contents), nothing)
        unknown = pc.or_(contents.is_null(), named.is_null())
        if not unknown.true_count:
            return answered
        places = pc.if_else(unknown, None, pa.array(range(len(answered)), pa.int64()))
        return answered.take(places)

    def _passing(self, job: Job, contents: pa.Array, named: pa.Array) -> pa.BooleanArray | None:
        """Which contents may have a match by the literals they hold; None for all of them."""
        tongues = [one for one in named.unique().to_pylist() if one is not None]
        names = {one: grammar(one).name if known(one) else None for one in tongues}
        if all(plan(job.kind, job.text, name) == ANYTHING for name in names.values()):
            return None
        if len(names) == 1:
            return _passing(job, contents, names[tongues[0]])
        passing = pa.repeat(False, len(contents))
        for one, name in names.items():
            rows = pc.fill_null(pc.equal(named, one), False)
            passing = pc.replace_with_mask(passing, rows, _passing(job, contents.filter(rows), name))
        return passing

    def _search_languages(self, text: str | None, language: str | None, kind: str | None) -> list[str] | None:
        if text is None:
            raise QueryError("code_search was given NULL to search for")
        job = Job(_search_kind(kind), text, strict=language is not None)
        if KINDS[job.kind].any_language:
            self.pool.check(Job(job.kind, text), "")
            return None if language is None else [grammar(language).name if known(language) else language]
        if language is not None:
            self.pool.check(job, language)
            return [grammar(language).name]
        present = self._present()
        tongues = [one for one in (languages() if present is None else present) if known(one)]
        able = [one for one in tongues if self.pool.check(job, one)]
        if tongues and not able:
            said = [self.pool.refusal(job, one) for one in tongues]
            raise QueryError(next((one for one in said if "; near: " in one), said[0]))
        return able

    def _stats(self, rows: pa.ChunkedArray) -> pa.Array:
        stats: dict[str, float] = dict(self.pool.stats())
        stats["parse_seconds"] = stats.pop("parse_microseconds") / 1e6
        counts = [{"name": name, "value": value} for name, value in stats.items()]
        return pa.array([counts] * len(rows), pa.list_(pa.struct({"name": pa.string(), "value": pa.float64()})))


def _passing(job: Job, contents: pa.Array, language: str | None) -> pa.BooleanArray:
    passing = mask(plan(job.kind, job.text, language), contents)
    wanted = shape(job.text, language) if job.kind == "ast_grep" and language else ""
    if not wanted or not passing.true_count:
        return passing
    # As bytes, which need not be UTF-8.
    binary = pa.large_binary() if pa.types.is_large_string(contents.type) else pa.binary()
    held = contents.filter(passing)
    held = held.view(binary) if pa.types.is_string(held.type) or pa.types.is_large_string(held.type) else held
    return pc.replace_with_mask(passing, passing, pc.match_substring_regex(held, wanted))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _placed(found: pa.Array, rows: list[int], count: int, other: pa.Array) -> pa.Array:
    """`count` rows: `found` at the places `rows`, `other` elsewhere."""
    places = [len(found)] * count
    for place, row in enumerate(rows):
        places[row] = place
    return pa.concat_arrays([found, other]).take(pa.array(places, pa.int64()))


def _rows(call: Callable[..., object], type_: pa.DataType) -> Callable[..., pa.Array]:
    def column(*arguments: pa.ChunkedArray) -> pa.Array:
        rows = zip(*(argument.to_pylist() for argument in arguments), strict=True)
        return pa.array([call(*row) for row in rows], type_)

    return column


def _search_kind(kind: str | None) -> str:
    if kind not in SEARCHES:
        close = nearest(kind or "", list(SEARCHES), 1)
        near = f"; did you mean {close[0]!r}?" if close else ""
        raise QueryError(f"there is no search of the kind {kind!r}; kinds: {', '.join(SEARCHES)}{near}")
    return SEARCHES[kind]


def _literal(kind: str, text: str | None, chosen: list[str | None] | None, n: int) -> str | None:
    if text is None:
        return None
    kind = SEARCHES.get(kind, kind)
    if n == 1 and kind == "query":
        match.readable(text)
    found = contained(_plan(kind, text, chosen))
    return found[n - 1] if n <= len(found) else ""


def _alternatives(kind: str, text: str | None, chosen: list[str | None] | None) -> str | None:
    return None if text is None else alternatives(_plan(SEARCHES.get(kind, kind), text, chosen))


def _grammars(rows: pa.ChunkedArray) -> pa.Array:
    found = [{"language": name, "ast_grep": grammar(name).ast_grep is not None} for name in languages()]
    return pa.array([found] * len(rows), pa.list_(pa.struct({"language": pa.string(), "ast_grep": pa.bool_()})))
