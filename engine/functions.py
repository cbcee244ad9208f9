"""What a SQL function written in Python is: a name, SQL types, and a function of Arrow arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Function:
    """One scalar SQL function.

    parameters: name -> SQL type, in order; returns: SQL type. call: gets a pa.ChunkedArray of at most 2,048 rows for
    each parameter, NULLs included, from several threads at once, and returns one pa.Array of as many rows; an exception
    ends the query, so what is wrong with one row is told by its value. volatile: not the same for the same arguments.
    doc: one sentence for docs/functions.md; a name that begins with _ is for macros, not for users.
    """

    name: str
    parameters: Mapping[str, str]
    returns: str
    call: Callable[..., pa.Array]
    doc: str
    volatile: bool = False
