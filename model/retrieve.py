"""Search over code: chunks with their vectors and words in LanceDB, asked by meaning, by text, or both."""

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

# Set before the import, when it is read: creating a table is no cause for a warning on the terminal.
os.environ.setdefault("LANCEDB_LOG", "error")
from lancedb import connect
from lancedb.index import FTS, IvfFlat
from lancedb.query import MatchQuery

from ..engine.errors import ModelError, QueryError
from ..engine.progress import Progress, silent
from ..lake.report import Report
from .chunks import chunks
from .embed import Embedder, Statistics, Vectors

TABLE = "chunks"
SETTINGS = "index.json"
# What a query that is indexed must give; content is cut into chunks, the rest is kept beside each.
COLUMNS = ("blob_id", "repo_name", "path", "language", "license", "license_type", "content")
KINDS = ("hybrid", "vector", "text")
# The first batch also gives the statistics of the corpus, so it holds more than one file's worth.
_ADD_CHUNKS = 4096
# Reciprocal rank fusion's constant (Cormack et al., SIGIR 2009), and how deep the joined lists go.
_RRF_K = 60
_FUSION_DEPTH = 50
# A model that was not trained for retrieval ranks an answer far worse than its words do (`python -m bench.search`), so
# its list fills in below the words' own and breaks their ties: at 64 no vector rank outweighs one rank of words.
_WORDS_WEIGHT = 64.0
_ROWS_A_PARTITION = 4096
_EXCERPT_LINES = 8


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One chunk found. Lines count from 1, both ends included; score: higher is better, comparable within one search.

    excerpt: the lines that say most of what was asked, from excerpt_line on; highlights: (start, end) in it, in
    characters, of words of the question.
    """

    repo_name: str
    path: str
    start_line: int
    end_line: int
    language: str
    license: str | None
    license_type: str
    score: float
    blob_id: str
    text: str
    excerpt: str
    excerpt_line: int
    highlights: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Hits:
    """What a search found, best first."""

    query: str
    hits: tuple[Hit, ...]
    seconds: float

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: int) -> Hit:
        return self.hits[index]

    def to_dict(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"query": self.query, "seconds": round(self.seconds, 4), "hits": [asdict(hit) for hit in self.hits]}


class Index:
    """The search index of a lake, in the folder or at the URL `uri`. Close it, or use it as a context manager."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._db = connect(uri)
        self._embedder: Embedder | None = None

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the tables and the model."""
        self._embedder = None

    @property
    def exists(self) -> bool:
        """Whether anything was indexed."""
        return TABLE in self._db.list_tables().tables and self._settings_path.is_file()

    def build(self, batches: Iterator[pa.RecordBatch], embedder: Embedder, *, progress: Progress = silent) -> Report:
        """Bring the index to hold exactly the chunks of `batches` (columns COLUMNS), embedded by `embedder`.

        A file already there with the same name and licence is left alone, unless the weights have changed; what is no
        longer among `batches` is removed. Killed at any moment, the next call goes on where it stopped.
        """
        started = time.monotonic()
        settings = self._settings()
        statistics = self._statistics() if settings and settings["model_sha256"] == embedder.sha256 else None
        if statistics is None:
            self._start(embedder)
        table = self._db.open_table(TABLE)
        there = set(table.search().select(["key"]).limit(None).to_arrow()["key"].to_pylist())
        wanted: set[str] = set()
        waiting: list[dict[str, Any]] = []
        files = added = size = 0

        def flush() -> None:
            nonlocal statistics, added
            texts = [row["text"] for row in waiting]
            if statistics is None:
                statistics = embedder.learn(texts)
                self._keep(statistics)
            vectors = embedder.encode(texts, statistics)
            rows = [row | {"vector": vector} for row, vector in zip(waiting, vectors, strict=True)]
            table.add(pa.Table.from_pylist(rows, table.schema))
            added += len(waiting)
            waiting.clear()

        for batch in batches:
            for row in batch.to_pylist():
                files += 1
                key = "\x1f".join(str(row[name]) for name in COLUMNS[:-1])
                if key in wanted:
                    continue
                wanted.add(key)
                if key not in there:
                    size += len(row["content"])
                    content = row.pop("content")
                    named = {name: row[name] for name in COLUMNS[:-1]}
                    waiting += [named | {"key": key} | asdict(chunk) for chunk in chunks(content)]
                    if len(waiting) >= _ADD_CHUNKS:
                        flush()
                progress(files, None, files=files, size=size, note=f"{added:,} chunks")
        if waiting:
            flush()
        gone = sorted(there - wanted)
        for part in range(0, len(gone), 500):
            keys = ", ".join("'" + key.replace("'", "''") + "'" for key in gone[part : part + 500])
            table.delete(f"key IN ({keys})")
        rows = table.count_rows()
        if (added or gone) and rows:
            self._build_indices(table, rows)
        return Report(
            title="index",
            counts={"files": files, "chunks": rows, "new_chunks": added, "removed_files": len(gone)},
            seconds=time.monotonic() - started,
        )

    def search(self, text: str, *, k: int = 10, where: str | None = None, kind: str = "hybrid") -> Hits:
        """The `k` best chunks for `text`.

        where: a SQL condition over repo_name, path, language, license, license_type, start_line, end_line. kind: text
        (BM25), vector (cosine), or hybrid (both lists joined by reciprocal rank fusion). Raises ModelError if nothing
        was indexed or the model is gone, QueryError for a condition LanceDB refuses.
        """
        if kind not in KINDS:
            raise QueryError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
        if k < 1 or not text.strip():
            raise QueryError("a search needs some text and k of at least 1")
        settings = self._settings()
        if settings is None or not self.exists:
            raise ModelError("this lake has no search index yet: run `codelake index` or lake.index()")
        started = time.monotonic()
        depth = k if kind != "hybrid" else max(k * 3, _FUSION_DEPTH)
        table = self._db.open_table(TABLE)
        lists = []
        if kind != "vector":
            words = table.search(MatchQuery(text, "text"), query_type="fts")  # type: ignore[call-arg]
            lists.append((_WORDS_WEIGHT, self._rows(words.limit(depth), where)))
        if kind != "text":
            near: Any = table.search(self._vector(text, settings), query_type="vector", vector_column_name="vector")
            lists.append((1.0, self._rows(near.distance_type("cosine").limit(depth), where)))
        rows = _fuse(lists) if kind == "hybrid" else [(_score(row), row) for row in lists[0][1]]
        return Hits(text, tuple(_hit(row, score, text) for score, row in rows[:k]), time.monotonic() - started)

    @staticmethod
    def _rows(query: Any, where: str | None) -> list[dict[str, Any]]:
        if where is None:
            return list(query.to_arrow().to_pylist())
        try:
            return list(query.where(where, prefilter=True).to_arrow().to_pylist())
        except (ValueError, RuntimeError, OSError) as error:
            columns = ", ".join((*COLUMNS[:-1], "start_line", "end_line"))
            raise QueryError(f"where={where!r}: {str(error).splitlines()[0]}\nColumns: {columns}") from error

    @property
    def _settings_path(self) -> Path:
        return Path(self.uri) / SETTINGS

    def _settings(self) -> dict[str, Any] | None:
        if not self._settings_path.is_file():
            return None
        found: dict[str, Any] = json.loads(self._settings_path.read_text())
        return found

    @property
    def _statistics_path(self) -> Path:
        return Path(self.uri) / "statistics.npz"

    def _statistics(self) -> Statistics | None:
        if not self._statistics_path.is_file() or TABLE not in self._db.list_tables().tables:
            return None
        with np.load(self._statistics_path, allow_pickle=False) as found:
            return Statistics(found["counts"], found["mean"])

    def _keep(self, statistics: Statistics) -> None:
        temporary = self._statistics_path.with_suffix(".tmp.npz")
        np.savez(temporary, counts=statistics.counts, mean=statistics.mean)
        temporary.replace(self._statistics_path)

    def _start(self, embedder: Embedder) -> None:
        schema = pa.schema(
            [
                pa.field("key", pa.string()),
                *(pa.field(name, pa.string()) for name in COLUMNS[:-1]),
                pa.field("start_line", pa.int64()),
                pa.field("end_line", pa.int64()),
                pa.field("text", pa.string()),
                pa.field("vector", pa.list_(pa.float32(), embedder.dim)),
            ]
        )
        settings = {
            "format_version": 1,
            "model": str(embedder.checkpoint),
            "model_sha256": embedder.sha256,
        }
        self._statistics_path.unlink(missing_ok=True)
        self._db.create_table(TABLE, schema=schema, mode="overwrite")
        temporary = self._settings_path.with_suffix(".tmp")
        temporary.write_text(json.dumps(settings))
        temporary.replace(self._settings_path)

    def _build_indices(self, table: Any, rows: int) -> None:
        # Code is not prose: no stemming, no stop words ("for", "if"), long identifiers kept whole.
        table.create_index(
            "text",
            config=FTS(
                stem=False, remove_stop_words=False, ascii_folding=False, max_token_length=128, with_position=False
            ),
            replace=True,
        )
        table.create_index(
            "vector",
            config=IvfFlat(distance_type="cosine", num_partitions=max(1, rows // _ROWS_A_PARTITION)),
            replace=True,
        )
        table.optimize()

    def _vector(self, text: str, settings: dict[str, Any]) -> Vectors:
        if self._embedder is None:
            self._embedder = Embedder(Path(settings["model"]))
        statistics = self._statistics()
        if self._embedder.sha256 != settings["model_sha256"] or statistics is None:
            raise ModelError(f"{settings['model']} is not the model that was indexed: run `codelake index` again")
        return np.asarray(self._embedder.encode([text], statistics)[0])


def _fuse(lists: Sequence[tuple[float, list[dict[str, Any]]]]) -> list[tuple[float, dict[str, Any]]]:
    """Reciprocal rank fusion of ranked lists with a weight each; ties go to the earlier list."""
    scores: dict[tuple[str, int], float] = {}
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for weight, ranked in lists:
        for rank, row in enumerate(ranked, 1):
            name = (row["key"], row["start_line"])
            scores[name] = scores.get(name, 0.0) + weight / (_RRF_K + rank)
            rows.setdefault(name, row)
    return sorted(((score, rows[name]) for name, score in scores.items()), key=lambda pair: -pair[0])


def _score(row: dict[str, Any]) -> float:
    """BM25, or cosine similarity."""
    return float(row["_score"]) if "_score" in row else 1.0 - float(row["_distance"])


def _hit(row: dict[str, Any], score: float, query: str) -> Hit:
    excerpt, offset = _excerpt(row["text"], query)
    return Hit(
        repo_name=row["repo_name"],
        path=row["path"],
        start_line=row["start_line"],
        end_line=row["end_line"],
        language=row["language"],
        license=row["license"],
        license_type=row["license_type"],
        score=score,
        blob_id=row["blob_id"],
        text=row["text"],
        excerpt=excerpt,
        excerpt_line=row["start_line"] + offset,
        highlights=tuple(_highlights(excerpt, query)),
    )


def _words(query: str) -> list[str]:
    return [word for word in dict.fromkeys(re.findall(r"\w+", query.lower())) if len(word) > 1]


def _excerpt(text: str, query: str) -> tuple[str, int]:
    """The run of lines of `text` with the most distinct words of `query`, and how many lines come before it."""
    lines = text.splitlines()
    found = [{word for word in _words(query) if word in line.lower()} for line in lines]
    starts = range(max(1, len(lines) - _EXCERPT_LINES + 1))
    best = max(
        starts,
        key=lambda s: (len(set().union(*found[s : s + _EXCERPT_LINES])), bool(found[s : s + 1] and found[s]), -s),
    )
    return "\n".join(lines[best : best + _EXCERPT_LINES]), best


def _highlights(excerpt: str, query: str) -> list[tuple[int, int]]:
    words = sorted(_words(query), key=len, reverse=True)
    if not words:
        return []
    return [match.span() for match in re.finditer("|".join(map(re.escape, words)), excerpt, re.IGNORECASE)]
