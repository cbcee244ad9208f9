"""Rows of one table picked by conditions: built step by step, SQL at every step."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .engine.duck import Relation, quote_identifier, quote_literal
from .engine.errors import QueryError, nearest

if TYPE_CHECKING:
    import pandas
    import polars

    from .api import Lake

NAME = "selection"


@dataclass(frozen=True, kw_only=True, repr=False)
class Selection:
    """Rows of one table of a lake, made by `lake.where` or `lake.table`; every method gives a new one, `str()` its SQL.

    The lake is read when a result is asked for: .fetchall() .pl() .df() .arrow() .count() .show() .relation().
    """

    lake: "Lake"
    table: str
    columns: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    most: int | None = None

    def __str__(self) -> str:
        chosen = ", ".join(quote_identifier(name) for name in self.columns) or "*"
        parts = [f"SELECT {chosen} FROM {quote_identifier(self.table)}"]
        if self.conditions:
            parts.append("WHERE " + " AND ".join(self.conditions))
        if self.most is not None:
            parts.append(f"LIMIT {self.most}")
        return " ".join(parts)

    def __repr__(self) -> str:
        return f"<Selection {self}>"

    def where(self, **columns: object) -> "Selection":
        """The rows that also hold these values: `language="Python", license=["MIT", "Apache-2.0"], owner=None`.

        A list means any of its values, None means NULL; a column that holds lists is asked whether it contains the
        value. Raises QueryError, with the nearest, for a column that is not there.
        """
        conditions = tuple(self._condition(name, value) for name, value in columns.items())
        return replace(self, conditions=self.conditions + conditions)

    def where_sql(self, condition: str) -> "Selection":
        """The rows for which a condition in SQL also holds: `"length_bytes < 10000"`. Raises QueryError."""
        # The line ends a comment. That the text is a condition on its own shows that no parenthesis closed ours.
        end = "\n" if "--" in condition else ""
        added = replace(self, conditions=(*self.conditions, f"({condition}{end})"))
        self.lake.sql(str(added))
        self.lake.sql(f"SELECT 1 FROM {quote_identifier(self.table)} WHERE {condition}")
        return added

    def select(self, *columns: str) -> "Selection":
        """These columns alone, in this order."""
        for name in columns:
            self._type(name)
        return replace(self, columns=columns)

    def limit(self, rows: int) -> "Selection":
        """At most so many rows, whatever conditions come later; the last limit counts."""
        if rows < 0:
            raise QueryError(f"a limit of {rows} rows; it is 0 or more")
        return replace(self, most=int(rows))

    def relation(self) -> Relation:
        """The DuckDB relation."""
        return self.lake.sql(str(self))

    def sql(self, text: str) -> Relation:
        """A query over these rows, which it calls `selection`.

        lake.where(language="Rust").sql("SELECT owner, count(*) FROM selection GROUP BY ALL")
        """
        return self.lake.session().within(str(self), NAME, text)

    def count(self) -> int:
        """How many rows there are."""
        return int(self.lake.sql(f"SELECT count(*) FROM ({self})").fetchall()[0][0])

    def fetchall(self) -> list[Any]:
        """The rows as tuples."""
        return self.relation().fetchall()

    def pl(self) -> "polars.DataFrame":
        """The rows as a Polars frame."""
        frame: polars.DataFrame = self.relation().pl()
        return frame

    def df(self) -> "pandas.DataFrame":
        """The rows as a pandas frame."""
        frame: pandas.DataFrame = self.relation().df()
        return frame

    def arrow(self) -> pa.RecordBatchReader:
        """The rows as a stream of Arrow batches, as DuckDB's relation gives them."""
        return self.relation().arrow()

    def show(self) -> None:
        """Print the first rows."""
        self.relation().show()

    def _type(self, name: str) -> pa.DataType:
        schema = self.lake.tables()[self.table].schema
        if name not in schema.names:
            close = nearest(name, schema.names)
            known = f"Nearest column: {', '.join(close)}" if close else f"Columns: {', '.join(schema.names)}"
            raise QueryError(f"{self.table} has no column {name!r}\n{known}")
        return schema.field(name).type

    def _condition(self, name: str, value: object) -> str:
        kind = self._type(name)
        column = quote_identifier(name)
        several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
        values = list(value) if several else [value]  # type: ignore[call-overload]
        given = [_literal(name, item) for item in values if item is not None]
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            found = f"list_has_any({column}, [{', '.join(given)}])" if given else "false"
        elif len(given) == 1:
            found = f"{column} = {given[0]}"
        else:
            found = f"{column} IN ({', '.join(given)})" if given else "false"
        if None not in values:
            return found
        return f"({found} OR {column} IS NULL)" if given else f"{column} IS NULL"


def _literal(column: str, value: object) -> str:
    """A Python value as SQL. Raises QueryError for a type that no column has."""
    match value:
        case bool():
            text = str(value).lower()
        case int() | Decimal():
            text = str(value)
        case float():
            text = f"{quote_literal(str(value))}::DOUBLE"
        case str():
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise QueryError(f"{column}: {value!r} is no Unicode text")
            text = quote_literal(value)
        case bytes():
            text = f"unhex({quote_literal(value.hex())})"
        case datetime():
            # Times of a lake are UTC without a zone.
            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            text = f"TIMESTAMP {quote_literal(moment.isoformat(' '))}"
        case date():
            text = f"DATE {quote_literal(value.isoformat())}"
        case _:
            what = "text, a number, true or false, bytes, a date, None, or a list of them"
            raise QueryError(f"{column}: a condition on a {type(value).__name__}; give {what}")
    return text
