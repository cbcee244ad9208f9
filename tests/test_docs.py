"""What the README and the guide show is run here, in their order, in a folder with a checkout to work on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from codelake.functions import functions
from codelake.lake.schemas import TABLES
from codelake.sql import load, names

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(python|console|sql)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(name):
    return [(kind, text) for kind, text in BLOCK.findall((ROOT / name).read_text())]


def commands(name):
    """One shell line for each command, Python block and query."""
    for kind, text in blocks(name):
        if kind == "console":
            yield from ((line, None) for line in text.splitlines() if line.strip())
        elif kind == "python":
            yield ("python -", text)
        else:
            yield ("xargs -0 codelake sql", text)


@pytest.mark.parametrize("name", ["README.md", "docs/guide.md", "docs/sources.md", "docs/sql.md"])
def test_what_is_shown_runs(name, tmp_path, checkout):
    for number in range(30):
        (checkout / f"more{number}.py").write_text(
            "".join(f"def f{k}(x):\n    return x + {k * number}\n" for k in range(30))
        )
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": search, "POLARS_ICEBERG_PLANNER": "pyiceberg", "OMP_NUM_THREADS": "1"}
    ran = 0
    for command, text in commands(name):
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, input=text, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        ran += 1
    assert ran >= 9


def test_the_tables_page_is_that_of_the_schemas():
    assert (ROOT / "docs" / "tables.md").read_text() == tables_page()


def test_the_functions_page_is_that_of_the_session(lake):
    page = (ROOT / "docs" / "functions.md").read_text()
    assert page == functions_page()
    made = lake.sql("""
        SELECT function_name FROM duckdb_functions() WHERE NOT internal AND NOT starts_with(function_name, '_')
        UNION SELECT view_name FROM duckdb_views() WHERE NOT internal
    """)
    written = {function.name for function in functions(lambda name, when: "") if not function.name.startswith("_")}
    shown = set(re.findall(r"^\| `(\w+)", page, re.MULTILINE))
    assert {name for (name,) in made.fetchall()} - set(TABLES) | written == shown


def functions_page():
    """docs/functions.md, made from sql/macros, sql/views and the functions: `python tests/test_docs.py functions`."""
    macros = {name: load(f"macros/{name}") for name in names("macros")}
    of_tables = [name for name, text in macros.items() if " AS TABLE" in text]
    lines = [
        "# SQL functions",
        "",
        "What the SQL of a lake has beside the [tables](tables.md) and DuckDB's functions. Arguments may be named:",
        "`files_changed('1.0.0', b := '1.1.0')`. Made from `sql/` and `codelake/functions.py`.",
        "",
    ]
    for title, found in (
        ("Tables that take arguments", [(_signature(macros[name], name), macros[name]) for name in of_tables]),
        ("Views", [(name, load(f"views/{name}")) for name in names("views")]),
        (
            "Functions of a content or a path",
            [(_signature(text, name), text) for name, text in macros.items() if name not in of_tables],
        ),
    ):
        lines += [f"## {title}", "", "| name | what it gives |", "|---|---|"]
        lines += [f"| `{name}` | {_header(text)} |" for name, text in found]
        if title.startswith("Functions"):
            lines += [
                f"| `{function.name}({', '.join(function.parameters)})` | {function.doc} {function.returns}. |"
                for function in functions(lambda name, when: "")
                if not function.name.startswith("_")
            ]
        lines.append("")
    return "\n".join(lines)


def _signature(text, name):
    found = re.search(rf"CREATE OR REPLACE MACRO {name}\s*(\([^()]*\))", text)
    return name + " ".join(found[1].split())


def _header(text):
    """The comment a statement begins with, as one line."""
    comment = [line[2:] for line in text.split("CREATE OR REPLACE")[0].splitlines()]
    return " ".join(" ".join(comment).split()).replace("|", "\\|")


def tables_page():
    """docs/tables.md, made from the schemas: `python tests/test_docs.py > docs/tables.md` writes it anew."""
    lines = ["# Tables", "", "Made from `lake/schemas.py`. A type with ! is never NULL; times are UTC.", ""]
    for table in TABLES.values():
        lines += [f"## {table.name}", "", f"{table.doc}.", ""]
        if table.partition:
            lines += [
                f"Partitioned by {', '.join(table.partition)}; sorted by {', '.join(table.sort) or 'nothing'}.",
                "",
            ]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {doc} |" for name, kind, doc in table.columns]
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "page", [p.relative_to(ROOT).as_posix() for p in sorted(ROOT.glob("docs/**/*.md"))] + ["README.md"]
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


if __name__ == "__main__":
    sys.stdout.write(functions_page() if sys.argv[1:] == ["functions"] else tables_page())
