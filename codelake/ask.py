"""What `codelake sql` does: one query, an explanation, a query nobody vouches for, a script, or the prompt."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .engine.duck import Relation, relation_of
from .engine.errors import QueryError
from .output import PRINTERS, export
from .show import json_line

if TYPE_CHECKING:
    from .api import Lake


def query(lake: "Lake", text: str, params: Sequence[str], mode: str, out: Path | None) -> None:
    """Run one query and print its result, or write it to a file. Raises KeyboardInterrupt after Ctrl-C."""
    lake.session().attended(lambda: _give(lake.sql(text, params=params or None), mode, out))


def explain(lake: "Lake", text: str, params: Sequence[str], *, analyze: bool, as_json: bool) -> None:
    """Print what a query reads."""
    found = lake.session().attended(lambda: lake.explain(text, params=params or None, analyze=analyze))
    if as_json:
        json_line(found.to_dict())
    else:
        click.echo(str(found))


def untrusted(lake: "Lake", text: str, params: Sequence[str], mode: str, out: Path | None) -> None:
    """Run one query in a sandbox. Raises QueryError for parameters, which it has no place for."""
    if params:
        raise QueryError("untrusted SQL takes no parameters; write the values into it")
    with lake.untrusted() as sandbox:
        answer = sandbox.sql(text)
    if answer.table.num_columns:
        _give(relation_of(answer.table), mode, out)
    if answer.truncated:
        click.echo(answer.truncated, err=True)


def without_query(lake: "Lake", mode: str, when: str | None) -> bool:
    """The prompt on a terminal, or the statements on standard input; whether none of these failed."""
    from . import console

    if sys.stdin.isatty() and sys.stdout.isatty():
        console.prompt(lake, mode, when)
        return True
    text = sys.stdin.read()
    if not text.strip():
        raise click.UsageError("give a QUERY, or statements on standard input")
    return console.script(lake, text, mode, when)


def _give(relation: Relation, mode: str, out: Path | None) -> None:
    if out is None:
        PRINTERS[mode](relation)
    else:
        rows = export(relation, out)
        click.echo(f"{rows:,} rows written to {out}", err=True)
