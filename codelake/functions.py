"""The SQL functions written in Python that every lake's session has.

The engine may not know what a language, a licence or a release is, so what `lake` can tell comes to SQL here. Macros
and views, which may use these functions, are in sql/macros and sql/views: a file for each, made whatever their order.
"""

from collections.abc import Callable

import pyarrow as pa

from .engine.functions import Function


def functions(scan: Callable[[str, str | None], str]) -> list[Function]:
    """Every function, those for macros included. scan: the SELECT that reads a table at a release."""
    return [*attributes(), _scan(scan)]


def confined(scan: Callable[[str, str | None], str]) -> list[Function]:
    """Every function, for a process that may start no other and is ended when it takes too long."""
    from .engine.syntax.functions import Syntax

    return [*functions(scan), *Syntax(lambda: None, processes=0).functions()]


def attributes() -> list[Function]:
    """Functions of a path, a content or a licence alone, as curation computes them."""
    return [
        Function(
            name="detect_language",
            parameters={"path": "VARCHAR", "content": "VARCHAR"},
            returns="VARCHAR",
            call=_each(_detect_language, pa.string()),
            doc="The programming language of a file by Linguist's rules; NULL if none is known.",
        ),
        Function(
            name="is_vendored",
            parameters={"path": "VARCHAR"},
            returns="BOOLEAN",
            call=_each(_is_vendored, pa.bool_()),
            doc="Whether the path is that of a copy of somebody else's code, by Linguist's rules.",
        ),
        Function(
            name="is_generated",
            parameters={"path": "VARCHAR", "content": "VARCHAR"},
            returns="BOOLEAN",
            call=_each(_is_generated, pa.bool_()),
            doc="Whether a program wrote the file, by Linguist's rules.",
        ),
        Function(
            name="spdx_normalize",
            parameters={"text": "VARCHAR"},
            returns="VARCHAR",
            call=_each(_spdx_normalize, pa.string()),
            doc="A declared licence as an SPDX expression; NULL if it names none.",
        ),
        Function(
            name="license_family",
            parameters={"spdx": "VARCHAR"},
            returns="VARCHAR",
            call=_each(_license_family, pa.string()),
            doc="The kind of an SPDX expression, in the words of the column license_type.",
        ),
    ]


def _scan(scan: Callable[[str, str | None], str]) -> Function:
    def scans(names: pa.ChunkedArray, releases: pa.ChunkedArray) -> pa.Array:
        rows = zip(names.to_pylist(), releases.to_pylist(), strict=True)
        return pa.array([scan(name, when) for name, when in rows], pa.string())

    return Function(
        name="_scan",
        parameters={"table": "VARCHAR", "release": "VARCHAR"},
        returns="VARCHAR",
        call=scans,
        doc="The SELECT that reads a table at a release, a time, a commit or a snapshot: for the macro query().",
    )


def _each(call: Callable[..., object], returns: pa.DataType) -> Callable[..., pa.Array]:
    """`call` for each row; NULL where an argument is NULL."""

    def column(*arguments: pa.ChunkedArray) -> pa.Array:
        rows = zip(*(argument.to_pylist() for argument in arguments), strict=True)
        return pa.array([None if None in row else call(*row) for row in rows], returns)

    return column


def _detect_language(path: str, content: str) -> str | None:
    from .lake.linguist import detect

    return detect(path, content.encode())


def _is_vendored(path: str) -> bool:
    from .lake.linguist import is_vendor

    return is_vendor(path)


def _is_generated(path: str, content: str) -> bool:
    from .lake.linguist import is_generated

    return is_generated(path, content.encode())


def _spdx_normalize(text: str) -> str | None:
    from .lake.spdx import normalize

    return normalize(text)


def _license_family(spdx: str) -> str:
    from .lake.spdx import license_type

    return license_type(spdx)
