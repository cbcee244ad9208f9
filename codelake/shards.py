"""The files of an export: Parquet, JSON lines and tar shards, written group by group, the same bytes each time."""

import base64
import json
import math
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from io import BytesIO
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from .engine.errors import QueryError

# Columns that hold the text of a sample, in the order they are looked for.
TEXTS = ("content", "text")
_BINARY_SUFFIX = "_base64"


class Writer(Protocol):
    """One shard being written. first_row: the number of its first row in the whole export."""

    def write(self, rows: pa.Table, first_row: int) -> None:
        """Add a group of rows; what is written is on its way to the file when this returns."""

    def close(self) -> None:
        """Finish the file; the sink stays open."""


@dataclass(frozen=True)
class Format:
    """A kind of shard: how a shard is named, and what writes it. final: its name once their number is known."""

    name: str
    final: str
    writer: Callable[[IO[bytes], pa.Schema], Writer]
    check: Callable[[pa.Schema], None]


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The columns as they are stored: values in place of the dictionaries of enumerations.

    Raises QueryError for intervals, which no file format here holds.
    """
    for field in schema:
        if any(pa.types.is_interval(kind) for kind in _types(field.type)):
            raise QueryError(
                f"column {field.name} is an INTERVAL, which the files cannot hold: CAST({field.name} AS VARCHAR)"
            )
    return pa.schema(
        [pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema]
    )


def check_json(schema: pa.Schema) -> None:
    """Raises QueryError for what JSON has no way to say: bytes within a list or struct, keys that are no text."""
    for field in schema:
        inner = list(_types(field.type))[1:]
        if any(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) for kind in inner):
            raise QueryError(
                f"column {field.name} has bytes inside {field.type}; JSON has none: select what you need of it"
            )
        if any(pa.types.is_map(k) and not pa.types.is_string(k.key_type) for k in _types(field.type)):
            raise QueryError(
                f"column {field.name} is a map whose keys are no text; JSON has none: use map_entries({field.name})"
            )
        renamed = _json_name(field)
        if renamed != field.name and renamed in schema.names:
            raise QueryError(
                f"column {field.name} is written as {renamed}, and there is another one of that name: rename it"
            )


def check_samples(schema: pa.Schema) -> None:
    """Raises QueryError where no column is the text of a sample, or the rest cannot be JSON."""
    text_column(schema)
    check_json(schema)


def text_column(schema: pa.Schema) -> str:
    """The column that is the text of a sample: `content`, `text`, or the only column of text."""
    strings = [f.name for f in schema if pa.types.is_string(f.type)]
    blobs = [f.name for f in schema if pa.types.is_binary(f.type)]
    for name in TEXTS:
        if name in (*strings, *blobs):
            return name
    if len(strings) == 1:
        return str(strings[0])
    raise QueryError(
        f"which column is the text of a sample? This query gives {', '.join(schema.names)}; name one content"
    )


class ParquetShard:
    """A Parquet file, zstd, with a row group for each group."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(
            sink,
            schema,
            compression="zstd",
            # Texts are hardly ever twice in a file.
            use_dictionary=[f.name for f in schema if f.name not in TEXTS and not pa.types.is_nested(f.type)],
            write_page_index=True,
        )

    def write(self, rows: pa.Table, first_row: int) -> None:
        """Add a row group."""
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


class JsonLines:
    """One JSON object a line, in zstd. Times are ISO 8601, bytes base64 in a column `<name>_base64`, NaN is null."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._stream = zstandard.ZstdCompressor().stream_writer(sink, closefd=False)

    def write(self, rows: pa.Table, first_row: int) -> None:
        """Add lines."""
        self._stream.write("".join(f"{_json(row)}\n" for row in _values(rows)).encode())
        self._stream.flush(zstandard.FLUSH_BLOCK)

    def close(self) -> None:
        """End the frame."""
        self._stream.close()  # type: ignore[no-untyped-call]


class Samples:
    """A tar file of samples for webdataset: <number>.txt has the text (.bin for bytes), <number>.json all the rest.

    The number is that of the row in the whole export, so keys are unique and safe whatever the paths are.
    """

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._tar = tarfile.TarFile(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT)
        self._text = text_column(schema)
        self._suffix = "bin" if pa.types.is_binary(schema.field(self._text).type) else "txt"

    def write(self, rows: pa.Table, first_row: int) -> None:
        """Add two files a row."""
        texts = rows[self._text].to_pylist()
        for number, (text, row) in enumerate(zip(texts, _values(rows.drop_columns([self._text])), strict=True)):
            key = f"{first_row + number:012d}"
            self._add(f"{key}.json", _json(row).encode())
            self._add(f"{key}.{self._suffix}", text.encode() if isinstance(text, str) else text or b"")

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()

    def _add(self, name: str, data: bytes) -> None:
        # Nothing of the machine, the user or the time: the same rows are the same bytes.
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o644
        self._tar.addfile(member, BytesIO(data))


def _nothing(schema: pa.Schema) -> None:
    """Parquet holds every column that gets here."""


# The files are below data/, so that a reader can be given a folder with nothing else in it.
FORMATS = {
    "parquet": Format("data/part-{:05d}.parquet", "data/part-{:05d}.parquet", ParquetShard, _nothing),
    "hf": Format("data/train-{:05d}.parquet", "data/train-{:05d}-of-{:05d}.parquet", ParquetShard, _nothing),
    "webdataset": Format("data/shard-{:06d}.tar", "data/shard-{:06d}.tar", Samples, check_samples),
    "jsonl": Format("data/part-{:05d}.jsonl.zst", "data/part-{:05d}.jsonl.zst", JsonLines, check_json),
}


def _types(kind: pa.DataType) -> Iterator[pa.DataType]:
    """A type and those within it, the outermost first."""
    yield kind
    for number in range(kind.num_fields):
        yield from _types(kind.field(number).type)


def _json_name(field: pa.Field) -> str:
    binary = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    return f"{field.name}{_BINARY_SUFFIX}" if binary else str(field.name)


def _values(rows: pa.Table) -> list[dict[str, Any]]:
    renamed = rows.rename_columns([_json_name(field) for field in rows.schema])
    try:
        found: list[dict[str, Any]] = renamed.to_pylist(maps_as_pydicts="strict")
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise QueryError(f"a value that JSON cannot say: {error}; CAST its column AS VARCHAR") from error
    return found


def _json(row: dict[str, Any]) -> str:
    try:
        return json.dumps(row, default=_plain, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(row), default=_plain, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """What JSON has no word for: bytes in base64, times in ISO 8601, whole decimals as numbers, others as text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return int(value)
    return str(value)


def _finite(value: Any) -> Any:
    """The same with null for every number that is none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
