"""Query results as a table, JSON lines, CSV or a file; streamed, so that memory does not grow with the result."""

import csv
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .engine.duck import Relation
from .engine.errors import QueryError
from .show import json_line

_BATCH_ROWS = 8192
_PARQUET_ROW_GROUP = 8192
SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")


def print_table(relation: Relation) -> None:
    """The result as DuckDB draws it: the first rows, and how many there are."""
    relation.show()


def print_json(relation: Relation) -> None:
    """One JSON object a row on standard output."""
    with relation.to_arrow_reader(_BATCH_ROWS) as reader:
        for batch in reader:
            for row in batch.to_pylist():
                json_line(row)


def print_csv(relation: Relation) -> None:
    """CSV with a header on standard output; lists and structs as Python writes them."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(relation.columns)
    with relation.to_arrow_reader(_BATCH_ROWS) as reader:
        for batch in reader:
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


PRINTERS = {"table": print_table, "json": print_json, "csv": print_csv}


def export(relation: Relation, path: Path) -> int:
    """Write the result to `path` by its suffix and return the number of rows; the file appears when it is whole.

    Raises QueryError for another suffix or a folder that is not there.
    """
    if path.suffix not in SUFFIXES:
        raise QueryError(f"{path}: write to a file that ends in one of {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise QueryError(f"{path}: there is no folder {path.parent}")
    temporary = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".parquet":
            rows = _parquet(relation, temporary)
        elif path.suffix == ".csv":
            rows = len(relation)
            relation.write_csv(str(temporary), header=True)
        else:
            rows = _json(relation, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _parquet(relation: Relation, path: Path) -> int:
    rows = 0
    with (
        relation.to_arrow_reader(_BATCH_ROWS) as reader,
        pq.ParquetWriter(path, reader.schema, compression="zstd") as sink,
    ):
        for batch in reader:
            sink.write_table(pa.Table.from_batches([batch]), row_group_size=_PARQUET_ROW_GROUP)
            rows += batch.num_rows
    return rows


def _json(relation: Relation, path: Path) -> int:
    import json

    from .show import plain

    rows = 0
    with relation.to_arrow_reader(_BATCH_ROWS) as reader, path.open("w", encoding="utf-8") as sink:
        for batch in reader:
            for row in batch.to_pylist():
                sink.write(json.dumps(row, default=plain, ensure_ascii=False) + "\n")
                rows += 1
    return rows
