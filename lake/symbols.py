"""The table `symbols`: definitions, imports, calls and docstrings of the curated files, each content parsed once.

Every content that was parsed has one row of kind `file`, committed with its other rows; it is how a later run, after a
kill too, knows what is done. Its name says how it went, and its qualified name is the md5 of the text that was parsed,
for a content may come back with other spans: redacted, or decoded anew.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version

import pyarrow as pa
import pyarrow.compute as pc

from ..engine.duck import Session
from ..engine.errors import QueryError, nearest
from ..engine.progress import Progress, silent
from ..engine.syntax.match import SYMBOL, Limits
from ..engine.syntax.pool import Job, Pool
from ..engine.syntax.rules import GRAMMARS, query_text
from ..engine.tables import TableFiles
from ..sql import load
from .catalog import LakeCatalog, Place, table_files
from .commit import Commit
from .report import Report
from .schemas import NAMESPACE

VERSION = "1"
# A run that is cut off loses at most the contents of one commit: some 20 s on two cores.
COMMIT_BYTES = 256 << 20
# What the processes get at once: enough to keep each of them busy.
_BATCH_BYTES = 32 << 20
_BATCH_ROWS = 512
_KEYS = ("blob_id", "language", "stage_hash")


def symbols(
    catalog: LakeCatalog,
    where: Place,
    *,
    languages: Sequence[str] | None = None,
    memory_limit: str | None = None,
    processes: int | None = None,
    limits: Limits | None = None,
    progress: Progress = silent,
) -> Report:
    """Bring `symbols` up to what `code` holds now: parse what is new, forget what is gone or was found by older rules.

    languages: only these; all that have rules by default, and then nothing is even looked at when `code` and the rules
    are those of the last time. processes: by default one a core. A content beyond `limits` gets its row of kind `file`
    and no other. Commits several times, so that a run cut off is gone on with by the next.
    Raises QueryError for a language without rules, LakeError if another process changes `symbols` meanwhile.
    """
    started = time.monotonic()
    limits = limits or Limits()
    hashes = {language: stage_hash(language, limits) for language in _chosen(languages)}
    tables = {name: catalog.load_table((NAMESPACE, name)) for name in ("code", "symbols")}
    files = {name: table_files(table, table.metadata.current_snapshot_id) for name, table in tables.items()}
    inputs = hashlib.sha256(json.dumps([files["code"].snapshot, hashes]).encode()).hexdigest()
    current = tables["symbols"].current_snapshot()
    counts = dict.fromkeys(("parsed_files", "parsed_bytes", "symbols", "syntax_errors", "forgotten_files"), 0)
    failed: dict[str, int] = {}
    with Session(memory_limit=memory_limit) as session:
        session.define(files.values())
        session.store("languages", pa.table({"language": list(hashes), "stage_hash": list(hashes.values())}))
        if not (current and current.summary and current.summary.get("codelake.inputs") == inputs):
            run = _Run(catalog, where, files["symbols"], inputs)
            counts["forgotten_files"] = run.forget(session)
            with Pool(processes, limits) as pool:
                run.add(session, pool, counts, failed, progress)
        done, others = session.sql(
            "SELECT count(*) FILTER (language IN (SELECT language FROM languages)), count(*) FROM code"
        ).fetchall()[0]
    counts["unchanged_files"] = done - counts["parsed_files"]
    counts["other_languages_files"] = others - done
    return Report(title="symbols", counts=counts, drops=failed, seconds=time.monotonic() - started)


def stage_hash(language: str, limits: Limits) -> str:
    """What the symbols of a language depend on besides the content."""
    grammars = [query_text(grammar) for grammar in GRAMMARS[language]]
    packages = [version(name) for name in ("tree-sitter", "tree-sitter-language-pack")]
    bounds = [limits.max_bytes, limits.seconds, limits.match_limit]
    return hashlib.sha256(json.dumps([VERSION, language, grammars, packages, bounds]).encode()).hexdigest()


def _chosen(languages: Sequence[str] | None) -> list[str]:
    for language in languages or ():
        if language not in GRAMMARS:
            close = nearest(language, tuple(GRAMMARS)) or sorted(GRAMMARS)
            raise QueryError(f"no symbols are known of {language!r}; nearest: {', '.join(close)}")
    return sorted(languages if languages is not None else GRAMMARS)


class _Run:
    """The commits of one run. `snapshot` is that of `symbols` which the work is based on: nobody else may change it."""

    def __init__(self, catalog: LakeCatalog, where: Place, found: TableFiles, inputs: str) -> None:
        self.catalog, self.where, self.inputs = catalog, where, inputs
        self.found = found
        self.snapshot = found.snapshot

    def forget(self, session: Session) -> int:
        """Take out the symbols of contents that changed, are gone, or were parsed by older rules; how many contents."""
        for name in ("live", "stale", "todo"):
            session.run(load(f"symbols/{name}"))
        stale: int = session.sql("SELECT count(*) FROM stale").fetchall()[0][0]
        if stale:
            paths = [file.path for file in self.found.files]
            touched = [path for (path,) in session.sql(load("symbols/touched"), [paths]).fetchall()]
            with self._commit("symbols: forget what changed") as commit:
                with session.sql(load("symbols/kept"), [touched]).to_arrow_reader(1 << 16) as reader:
                    for batch in reader:
                        commit.append("symbols", pa.Table.from_batches([batch]))
                commit.remove_files("symbols", touched)
            self._committed()
        return stale

    def add(
        self, session: Session, pool: Pool, counts: dict[str, int], failed: dict[str, int], progress: Progress
    ) -> None:
        """Parse what is to be parsed, and commit it piece by piece; the last commit says that all is done."""
        total: int = session.sql("SELECT coalesce(sum(size), 0)::BIGINT FROM todo").fetchall()[0][0]
        pieces = _pieces(session)
        whole = False
        while not whole:
            with self._commit("symbols") as commit:
                until = counts["parsed_bytes"] + COMMIT_BYTES
                while counts["parsed_bytes"] < until:
                    piece = next(pieces, None)
                    if piece is None:
                        commit.note("symbols", inputs=self.inputs)
                        whole = True
                        break
                    rows = _rows(piece, pool)
                    commit.append("symbols", rows)
                    _count(rows, counts, failed)
                    progress(counts["parsed_bytes"], total, files=counts["parsed_files"], size=counts["parsed_bytes"])
            self._committed()

    def _commit(self, message: str) -> Commit:
        commit = Commit(self.catalog, self.where, message)
        commit.only_writer("symbols", self.snapshot)
        return commit

    def _committed(self) -> None:
        self.snapshot = self.catalog.load_table((NAMESPACE, "symbols")).metadata.current_snapshot_id


def _pieces(session: Session) -> Iterator[pa.Table]:
    """The contents to parse, some _BATCH_BYTES at a time."""
    with session.sql(load("symbols/contents")).to_arrow_reader(_BATCH_ROWS) as reader:
        batches, size = [], 0
        for batch in reader:
            batches.append(batch)
            size += batch.nbytes
            if size >= _BATCH_BYTES:
                yield pa.Table.from_batches(batches)
                batches, size = [], 0
        if batches:
            yield pa.Table.from_batches(batches)


def _rows(contents: pa.Table, pool: Pool) -> pa.Table:
    """The rows of `symbols` for some contents."""
    contents = contents.set_column(4, "content", contents["content"].cast(pa.large_string())).combine_chunks()
    answers = pool.run(Job("symbols"), contents["content"].combine_chunks(), contents["language"].combine_chunks())
    places, fields = pc.list_parent_indices(answers), answers.flatten()
    rows = {name: fields.field(name) for name in SYMBOL}
    hashes = contents["text_md5"].combine_chunks().take(places)
    rows["qualified_name"] = pc.if_else(pc.equal(rows["kind"], "file"), hashes, rows["qualified_name"])
    found = pa.table({**{name: contents[name].take(places) for name in _KEYS}, **rows})
    lost = contents.filter(answers.is_null())
    if not lost.num_rows:
        return found
    return pa.concat_tables([found, _lost(lost, pool.limits)], promote_options="permissive")


def _lost(contents: pa.Table, limits: Limits) -> pa.Table:
    """Rows of kind `file` for contents that gave no answer: beyond a limit, or their process did not survive them."""
    sizes = pc.binary_length(contents["content"]).cast(pa.int64())
    rows = contents.num_rows
    return pa.table(
        {
            **{name: contents[name] for name in _KEYS},
            "kind": pa.array(["file"] * rows, pa.large_string()),
            "name": pc.if_else(pc.greater(sizes, limits.max_bytes), "too-large", "failed"),
            "qualified_name": contents["text_md5"],
            "start_byte": pa.array([0] * rows, pa.int64()),
            "end_byte": sizes,
            "start_line": pa.array([1] * rows, pa.int64()),
            "end_line": pc.add(pc.count_substring(contents["content"], "\n").cast(pa.int64()), 1),
        }
    )


def _count(rows: pa.Table, counts: dict[str, int], failed: dict[str, int]) -> None:
    files = rows.filter(pc.equal(rows["kind"], "file"))
    outcomes = {item["values"]: item["counts"] for item in pc.value_counts(files["name"]).to_pylist()}
    counts["parsed_files"] += files.num_rows
    counts["parsed_bytes"] += pc.sum(files["end_byte"]).as_py() or 0
    counts["symbols"] += rows.num_rows - files.num_rows
    counts["syntax_errors"] += outcomes.pop("syntax-error", 0)
    for outcome, number in outcomes.items():
        if outcome != "ok":
            failed[outcome] = failed.get(outcome, 0) + number
