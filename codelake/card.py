"""The README.md of an exported Hugging Face dataset: metadata for the hub and `datasets`, and words for people."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from .engine import VERSION
from .engine.groups import row_bytes
from .lake.history import releases, resolve

if TYPE_CHECKING:
    from .api import Lake

CARD = "README.md"
_ROWS = 20
# Identifiers the hub knows that are SPDX identifiers in lower case, GNU's without their -only and -or-later:
# https://huggingface.co/docs/hub/repositories-licenses
_LICENSES = frozenset({
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear",
    "bsl-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
    "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "gpl-2.0", "gpl-3.0", "isc", "lgpl-2.1",
    "lgpl-3.0", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl-1.0", "ofl-1.1", "osl-3.0", "pddl",
    "postgresql", "unlicense", "wtfpl", "zlib",
})  # fmt: skip
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)


class File(Protocol):
    """One file of the dataset."""

    @property
    def rows(self) -> int:
        """Rows in it."""

    @property
    def bytes(self) -> int:
        """Bytes of it."""


@dataclass(kw_only=True)
class Facts:
    """What is counted while rows stream: files and bytes of each (language, licence class, licence), bytes in memory.

    A query without such a column counts under "".
    """

    files: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    bytes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    memory: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch."""
        self.memory += int(row_bytes(batch).sum())
        names = batch.schema.names
        columns = [
            batch.column(names.index(name)).to_pylist() if name in names else [None] * batch.num_rows
            for name in ("language", "license_type", "license", "length_bytes")
        ]
        for *key, length in zip(*columns, strict=True):
            group = (str(key[0] or ""), str(key[1] or ""), str(key[2] or ""))
            self.files[group] += 1
            self.bytes[group] += length if isinstance(length, int) else 0


def card(lake: "Lake", asked: Mapping[str, Any], schema: pa.Schema, files: Sequence[File], facts: Facts) -> str:
    """The README.md of the dataset that `asked` (query, snapshots …) gave."""
    name = Path(lake.place.location).name
    rows, size = sum(file.rows for file in files), sum(file.bytes for file in files)
    head = {
        "pretty_name": f"{name}, exported by CodeLake",
        "language": ["code"],
        "license": _licenses(facts),
        "task_categories": ["text-generation"],
        "tags": ["code", "codelake"],
        "size_categories": [next((label for limit, label in _SIZES if rows < limit), "n>1B")],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]},
        ],
        "dataset_info": {
            **({"features": features} if (features := _features(schema)) is not None else {}),
            "splits": [{"name": "train", "num_bytes": facts.memory, "num_examples": rows}],
            "download_size": size,
            "dataset_size": facts.memory,
        },
    }
    release = next(
        (v for v in reversed(releases(lake.catalog.tables())) if resolve(lake.catalog, v) == asked["snapshots"]), None
    )
    source = f"release {release} of the lake `{name}`" if release else f"the lake `{name}`"
    query = "\n".join(f"    {line}" for line in asked["query"].splitlines())
    metadata = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items())
    params = f"\n\nwith the parameters {', '.join(map(repr, asked['params']))}" if asked["params"] else ""
    named = (
        "`license` and `license_type` name it for each row, as far as it was found. "
        if "license" in schema.names
        else ""
    )
    parts = [
        f"# {name}",
        f"{rows:,} rows in {len(files):,} Parquet files ({size / 1e6:,.1f} MB), from {source}. "
        "The rows are what this query gives, in its order:",
        query + params,
        '```python\nfrom datasets import load_dataset\n\ndataset = load_dataset("PATH-OR-NAME", split="train")\n```',
        "## Columns",
        _table(("column", "type"), [(f"`{column.name}`", f"`{column.type}`") for column in schema]),
        *_composition("Languages", 0, facts),
        *_composition("Classes of licences", 1, facts),
        *_composition("Licences", 2, facts),
        "## Licences and authors",
        f"Every file stands under the licence of its repository; the dataset adds none. {named}Keep the attribution "
        "that a licence asks for, and leave out what an author has asked to be left out since.",
        "## How it was made",
        f"By CodeLake {VERSION}. `codelake-export.json` has the query, the snapshots of the Iceberg tables it was "
        "asked of, and the sha256 of every file; the same query of the same snapshots gives the same files.",
    ]
    return f"---\n{metadata}\n---\n\n" + "\n\n".join(parts) + "\n"


def _composition(title: str, position: int, facts: Facts) -> list[str]:
    """A table of one of the three things that are counted; nothing where the query has no such column."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for key, count in facts.files.items():
        files[key[position]] += count
        sizes[key[position]] += facts.bytes[key]
    if set(files) <= {""}:
        return []
    order = sorted(files, key=lambda name: (-sizes[name], -files[name], name))
    rows = [
        (name.replace("|", "\\|") or "–", f"{files[name]:,}", f"{sizes[name] / 1e6:,.1f}") for name in order[:_ROWS]
    ]
    if len(order) > _ROWS:
        rest = order[_ROWS:]
        many = f"{len(rest)} others"
        rows.append((many, f"{sum(files[n] for n in rest):,}", f"{sum(sizes[n] for n in rest) / 1e6:,.1f}"))
    return [f"## {title}", _table((title.lower(), "files", "MB of original content"), rows)]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _licenses(facts: Facts) -> list[str]:
    """The hub's identifiers of the licences in the rows, `other` for those it has none for."""
    found = set()
    for _, _, expression in facts.files:
        # What comes after WITH is an exception to a licence, not one.
        plain = re.sub(r"[()]|\bWITH \S+", " ", expression)
        for word in plain.split() or ["none"]:
            if word not in {"AND", "OR"}:
                identifier = word.lower().removesuffix("-only").removesuffix("-or-later")
                found.add(identifier if identifier in _LICENSES else "other")
    return sorted(found) or ["other"]


def _features(schema: pa.Schema) -> list[dict[str, Any]] | None:
    """The columns as `datasets` describes them; None where there is one that it must look at itself."""
    features = []
    for column in schema:
        feature = _feature(column.type)
        if feature is None:
            return None
        features.append({"name": column.name, **feature})
    return features


def _feature(kind: pa.DataType) -> dict[str, Any] | None:
    if pa.types.is_list(kind):
        inner = _feature(kind.value_type)
        return inner and {"list": inner.get("dtype", inner)}
    if pa.types.is_struct(kind):
        fields = _features(pa.schema(list(kind)))
        return None if fields is None else {"struct": fields}
    names = {pa.float64(): "float64", pa.float32(): "float32", pa.date32(): "date32"}
    if (
        pa.types.is_map(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        return None
    return {"dtype": names.get(kind, str(kind))}
