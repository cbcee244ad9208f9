"""A Jupyter notebook as two documents: a script, and structured text. Outputs, images and metadata are in neither.

Both follow StarCoder2 (arXiv:2402.19173, sections 2.4.1 and 5.4), as the Kaggle notebooks there, which have no outputs.
The **script** is Jupytext's percent format without its header: every cell under a marker, Markdown as comments, magics
commented out; `jupytext.reads(script, "py:percent")` gives the cells back. (StarCoder2 trains on `<jupyter_script>` and
the script; that token belongs to the layout of a sequence, not to the file.) The **structured** text is
`<jupyter_start>`, then `<jupyter_text>` and `<jupyter_code>` before each run of Markdown and of code cells; cells of a
run are joined by a line break, blank cells left out. StarCoder2 keeps only notebooks of Python there; here the
language is told, and whoever reads chooses. Text that looks like a marker or a token is left as its author wrote it;
the blank lines that Jupytext adds behind a definition are not added.

Only what `json` reads is needed: nbformat 4, and 3 and 2, whose cells lie in worksheets.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

START, TEXT, CODE = "<jupyter_start>", "<jupyter_text>", "<jupyter_code>"
"""StarCoder2's sentinel tokens, arXiv:2402.19173, table 5."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAK = re.compile(r"\r\n?")

# What Jupytext takes for a magic (jupytext/magics.py of 1.19): one that is a comment already gets one more prefix, so
# that reading removes exactly one. MATLAB and the languages below with "%" comments have none.
_PYTHON_MAGIC = re.compile(
    r"\s*(?:# |#)*%{1,3}[A-Za-z]"  # %time, %%bash, %%%sql
    r"|\s*(?:(?:# |#)+\s*)?[?!]\s*[A-Za-z.~$\\/{}]"  # !ls, ?help
    r"|(?:# |#)*\s*[A-Za-z_][\w$]*\s*=\s*(?:%{1,3}|!)[A-Za-z]"  # files = !ls
    r"|\s*(?:# )*\S*\?\s*$"  # help?
    r"|(?:# |#)*(?:cat|cd|cp|mv|rm|rmdir|mkdir|copy|ddir|echo|ls|ldir|ren)(?:$|\s$|\s[^=,])",  # automagic: ls -l
    re.ASCII,
)
_MAGIC_STARTS = {"C#": r"#![A-Za-z]", "Go": r"(?:!\*?|%{1,3})[A-Za-z]", "Rust": r":[A-Za-z]"}
# `%%bash` and its like: the rest of such a cell is not in the notebook's language. Those that Jupytext knows.
_CELL_MAGIC = re.compile(
    r"%%(R|bash|sh|python[23]?|javascript|js|perl|html|latex|markdown|pypy|ruby|script|svg|matlab|octave|sas|spark|sql"
    r"|cython|haskell|tcl|gnuplot|julia|scala|powershell|lua|go|rust|java|groovy|csharp|fsharp|typescript|stata)"
    r"(?: (.*))?"
)
# Strings and comments of Python, so that a line inside '''...''' is not taken for a magic; every branch runs to the end
# of what it began, which keeps the search linear.
_PYTHON_QUOTED = re.compile(
    r"'''(?:\\.?|[^\\])*?(?:'''|\Z)"
    r'|"""(?:\\.?|[^\\])*?(?:"""|\Z)'
    r"|'(?:\\.|[^'\\\n])*'?"
    r'|"(?:\\.|[^"\\\n])*"?|#[^\n]*',
    re.DOTALL,
)


class NotebookError(ValueError):
    """What was read is not a notebook that can be made into documents; the message says why."""


class Syntax(NamedTuple):
    """How scripts of a language are written. language: Linguist's name. suffix: what ends a comment, if anything."""

    language: str
    extension: str
    prefix: str = "#"
    suffix: str = ""


@dataclass(frozen=True)
class Documents:
    """The two documents of one notebook. language: Linguist's name for its kernel's. extension: a script's, `.py`."""

    language: str
    extension: str
    script: str
    structured: str


class _Cell(NamedTuple):
    kind: str  # code, markdown or raw
    text: str


_PYTHON = Syntax("Python", ".py")
_SHELL = Syntax("Shell", ".sh")

