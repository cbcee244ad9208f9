"""The Lake object: all floors of the house behind one handle."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .engine.duck import Relation, Session, scan_sql
from .engine.errors import LakeError, ModelError, QueryError, nearest
from .engine.progress import Progress
from .engine.syntax.functions import Syntax
from .engine.tables import TableFiles, partition_values
from .functions import confined, functions
from .lake import history
from .lake.catalog import LakeCatalog, Place, open_catalog, place, table_files
from .lake.commit import Commit
from .lake.report import Report
from .progress import display
from .sql import load_all

if TYPE_CHECKING:
    import polars
    from pyarrow.dataset import Dataset
    from tokenizers import Tokenizer

    from .engine.stream import Stream
    from .engine.syntax.match import Limits
    from .engine.untrusted import Limits as QueryLimits
    from .engine.untrusted import Sandbox
    from .explain import Explanation
    from .export import Exported
    from .lake.release import Release
    from .model.retrieve import Hits, Index
    from .model.train import TrainResult
    from .selection import Selection

INDEX_SQL = "SELECT blob_id, repo_name, path, language, license, license_type, content FROM code"
EXPORT_SQL = "SELECT * FROM code"
_TEXT_BATCH_ROWS = 512


def open(
    url: str | os.PathLike[str],
    *,
    catalog: str | None = None,
    create: bool = True,
    memory_limit: str | None = None,
    threads: int | None = None,
    limits: "Limits | None" = None,
    progress: bool | None = None,
) -> "Lake":
    """Open the lake at `url`, a folder or a URL such as s3://bucket/lake, making it first if nothing is there.

    catalog: SQLAlchemy URL of the Iceberg catalog, SQLite inside the lake by default; a lake in object storage needs
    one. memory_limit ("2GB") and threads bound DuckDB; limits: what one file may cost the syntax functions. progress:
    True, False, or None for only on a terminal.
    Raises LakeError for a folder that is not a lake, a lake of a newer format, or one that was moved.

        with codelake.open("my-lake") as lake:
            lake.ingest("./checkout")
    """
    where = place(url)
    opened = open_catalog(where, catalog, create=create)
    return Lake(where, opened, memory_limit=memory_limit, threads=threads, limits=limits, progress=progress)


def _cache_folder() -> Path:
    """Where mirrors of repositories are kept: CODELAKE_CACHE, or `codelake` in the user's cache folder (XDG)."""
    if named := os.environ.get("CODELAKE_CACHE"):
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "codelake"


