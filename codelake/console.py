"""The prompt of `codelake sql`: statements over several lines, completion, history, and commands that begin with a dot.

The same statements and commands can be run as a script.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped]

from .engine.duck import friendly
from .engine.errors import CodeLakeError, QueryError, nearest
from .engine.tables import partition_values
from .lake.schemas import TABLES
from .output import PRINTERS

if TYPE_CHECKING:
    from .api import Lake

# What may hold a semicolon that ends nothing; the last alternatives are their beginnings, whose end is still to come.
_PIECE = re.compile(
    r"""[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/|;"""
    r"""|(?P<open>['"]|\$\w*\$|/\*)|.""",
    re.DOTALL,
)
_QUOTED = re.compile(r"(?:(\w+)\s*(?:=|<>|!=|:=|\bI?LIKE|\bIN\s*\([^()]*?)\s*)?'((?:[^']|'')*)$", re.IGNORECASE)
_WORD = re.compile(r"\.?\w*$")
_MOST_FILES = 20
_VALUES = ("language", "license", "license_type")

HELP = """\
A statement ends with ; and may take several lines. Ctrl-C ends a query, Ctrl-D the console. Tab completes.
.tables              the tables and views
.schema [TABLE]      columns of a table, or of all
.mode table|json|csv how results are printed
.timer on|off        print how long a statement took
.at RELEASE          ask the lake as of a release, time, commit or snapshot; .at now
.read FILE           run the statements in a file
.help                this
.quit                leave
"""


def split(text: str) -> tuple[list[str], str]:
    """The statements of `text` that end with a semicolon, without it, and what comes after the last one."""
    statements = []
    start = 0
    for piece in _PIECE.finditer(text):
        if piece["open"]:
            break
        if piece[0] == ";":
            statements.append(text[start : piece.start()].strip())
            start = piece.end()
    return [statement for statement in statements if statement], text[start:]


def history_file() -> Path:
    """Where the console remembers what was typed: the user's state folder (XDG), made if need be."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "codelake"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "history"


class Quit(Exception):
    """The user wants to leave."""


class Console:
    """Runs statements and dot commands, and prints what they give. Use it in `with`."""

    def __init__(self, lake: "Lake", mode: str = "table", when: str | None = None) -> None:
        self.lake = self.present = lake
        self.mode = mode
        self.timer = False
        self.when = ""
        self._reading = 0
        self._past = ExitStack()
        self._commands: dict[str, Callable[[str], None]] = {
            ".tables": self._tables,
            ".schema": self._schema,
            ".mode": self._mode,
            ".timer": self._timer,
            ".at": self._at,
            ".read": self._read,
            ".help": lambda _: click.echo(HELP, nl=False),
            ".quit": self._quit,
            ".exit": self._quit,
        }
        if when is not None:
            self._at(when)

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        self._past.close()

    @property
    def commands(self) -> list[str]:
        """The names of the dot commands."""
        return sorted(self._commands)

    def run(self, text: str) -> bool:
        """Run statements, the last of which may lack its semicolon, or one dot command; whether all went well.

        What is wrong is said on standard error, and ends the run. Raises Quit, and KeyboardInterrupt after Ctrl-C.
        """
        try:
            self._run(text)
        except CodeLakeError as error:
            click.echo(f"Error: {error}", err=True)
            return False
        except Exception as error:
            if (message := friendly(error)) is None:
                raise
            click.echo(f"Error: {message}", err=True)
            return False
        return True

    def _run(self, text: str) -> None:
        if text.lstrip().startswith("."):
            self._command(text.strip())
            return
        statements, rest = split(text)
        for statement in [*statements, rest]:
            if _says(statement):
                self._statement(statement)

    def _statement(self, text: str) -> None:
        started = time.perf_counter()
        self.lake.session().attended(lambda: PRINTERS[self.mode](self.lake.sql(text)))
        if self.timer:
            click.echo(f"{time.perf_counter() - started:.3f} s", err=True)

    def _command(self, text: str) -> None:
        name, _, argument = text.rstrip(";").partition(" ")
        command = self._commands.get(name)
        if command is None:
            close = nearest(name, self.commands, count=1)
            raise QueryError(f"{name}: no such command; {f'nearest: {close[0]}' if close else '.help lists them'}")
        command(argument.strip())

    def _tables(self, _: str) -> None:
        query = """
            SELECT view_name AS name, string_agg(column_name, ', ' ORDER BY column_index) AS columns
            FROM duckdb_views() JOIN duckdb_columns() ON view_name = table_name
            WHERE NOT duckdb_views.internal GROUP BY ALL ORDER BY ALL
        """
        PRINTERS[self.mode](self.lake.sql(query))

    def _schema(self, name: str) -> None:
        columns = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
        if not name:
            PRINTERS[self.mode](self.lake.sql(f"{columns} ORDER BY table_name, column_index"))
            return
        docs = {column: doc for column, _, doc in TABLES[name].columns} if name in TABLES else {}
        found = self.lake.sql(f"{columns} AND table_name = ? ORDER BY column_index", params=[name]).fetchall()
        if not found:
            names = [
                row[0] for row in self.lake.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
            ]
            close = nearest(name, names) or sorted(names)
            raise QueryError(f"no table {name!r}; nearest: {', '.join(close)}")
        rows = [(column, kind, docs.get(column, "")) for _, column, kind in found]
        values = ", ".join(f"({', '.join('?' * 3)})" for _ in rows)
        query = f"SELECT * FROM (VALUES {values}) AS t(column_name, data_type, meaning)"
        PRINTERS[self.mode](self.lake.sql(query, params=[value for row in rows for value in row]))

    def _mode(self, mode: str) -> None:
        if mode not in PRINTERS:
            raise QueryError(f".mode {mode}: write {', '.join(PRINTERS)}")
        self.mode = mode

    def _timer(self, state: str) -> None:
        if state not in {"on", "off"}:
            raise QueryError(f".timer {state}: write on or off")
        self.timer = state == "on"

    def _at(self, when: str) -> None:
        if not when:
            raise QueryError(".at: name a release, time, commit or snapshot; .at now for the present")
        lake = self.present if when == "now" else self.present.at(when)
        self._past.close()
        if lake is not self.present:
            self._past.enter_context(lake)
        self.lake, self.when = lake, "" if when == "now" else when

    def _read(self, name: str) -> None:
        try:
            text = Path(name).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise QueryError(f".read {name}: {error}") from error
        if self._reading > _MOST_FILES:
            raise QueryError(f".read {name}: files that read files, {_MOST_FILES} deep")
        self._reading += 1
        try:
            for part in _parts(text):
                self._run(part)
        finally:
            self._reading -= 1

    def _quit(self, _: str) -> None:
        raise Quit


def _says(statement: str) -> bool:
    """Whether there is more in it than blanks and comments."""
    return any(not piece[0].isspace() and piece[0][:2] not in {"--", "/*"} for piece in _PIECE.finditer(statement))


class Names(Completer):
    """Completes dot commands, and in SQL tables, columns, functions, keywords, and languages and licences in quotes."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterator[Completion]:
        """What the text before the cursor may go on with."""
        before = document.text_before_cursor
        statement = split(before)[1]
        if before.lstrip().startswith("."):
            yield from self._of_a_command(before.lstrip())
        elif (quoted := _QUOTED.search(statement)) and statement.count("'") % 2:
            column = (quoted[1] or "").lower()
            values = self.values.get(column) or sorted(set().union(*self.values.values()))
            for value in values:
                if value.casefold().startswith(quoted[2].casefold()):
                    yield Completion(value.replace("'", "''"), start_position=-len(quoted[2]), display_meta=column)
        elif (word := _WORD.search(statement)) and word[0]:
            yield from _matching(word[0], self._words(statement[: word.start()]))

    def _of_a_command(self, text: str) -> Iterator[Completion]:
        name, space, argument = text.partition(" ")
        if not space:
            yield from _matching(name, ((command, "") for command in self.console.commands))
            return
        choices: dict[str, Callable[[], Iterable[str]]] = {
            ".schema": lambda: self.tables,
            ".mode": lambda: PRINTERS,
            ".timer": lambda: ("on", "off"),
            ".at": lambda: ["now", *(release.version for release in self.console.present.releases())],
        }
        yield from _matching(argument, ((choice, "") for choice in choices.get(name, tuple)()))

    def _words(self, before: str) -> Iterator[tuple[str, str]]:
        yield from ((name, "table") for name in self.tables)
        if not re.search(r"\b(from|join)\s+$", before, re.IGNORECASE):
            yield from ((name, "column") for name in self.columns)
            yield from ((name, "keyword") for name in self.keywords)
        yield from ((name, "function") for name in self.functions)

    def _asked(self, query: str) -> list[str]:
        return [str(row[0]) for row in self.console.present.sql(query).fetchall()]

    @cached_property
    def tables(self) -> list[str]:
        """Tables and views."""
        return self._asked("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1")

    @cached_property
    def columns(self) -> list[str]:
        """Columns of all of them."""
        return self._asked("SELECT DISTINCT column_name FROM duckdb_columns() WHERE NOT internal ORDER BY 1")

    @cached_property
    def functions(self) -> list[str]:
        """Functions that can be called by a name, ours and DuckDB's."""
        pattern = "^[a-z][a-z0-9_]*$"
        return self._asked(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            f"WHERE regexp_matches(function_name, '{pattern}') AND function_type <> 'pragma' ORDER BY 1"
        )

    @cached_property
    def keywords(self) -> list[str]:
        """SQL's words, in capitals."""
        return self._asked("SELECT DISTINCT upper(keyword_name) FROM duckdb_keywords() ORDER BY 1")

    @cached_property
    def values(self) -> dict[str, list[str]]:
        """Column -> the values it has in `code`."""
        code = self.console.present.tables()["code"]
        found = {name: partition_values(code, name) for name in _VALUES}
        return {
            name: values
            if values is not None
            else self._asked(f"SELECT DISTINCT {name} FROM code WHERE {name} IS NOT NULL ORDER BY 1")
            for name, values in found.items()
        }


def _matching(word: str, choices: Iterable[tuple[str, str]]) -> Iterator[Completion]:
    for choice, kind in choices:
        if choice.casefold().startswith(word.casefold()):
            yield Completion(choice, start_position=-len(word), display_meta=kind)


def prompt(lake: "Lake", mode: str = "table", when: str | None = None) -> None:
    """Ask at the terminal until the user leaves. mode, when: of .mode and .at, to begin with."""
    with Console(lake, mode, when) as console:
        session: PromptSession[str] = PromptSession(
            history=FileHistory(str(history_file())),
            completer=Names(console),
            complete_while_typing=False,
            lexer=PygmentsLexer(SqlLexer),
            multiline=Condition(lambda: _goes_on(session.default_buffer.text)),
            prompt_continuation=lambda width, _line, _soft: "·".rjust(width - 1) + " ",
        )
        click.echo(f"{lake.place.location}; .help for help, .quit to leave", err=True)
        while True:
            try:
                text = session.prompt(f"codelake{f' {console.when}' if console.when else ''}> ")
            except KeyboardInterrupt:
                continue  # what was typed is dropped
            except EOFError:
                return
            try:
                console.run(text)
            except KeyboardInterrupt:
                click.echo("interrupted", err=True)
            except Quit:
                return


def _goes_on(text: str) -> bool:
    """Whether Enter begins a new line: inside a statement that has no semicolon yet."""
    if not text.strip() or text.lstrip().startswith("."):
        return False
    return _says(split(text)[1]) or not split(text)[0]


def script(lake: "Lake", text: str, mode: str = "table", when: str | None = None) -> bool:
    """Run the statements and dot commands of `text`, until one fails; whether none did."""
    with Console(lake, mode, when) as console:
        try:
            return all(console.run(part) for part in _parts(text))
        except Quit:
            return True


def _parts(text: str) -> Iterator[str]:
    """Runs of statements, and dot commands, which stand on lines of their own between them."""
    waiting = ""
    for line in text.splitlines(keepends=True):
        if line.startswith(".") and not _says(split(waiting)[1]):
            yield from [waiting, line]
            waiting = ""
        else:
            waiting += line
    yield waiting