# By the names that kernels give themselves in `language_info.name` and `kernelspec.language`, in lower case.
SYNTAXES: dict[str, Syntax] = {
    "python": _PYTHON,
    "ipython": _PYTHON,
    "python2": _PYTHON,
    "python3": _PYTHON,
    "pyspark": _PYTHON,
    "r": Syntax("R", ".r"),
    "ir": Syntax("R", ".r"),
    "julia": Syntax("Julia", ".jl"),
    "bash": _SHELL,
    "sh": _SHELL,
    "shell": _SHELL,
    "zsh": _SHELL,
    "c": Syntax("C", ".c", "//"),
    "c++": Syntax("C++", ".cpp", "//"),
    "c#": Syntax("C#", ".cs", "//"),
    "csharp": Syntax("C#", ".cs", "//"),
    "clojure": Syntax("Clojure", ".clj", ";;"),
    "coffeescript": Syntax("CoffeeScript", ".coffee"),
    "common-lisp": Syntax("Common Lisp", ".lisp", ";;"),
    "elixir": Syntax("Elixir", ".ex"),
    "erlang": Syntax("Erlang", ".erl", "%"),
    "f#": Syntax("F#", ".fsx", "//"),
    "fsharp": Syntax("F#", ".fsx", "//"),
    "fortran": Syntax("Fortran Free Form", ".f90", "!"),
    "gnuplot": Syntax("Gnuplot", ".gp"),
    "go": Syntax("Go", ".go", "//"),
    "groovy": Syntax("Groovy", ".groovy", "//"),
    "haskell": Syntax("Haskell", ".hs", "--"),
    "idl": Syntax("IDL", ".pro", ";"),
    "java": Syntax("Java", ".java", "//"),
    "javascript": Syntax("JavaScript", ".js", "//"),
    "js": Syntax("JavaScript", ".js", "//"),
    "kotlin": Syntax("Kotlin", ".kts", "//"),
    "logtalk": Syntax("Logtalk", ".lgt", "%"),
    "lua": Syntax("Lua", ".lua", "--"),
    "matlab": Syntax("MATLAB", ".m", "%"),
    "ocaml": Syntax("OCaml", ".ml", "(*", "*)"),
    "octave": Syntax("MATLAB", ".m", "%"),
    "perl": Syntax("Perl", ".pl"),
    "php": Syntax("PHP", ".php", "//"),
    "powershell": Syntax("PowerShell", ".ps1"),
    "prolog": Syntax("Prolog", ".pl", "%"),
    "q": Syntax("q", ".q", "/"),
    "qsharp": Syntax("Q#", ".qs", "//"),
    "racket": Syntax("Racket", ".rkt", ";;"),
    "raku": Syntax("Raku", ".raku"),
    "robotframework": Syntax("RobotFramework", ".robot"),
    "ruby": Syntax("Ruby", ".rb"),
    "rust": Syntax("Rust", ".rs", "//"),
    "sage": Syntax("Sage", ".sage"),
    "sagemath": Syntax("Sage", ".sage"),
    "sas": Syntax("SAS", ".sas", "/*", "*/"),
    "scala": Syntax("Scala", ".scala", "//"),
    "scheme": Syntax("Scheme", ".scm", ";;"),
    "scilab": Syntax("Scilab", ".sci", "//"),
    "sql": Syntax("SQL", ".sql", "--"),
    "stata": Syntax("Stata", ".do", "//"),
    "swift": Syntax("Swift", ".swift", "//"),
    "tcl": Syntax("Tcl", ".tcl"),
    "typescript": Syntax("TypeScript", ".ts", "//"),
    "wolfram language": Syntax("Wolfram Language", ".wl", "(*", "*)"),
    "xonsh": Syntax("Xonsh", ".xsh"),
}


def documents(data: bytes) -> Documents:
    """The two documents of a notebook file, the same for the same cells whatever its outputs and metadata hold.

    Line breaks become "\\n" and lone surrogates U+FFFD. Raises NotebookError, and nothing else, for what is not JSON,
    not a notebook of nbformat 2 to 4, damaged, without a word in any cell, or in a language no script is known for.
    """
    try:
        # Numbers are never used but for `nbformat`; as floats they cost the same however many digits they have.
        notebook = json.loads(data, parse_int=float)
    except RecursionError:
        raise NotebookError("it is nested too deeply to be a notebook") from None
    except ValueError as error:
        raise NotebookError(f"it is not JSON: {error}") from error
    if not isinstance(notebook, dict):
        raise NotebookError("its JSON is not an object")
    raw_cells, version = _raw_cells(notebook)
    cells = [_cell(raw, number, version) for number, raw in enumerate(raw_cells, 1)]
    if not any(cell.text.strip() for cell in cells):
        raise NotebookError("every cell is empty")
    syntax = _syntax(notebook, raw_cells)
    return Documents(syntax.language, syntax.extension, _script(cells, syntax), _structured(cells))


def _raw_cells(notebook: dict[str, object]) -> tuple[list[object], int]:
    version = notebook.get("nbformat")
    if not isinstance(version, float) or version not in {2, 3, 4}:
        raise NotebookError("it has no nbformat" if version is None else "its nbformat is none of 2, 3 and 4")
    if version == 4:
        return _list(notebook.get("cells"), "cells"), 4
    cells: list[object] = []
    for worksheet in _list(notebook.get("worksheets"), "worksheets"):
        if not isinstance(worksheet, dict):
            raise NotebookError("a worksheet is not an object")
        cells += _list(worksheet.get("cells"), "cells")
    return cells, int(version)


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise NotebookError(f"it has no list of {name}")
    return value