class Lake:
    """A lake, now or (from `at`) at one point of its past. Made by `codelake.open`; a context manager."""

    def __init__(
        self,
        where: Place,
        catalog: LakeCatalog,
        *,
        pins: history.Pins | None = None,
        memory_limit: str | None = None,
        threads: int | None = None,
        limits: "Limits | None" = None,
        progress: bool | None = None,
    ) -> None:
        self.place = where
        self.catalog = catalog
        self.pins = pins
        self._memory_limit, self._threads, self._progress = memory_limit, threads, progress
        self._limits = limits
        self._session: Session | None = None
        self._syntax: Syntax | None = None
        self._index: Index | None = None
        self._seen: dict[str, str] = {}
        self._tables: dict[str, TableFiles] = {}

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Lake {self.place.location}{', read-only, in the past' if self.pins else ''}>"

    def close(self) -> None:
        """Let go of DuckDB and the search index; relations of this lake are dead after it."""
        if self._syntax is not None:
            self._syntax.close()
            self._syntax = None
        if self._session is not None:
            self._session.close()
            self._session, self._seen = None, {}
        if self._index is not None:
            self._index.close()
            self._index = None

    # What goes in

    def ingest(
        self,
        *sources: str | os.PathLike[str],
        listed: str | os.PathLike[str] | None = None,
        at: str | date | Sequence[str | date] | None = None,
        every: str | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        all_tags: bool = False,
        new_only: bool = False,
        max_bytes: int | None = None,
        timeout: float | None = None,
        workers: int | None = None,
    ) -> Report:
        """Read repositories, packages, archives and folders into the lake: `lake.ingest("./checkout", "pyenv:")`.

        listed: a file with one source a line. at: dates, tags, branches or revisions to visit in place of the present;
        every: a day, week, month, quarter or year, from `since` until `until`; all_tags: every tag. new_only: leave
        out what was last seen at the same revision. max_bytes: longer contents are recorded but not kept (10 MiB by
        default). timeout: seconds a remote side may say nothing (60). workers: processes that read, this one
        included, by default one a core. A visit is added each time, a content only once; a call that was cut off goes
        on when made again. Returns counts, drops, failures and what each visit brought.
        """
        from .lake import ingest
        from .lake.sources.when import when

        self._writable("ingest")
        asked = when(at=at, every=every, since=since, until=until, all_tags=all_tags)
        with self._display("ingest") as progress:
            return ingest.ingest(
                self.catalog,
                self.place,
                [os.fspath(source) for source in sources],
                listed=Path(listed) if listed is not None else None,
                when=asked,
                new_only=new_only,
                max_bytes=ingest.MAX_BYTES if max_bytes is None else max_bytes,
                timeout=ingest.TIMEOUT_SECONDS if timeout is None else timeout,
                workers=workers,
                cache=_cache_folder(),
                progress=progress,
            )

    def curate(self) -> Report:
        """Build `code` from what was ingested, with a row in `drops` for every file left out."""
        from .lake.curate import curate

        self._writable("curate")
        with self._display("curate") as progress:
            return curate(self.catalog, self.place, memory_limit=self._memory_limit, progress=progress)

    def symbols(self, languages: Sequence[str] | None = None) -> Report:
        """Bring the table `symbols` up to `code`: definitions, imports, calls and docstrings, each content parsed once.

        languages: only these, by Linguist's names; by default all that have rules. Only what is new or changed is
        parsed; a call that was cut off goes on when made again. Asked with the views definitions, imports, calls and
        docstrings, and callers_of(name). Raises QueryError for a language without rules.

            lake.symbols(["Python"])
            lake.sql("SELECT path, start_line FROM callers_of('eval')")
        """
        from .lake.symbols import symbols

        self._writable("symbols")
        with self._display("symbols") as progress:
            return symbols(
                self.catalog,
                self.place,
                languages=languages,
                memory_limit=self._memory_limit,
                processes=self._threads,
                progress=progress,
            )

    def duplicates(self, *, threshold: float = 0.7) -> Report:
        """Bring the table `duplicates` up to `code`: clusters of near-duplicates among the files of each language.

        threshold: Jaccard similarity of the sets of five words in a row from which two files are near-duplicates, above
        0 to 1. Every pair that joins a cluster is verified exactly. Nothing is done when neither `code` nor the
        threshold changed. Raises LakeError for another threshold.

            lake.duplicates()
            lake.sql("FROM code ANTI JOIN (FROM duplicates WHERE blob_id <> representative) USING (blob_id)")
        """
        from .lake.duplicates import duplicates

        self._writable("duplicates")
        with self._display("duplicates") as progress:
            return duplicates(
                self.catalog,
                self.place,
                threshold=threshold,
                memory_limit=self._memory_limit,
                threads=self._threads,
                progress=progress,
            )

    def commit(self, message: str) -> Commit:
        """A commit of your own over any tables; see `codelake.lake.commit.Commit`."""
        self._writable("commit")
        return Commit(self.catalog, self.place, message)

    # What is there

    def tables(self) -> dict[str, TableFiles]:
        """Table name -> its columns and Parquet files, at this lake's point in time: for other engines to read."""
        self.session()
        return dict(self._tables)

    def table(self, name: str) -> "Selection":
        """All rows of one table, to be narrowed: `lake.table("files").where(language="Rust").count()`."""
        from .selection import Selection

        self._table(name)
        return Selection(lake=self, table=name)

    def where(self, **columns: object) -> "Selection":
        """The rows of `code` that hold these values, to be narrowed further, read, or used in SQL.

        lake.where(language="Python", license=["MIT", "BSD-3-Clause"]).where_sql("length_bytes < 10000").pl()
        """
        return self.table("code").where(**columns)

    def polars(self, table: str) -> "polars.LazyFrame":
        """A table as a Polars LazyFrame, at this lake's point in time.

        lake.polars("code").filter(polars.col("language") == "Rust").select("path").collect()
        """
        from .engine.tables import lazy_frame

        return lazy_frame(self._table(table))

    def arrow_dataset(self, table: str) -> "Dataset":
        """A table as a pyarrow Dataset, at this lake's point in time: for Ray, Dask and what else reads one."""
        from .engine.tables import arrow_dataset

        return arrow_dataset(self._table(table))

    def sql(self, text: str, *, params: Sequence[object] | None = None) -> Relation:
        """The DuckDB relation of one query over the lake's tables; `?` takes its value from `params`.

            lake.sql("SELECT path FROM code WHERE language = ?", params=["Rust"]).show()

        It has .show() .fetchall() .pl() .df() .arrow() .to_arrow_table(). Raises QueryError naming the nearest table or
        column for one that is not there.
        """
        return self.session().sql(text, params)

    def session(self) -> Session:
        """The session, with every view at the tables' current (or pinned) snapshot, and the functions and macros."""
        fresh = self._session is None
        if self._session is None:
            self._session = Session(memory_limit=self._memory_limit, threads=self._threads)
            find = history.past(self.catalog, self.pins)
            self._session.register(functions(lambda name, when: scan_sql(find(name, when))))
            self._session.register(self.syntax().functions())
        locations = self.catalog.locations() if self.pins is None or not self._seen else self._seen
        changed = [name for name, location in locations.items() if self._seen.get(name) != location]
        for name in changed:
            table = self.catalog.load_table(("code", name))
            snapshot = table.metadata.current_snapshot_id if self.pins is None else self.pins[name]
            self._tables[name] = table_files(table, snapshot)
        self._session.define(self._tables[name] for name in changed)
        if changed:
            # A view keeps the columns its tables had when it was made.
            self._session.create([*(load_all("macros") if fresh else ()), *load_all("views")])
        self._seen = dict(locations)
        return self._session

    def syntax(self) -> Syntax:
        """The syntax functions of the session; their pool of processes parses for whoever asks."""
        if self._syntax is None:
            tables = self._tables
            self._syntax = Syntax(lambda: partition_values(tables["code"], "language"), self._limits)
        return self._syntax

    def untrusted(self, limits: "QueryLimits | None" = None) -> "Sandbox":
        """A sandbox for SQL of people nobody vouches for, over the tables as they are now and at every release.

            with lake.untrusted() as sandbox:
                sandbox.sql("SELECT language, count(*) FROM code GROUP BY ALL").table

        Each query has a process of its own, which reads the data files and nothing else. Raises LakeError for a lake
        in object storage.
        """
        from .engine.untrusted import Sandbox
        from .lake.release import releases

        if self.place.local is None:
            raise LakeError(f"{self.place.location}: untrusted SQL reads lakes on a local disk only")
        find = history.past(self.catalog, self.pins)
        versions = [release.version for release in releases(self.catalog, self.place)]
        return Sandbox(
            self.tables(),
            past={(name, version): find(name, version) for name in ("repos", "files", "code") for version in versions},
            functions=f"{confined.__module__}:{confined.__name__}",
            statements=[*load_all("macros"), *load_all("views")],
            limits=limits,
        )

    def explain(self, text: str, *, params: Sequence[object] | None = None, analyze: bool = False) -> "Explanation":
        """Which files, row groups and bytes a query reads of each table, and DuckDB's plan; print it.

        Told from the footers of the files without running the query; analyze: run it, and tell what it did read.
        """
        from .explain import explain

        return explain(self, text, params, analyze=analyze)

    def export(
        self,
        out: str | os.PathLike[str],
        sql: str = EXPORT_SQL,
        *,
        params: Sequence[object] | None = None,
        format: str = "parquet",
        shard_bytes: int = 500_000_000,
        overwrite: bool = False,
    ) -> "Exported":
        """Write the rows of a query to the folder `out`, in files of about `shard_bytes`.

        format: "parquet", "hf" (a dataset that `datasets.load_dataset` reads, with its card), "webdataset" (tar files
        of samples) or "jsonl" (in zstd). Memory does not grow with the result. A call that was cut off goes on when
        made again; the same query at the same snapshots gives the same bytes. overwrite: replace the export that is
        there. Raises QueryError for a column the format cannot hold, LakeError if `out` holds something else.

            lake.export("permissive", "SELECT * FROM code WHERE license_type = 'permissive'", format="hf")
        """
        from .export import export

        commit = next((c.sequence for c in self.log()), None) if self.pins is None else None
        pins = self.pins or {name: table.snapshot for name, table in self.tables().items()}
        with self._display("export") as progress, self._pinned(pins) as still:
            return export(
                still,
                out,
                sql,
                params=params,
                format=format,
                shard_bytes=shard_bytes,
                overwrite=overwrite,
                commit=commit,
                progress=progress,
            )

    def log(self) -> list[history.LakeCommit]:
        """The lake's commits, newest first; their numbers are what `at` takes."""
        return history.log(self.catalog)

    # Points in time

    def at(self, when: str | int | datetime) -> "Lake":
        """This lake, read-only, at a release ("1.0.0"), a time (UTC), a commit's number or an Iceberg snapshot id."""
        return self._pinned(history.resolve(self.catalog, when))

    def release(self, version: str, *, notes: str = "") -> "Release":
        """Tag every table as `version` and write a manifest with the checksum of every file."""
        from .lake.release import release

        self._writable("release")
        with self._display("release") as progress:
            return release(self.catalog, self.place, version, notes=notes, progress=progress)

    def releases(self) -> "list[Release]":
        """All releases, oldest version first."""
        from .lake.release import releases

        return releases(self.catalog, self.place)

    # Training

    def train_tokenizer(
        self, sql: str, *, vocab_size: int = 32_000, path: str | os.PathLike[str] | None = None
    ) -> Path:
        """Train a byte-level BPE on the texts of `sql` and return the path of its tokenizer.json.

        The text is the column `content` or `text`, or the query's only text column. By default it is kept in the
        lake as tokenizers/bpe-<size>.json.
        """
        from .engine import tokenizer

        target = Path(path) if path is not None else self._folder("tokenizers") / f"bpe-{vocab_size}.json"
        with self._display("tokenizer") as progress:
            trained = tokenizer.train_bpe(self._texts(sql, progress), vocab_size=vocab_size)
        target.parent.mkdir(parents=True, exist_ok=True)
        return tokenizer.save(trained, target)

    def stream(
        self, sql: str, *, tokenizer: "str | os.PathLike[str] | Tokenizer", seq_len: int, seed: int = 0
    ) -> "Stream":
        """An endless, shuffled, packed and exactly resumable stream of token rows from a scan of one table.

            stream = lake.stream("SELECT content FROM code", tokenizer="bpe.json", seq_len=2048)
            for batch in stream.loader(batch_size=8): ...

        The tables are pinned at the snapshots they have now. Raises StreamError for a query that is not a scan.
        """
        from .engine.plan import make_plan
        from .engine.stream import Stream
        from .engine.tokenizer import load

        loaded = load(tokenizer if not isinstance(tokenizer, os.PathLike) else Path(tokenizer))
        self.session()
        plan = make_plan(self._tables, sql, tokenizer=loaded, seq_len=seq_len, seed=seed)
        return Stream(plan, loaded)

    def train(
        self,
        recipe: str | os.PathLike[str] = "nano",
        *,
        name: str | None = None,
        overrides: Mapping[str, object] | None = None,
        on_step: Callable[[int, Mapping[str, float]], None] | None = None,
    ) -> "TrainResult":
        """Train the model of a recipe (a name such as "nano", or a TOML file) on this lake; go on if it was begun.

        overrides: "steps" or "train.steps" -> value. Checkpoints and the loss curve are in runs/<name>/, each with a
        row in `checkpoints`. A run goes on at the snapshot it began with, whatever was added since.
        """
        from .runs import run

        self._writable("train")
        return run(self, recipe, name=name, overrides=overrides or {}, on_step=on_step)

    # Search

    def index(self, sql: str = INDEX_SQL, *, model: str | os.PathLike[str] | None = None) -> Report:
        """Index the code of `sql` for search, by words and by the vectors of a trained model.

        sql gives blob_id, repo_name, path, language, license, license_type and content. model: a checkpoint folder or
        the name of a run; the newest run by default. Only files that are new since the last call are embedded.
        """
        from .model.embed import Embedder
        from .model.retrieve import COLUMNS

        self._writable("index")
        relation = self.sql(sql)
        if missing := [name for name in COLUMNS if name not in relation.columns]:
            raise QueryError(f"the query to index gives no {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
        embedder = Embedder(self._checkpoint(model))
        with self._display("index") as progress, relation.to_arrow_reader(_TEXT_BATCH_ROWS) as reader:
            return self._search_index().build(iter(reader), embedder, progress=progress)

    def search_code(self, query: str, *, language: str | None = None, kind: str = "ts") -> Relation:
        """Every match of a search in `code`, one row a capture, as the relation of the macro `code_search`.

        kind: "ts" (a tree-sitter query), "ast_grep" (code in which $A is any node and $$$ARGS any number of them),
        "regex" (of Python's re) or "text". language: None for all in which the query makes sense. Raises QueryError
        that shows the place in the query.

            lake.search_code("eval($$$ARGS)", language="Python", kind="ast_grep").show()
        """
        return self.sql("FROM code_search(?, language := ?, kind := ?)", params=[query, language, kind])

    def search(self, text: str, *, k: int = 10, where: str | None = None, kind: str = "hybrid") -> "Hits":
        """The `k` best pieces of code for `text`, best first.

        where: a SQL condition over repo_name, path, language, license, license_type, start_line, end_line. kind:
        "hybrid" (words and meaning), "vector" or "text".

            lake.search("parse an HTTP date header", k=5, where="license_type = 'permissive'")
        """
        return self._search_index().search(text, k=k, where=where, kind=kind)

    # Inside

    def _table(self, name: str) -> TableFiles:
        tables = self.tables()
        if name not in tables:
            close = nearest(name, list(tables)) or list(tables)
            raise QueryError(f"there is no table {name!r}; nearest: {', '.join(close)}")
        return tables[name]

    def _pinned(self, pins: history.Pins) -> "Lake":
        return Lake(
            self.place,
            self.catalog,
            pins=pins,
            memory_limit=self._memory_limit,
            threads=self._threads,
            limits=self._limits,
            progress=self._progress,
        )

    def _texts(self, sql: str, progress: Progress) -> Iterator[list[str]]:
        relation = self.sql(sql)
        strings = [name for name, kind in zip(relation.columns, relation.types, strict=True) if str(kind) == "VARCHAR"]
        named = [name for name in ("content", "text") if name in strings]
        if not named and len(strings) != 1:
            raise QueryError(
                f"which column is the text? This query gives {', '.join(relation.columns)}; name one content"
            )
        column = (named or strings)[0]
        done = size = 0
        with relation.to_arrow_reader(_TEXT_BATCH_ROWS) as reader:
            for batch in reader:
                texts = [text for text in batch.column(relation.columns.index(column)).to_pylist() if text]
                done += len(texts)
                size += sum(map(len, texts))
                progress(done, None, files=done, size=size)
                yield texts

    def _checkpoint(self, model: str | os.PathLike[str] | None) -> Path:
        if model is not None and (Path(model) / "model.safetensors").is_file():
            return Path(model)
        query = (
            "SELECT path FROM checkpoints WHERE run = ? OR ?::VARCHAR IS NULL ORDER BY saved_at DESC, step DESC LIMIT 1"
        )
        name = os.fspath(model) if model is not None else None
        found = self.sql(query, params=[name, name]).fetchall()
        if not found:
            runs = [row[0] for row in self.sql("SELECT DISTINCT run FROM checkpoints ORDER BY 1").fetchall()]
            what = f"no model {name!r}" if name else "no trained model yet"
            raise ModelError(
                f"{what} in this lake; runs: {', '.join(runs) or 'none'} (`codelake train nano` makes one)"
            )
        return Path(found[0][0])

    def _search_index(self) -> "Index":
        from .engine.optional import require

        require("lancedb")
        require("safetensors")
        from .model.retrieve import Index

        if self._index is None:
            self._index = Index(str(self._folder("index")))
        return self._index

    def _folder(self, name: str) -> Path:
        if self.place.local is None:
            raise LakeError(
                f"{self.place.location} is in object storage; {name} are kept on a local disk only: give a path"
            )
        return self.place.local / name

    def _writable(self, what: str) -> None:
        if self.pins is not None:
            raise LakeError(
                f"{what}: this is the lake's past, which is read-only; use the lake that codelake.open gives"
            )

    def _display(self, title: str) -> AbstractContextManager[Progress]:
        return display(title, self._progress)
