"""What the README and the guide show is run here, in their order, in a folder with a checkout to work on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from codelake.lake.schemas import TABLES

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
    sys.stdout.write(tables_page())