def _cell(raw: object, number: int, version: int) -> _Cell:
    if not isinstance(raw, dict):
        raise NotebookError(f"cell {number} is not an object")
    kind = str(raw.get("cell_type"))
    if kind in {"code", "markdown", "raw"}:
        source = raw.get("input" if kind == "code" and version < 4 else "source", "")
    elif version < 4 and kind in {"heading", "html"}:
        source = raw.get("source", "")
    else:
        raise NotebookError(f"cell {number} is neither code, markdown nor raw")
    text = _clean(_joined(source, number, version))
    if kind == "heading":
        level = raw.get("level")
        hashes = "#" * int(level) if isinstance(level, float) and 1 <= level <= 6 else "#"
        return _Cell("markdown", f"{hashes} {' '.join(text.splitlines())}")
    return _Cell("markdown" if kind == "html" else kind, text)


def _joined(source: object, number: int, version: int) -> str:
    if isinstance(source, str):
        return source
    if not isinstance(source, list) or not all(isinstance(line, str) for line in source):
        raise NotebookError(f"the source of cell {number} is neither a string nor a list of strings")
    # Before nbformat 4 some writers left the line breaks out; nbformat reads such a list the same way.
    bare = version < 4 and source and not source[0].endswith(("\n", "\r"))
    return ("\n" if bare else "").join(source)


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", _LINE_BREAK.sub("\n", text))


def _syntax(notebook: dict[str, object], cells: list[object]) -> Syntax:
    """From language_info.name, else kernelspec.language, else the first code cell's own, else the kernel's name."""
    named = [str(name) for name in _language_names(notebook, cells) if isinstance(name, str) and name.strip()]
    if not named:
        return _PYTHON
    name = named[0].strip().lower()
    # Kernels put their version behind: C++17, julia-1.10.
    syntax = SYNTAXES.get(name) or SYNTAXES.get(re.sub(r"[-_ ]?[\d.]+$", "", name[-100:]))
    if syntax is None:
        raise NotebookError(f"no script is known for its kernel's language, {_clean(named[0])[:50]!r}")
    return syntax


def _language_names(notebook: dict[str, object], cells: list[object]) -> Iterator[object]:
    metadata = notebook.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kernel = metadata.get("kernelspec")
    for holder, key in ((metadata.get("language_info"), "name"), (kernel, "language")):
        if isinstance(holder, dict):
            yield holder.get(key)
    yield from (cell.get("language") for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code")
    if isinstance(kernel, dict):
        yield kernel.get("name")


def _script(cells: list[_Cell], syntax: Syntax) -> str:
    return "\n\n".join("\n".join(_percent(cell, syntax)) for cell in cells) + "\n"


def _percent(cell: _Cell, syntax: Syntax) -> list[str]:
    lines = cell.text.split("\n")
    if cell.kind != "code":
        return [_comment(f"%% [{cell.kind}]", syntax), *(_comment(line, syntax) for line in lines)]
    if syntax is _PYTHON and (magic := _CELL_MAGIC.fullmatch(lines[0])):
        arguments = "" if magic[2] is None else f" magic_args={json.dumps(magic[2])}"
        marker = f'%%{arguments} language="{magic[1]}"'
        return [_comment(marker, syntax), *(_comment(line, syntax) for line in lines[1:])]
    code = lines if cell.text else []
    return [_comment("%%", syntax), *_without_magics(code, cell.text, syntax)]


def _comment(line: str, syntax: Syntax) -> str:
    return " ".join(part for part in (syntax.prefix, line, syntax.suffix) if part)


def _without_magics(lines: list[str], text: str, syntax: Syntax) -> Iterator[str]:
    magic = _magic(syntax)
    if magic is None:
        yield from lines
        return
    quoted = _quoted_lines(text) if syntax is _PYTHON else frozenset()
    continued = False
    for number, line in enumerate(lines):
        if number not in quoted and (continued or magic.match(line)):
            indent = "" if continued else line[: len(line) - len(line.lstrip())]
            yield indent + _comment(line[len(indent) :], syntax)
            continued = syntax is _PYTHON and line.rstrip().endswith("\\")
        else:
            continued = False
            yield line


def _magic(syntax: Syntax) -> re.Pattern[str] | None:
    if syntax is _PYTHON:
        return _PYTHON_MAGIC
    if syntax.prefix == "%" or syntax.language == "SAS":
        return None
    prefix = re.escape(syntax.prefix)
    return re.compile(rf"\s*(?:{prefix} |{prefix})*(?:{_MAGIC_STARTS.get(syntax.language, '%{1,3}[A-Za-z]')})")


def _quoted_lines(text: str) -> frozenset[int]:
    """The numbers of the lines that begin inside a string of Python, from 0."""
    found: set[int] = set()
    line, position = 0, 0
    for quoted in _PYTHON_QUOTED.finditer(text):
        line += text.count("\n", position, quoted.start())
        inside = quoted[0].count("\n")
        found.update(range(line + 1, line + inside + 1))
        line, position = line + inside, quoted.end()
    return frozenset(found)


def _structured(cells: list[_Cell]) -> str:
    """Raw cells are neither code nor prose to a reader of the notebook, and StarCoder2 has no token for them."""
    told = [cell for cell in cells if cell.kind != "raw" and cell.text.strip()]
    parts = [START]
    for kind, run in groupby(told, key=lambda cell: cell.kind):
        parts.append((CODE if kind == "code" else TEXT) + "\n".join(cell.text for cell in run))
    return "".join(parts)
