"""Notebooks: what Jupytext and nbformat make of the same file is the oracle."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.lake import linguist
from codelake.lake.notebooks import SYNTAXES, NotebookError, documents

PYTHON = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
# What the percent format cannot tell apart is left out: markers, quotes that stay open, line breaks other than \n.
LINES = st.sampled_from(
    [
        *("x = 1", "%time x", "  %time x", "!ls -l", "!ls \\\n  -l", "# note", "# %time", "# # !ls", "it's = 2", "x?"),
        *("cd ..", "ls = 3", "s = '''\n%time\nls\n'''", 'f("""\n# !a\n""")', "def f():\n    return 'é'"),
        *("y = %timeit x", "# why?", "@a", "a % b"),
    ]
)
PROSE = st.sampled_from(["# Title", "what it does", "- item", "", "> said", "why?", "é", "$x_1$", "    indented"])
CELLS = st.lists(
    st.tuples(st.just("code"), st.lists(LINES, min_size=1, max_size=5).map("\n".join))
    | st.tuples(st.sampled_from(["markdown", "raw"]), st.lists(PROSE, min_size=1).map("\n".join).map(str.strip)),
    min_size=1,
    max_size=6,
).filter(lambda cells: any(text for _, text in cells))


def notebook(*cells, metadata=PYTHON, **other):
    made = [{"cell_type": kind, "metadata": {}, "source": source} for kind, source in cells]
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": made, **other}


def read(value):
    return documents(json.dumps(value).encode())


def nbformat():
    return pytest.importorskip("nbformat", reason="nbformat is the oracle: pip install nbformat")


def jupytext():
    return pytest.importorskip("jupytext", reason="Jupytext is the oracle: pip install jupytext")


def percent_of_jupytext(value, extension):
    held = nbformat().from_dict(json.loads(json.dumps(value)))
    held.metadata["jupytext"] = {"notebook_metadata_filter": "-all"}
    return jupytext().writes(held, f"{extension[1:]}:percent")


def cells_of_jupytext(script, extension=".py"):
    return [(cell.cell_type, cell.source) for cell in jupytext().reads(script, f"{extension[1:]}:percent").cells]


def test_a_notebook_as_a_script_and_as_structured_text():
    found = read(
        notebook(
            ("markdown", "# Title\n\nWhat it does"),
            ("code", ["%matplotlib inline\n", "import numpy"]),
            ("code", "print(1)"),
            ("markdown", "Then"),
            ("markdown", "more"),
            ("raw", "raw"),
            ("code", "  "),
        )
    )
    assert (found.language, found.extension) == ("Python", ".py")
    assert found.script == (
        "# %% [markdown]\n# # Title\n#\n# What it does\n\n# %%\n# %matplotlib inline\nimport numpy\n\n"
        "# %%\nprint(1)\n\n# %% [markdown]\n# Then\n\n# %% [markdown]\n# more\n\n# %% [raw]\n# raw\n\n# %%\n  \n"
    )
    assert found.structured == (
        "<jupyter_start><jupyter_text># Title\n\nWhat it does<jupyter_code>%matplotlib inline\nimport numpy\nprint(1)"
        "<jupyter_text>Then\nmore"
    )


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        (
            "python",
            ['%%bash -x "é"\nls\n# %time', "%%html\n<b>\n", "%%time\nx", "a = !ls\n!ls \\\n  -l\nx", "", "# %time"],
        ),
        ("R", ["%get x\nprint(1)", "# %a\nx <- 'it'"]),
        ("julia", ["%time\nx = 1"]),
        ("javascript", ["%a\nlet x = 1 // %a", "// %b"]),
        ("c++", ["int x = 1;\n%lib"]),
        ("csharp", ['#!fsharp x\nvar y = "#!";']),
        ("rust", [':dep rand = "1"\nlet x = 1;']),
        ("go", ["!ls\n%env\nx := 1"]),
        ("matlab", ["% comment\n%% section\nx = 1"]),
        ("ocaml", ["let x = 1"]),
    ],
)
def test_the_script_is_the_one_jupytext_writes(name, sources):
    value = notebook(("markdown", "# A\n\nb"), *(("code", source) for source in sources), ("raw", "r"))
    value["metadata"] = {"kernelspec": {"name": name, "language": name, "display_name": name}}
    found = read(value)
    assert found.script == percent_of_jupytext(value, found.extension)


@settings(max_examples=200, deadline=None)
@given(CELLS)
def test_jupytext_reads_the_cells_back(cells):
    assert cells_of_jupytext(read(notebook(*cells)).script) == cells


@given(st.lists(st.tuples(st.sampled_from(["code", "markdown"]), TEXTS), max_size=5))
def test_texts_survive(cells):
    told = [(kind, text.replace("\r\n", "\n").replace("\r", "\n")) for kind, text in cells]
    if not any(text.strip() for _, text in told):
        with pytest.raises(NotebookError, match="empty"):
            read(notebook(*cells))
        return
    found = read(notebook(*cells))
    rest = found.structured
    assert rest.startswith("<jupyter_start>")
    for kind, text in told:
        if text.strip():
            assert text in rest
            rest = rest[rest.index(text) + len(text) :]
        assert all(line in found.script for line in text.split("\n")), kind
    assert rest == ""


def test_a_line_break_is_one_character_and_a_lone_surrogate_is_replaced():
    found = documents(rb'{"nbformat":4,"cells":[{"cell_type":"markdown","source":"a\r\nb\rc \ud800 \ud83d\ude00"}]}')
    assert found.script == "# %% [markdown]\n# a\n# b\n# c \ufffd \U0001f600\n"
    found.script.encode()


def test_outputs_and_metadata_are_in_neither_document():
    plain = notebook(("markdown", "# A"), ("code", "plot()"))
    full = json.loads(json.dumps(plain))
    full["metadata"] |= {"widgets": {"state": "SECRET"}, "authors": ["SECRET"], "toc": {"SECRET": 1}}
    full["cells"][0] |= {"attachments": {"SECRET.png": {"image/png": "SECRET"}}, "id": "SECRET"}
    full["cells"][1] |= {
        "execution_count": 7,
        "metadata": {"tags": ["SECRET"], "language": "SECRET"},
        "outputs": [{"output_type": "display_data", "data": {"image/png": "SECRET"}, "metadata": {}}],
    }
    assert read(full) == read(plain)


@pytest.mark.parametrize("version", [2, 3])
def test_older_notebooks_are_read_as_nbformat_upgrades_them(version):
    nb = nbformat()
    cells = [("markdown", "# A"), ("code", "x = 1\n%time x"), ("code", "y"), ("markdown", "é\nb")]
    old = getattr(nb, f"v{version}")
    made = old.new_worksheet(
        cells=[
            old.new_code_cell(input=text) if kind == "code" else old.new_text_cell(kind, source=text)
            for kind, text in cells
        ]
    )
    data = getattr(old, "writes", old.writes_json)(old.new_notebook(worksheets=[made]))
    upgraded = nb.writes(nb.reads(data, as_version=4))
    assert documents(data.encode()) == documents(upgraded.encode()) == read(notebook(*cells))


def test_headings_of_nbformat_3_are_markdown():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["One\n", "line"]},
        {"cell_type": "html", "source": "<b>"},
        {"cell_type": "code", "language": "julia", "input": ["x = 1", "y"]},
    ]
    found = read({"nbformat": 3, "worksheets": [{"cells": cells}]})
    assert found.language == "Julia"
    assert found.structured == "<jupyter_start><jupyter_text>## One line\n<b><jupyter_code>x = 1\ny"


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({}, "Python"),
        ({"language_info": {"name": "R"}}, "R"),
        ({"kernelspec": {"name": "ir", "display_name": "R"}}, "R"),
        ({"kernelspec": {"name": "julia-1.10"}}, "Julia"),
        ({"kernelspec": {"language": "C++17", "name": "xcpp17"}}, "C++"),
        ({"kernelspec": {"name": "python3", "language": ""}, "language_info": {"name": "scala"}}, "Scala"),
        ({"language_info": {"name": 3}, "kernelspec": ["python"]}, "Python"),
        ("not an object", "Python"),
    ],
)
def test_the_language_is_the_kernels(metadata, language):
    assert read(notebook(("code", "x"), metadata=metadata)).language == language


def test_every_language_is_one_linguist_knows_by_that_extension():
    known = json.loads((Path(linguist.__file__).parent / "data" / "linguist.json").read_text(encoding="utf-8"))
    for syntax in SYNTAXES.values():
        assert syntax.language in known["extensions"][syntax.extension], syntax


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "not an object"),
        (b'{"cells": []}', "no nbformat"),
        (b'{"nbformat": 5, "cells": []}', "none of 2, 3 and 4"),
        (b'{"nbformat": true, "cells": []}', "none of 2, 3 and 4"),
        (b'{"nbformat": %s}' % (b"9" * 100_000), "none of 2, 3 and 4"),
        (b'{"nbformat": 4}', "no list of cells"),
        (b'{"nbformat": 3, "cells": []}', "no list of worksheets"),
        (b'{"nbformat": 3, "worksheets": [1]}', "worksheet is not an object"),
        (b'{"nbformat": 4, "cells": []}', "every cell is empty"),
        (b'{"nbformat": 4, "cells": [7]}', "cell 1 is not an object"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "heading"}]}', "cell 1 is neither"),
        (b'{"nbformat": 4, "cells": [{"cell_type": ["code"]}]}', "cell 1 is neither"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 3}]}', "source of cell 1"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["a", 3]}]}', "source of cell 1"),
        (b'{"nbformat": 4, "cells": %s' % (b"[" * 200_000), "too deeply"),
    ],
)
def test_what_is_not_a_notebook_is_said_in_words(data, said):
    with pytest.raises(NotebookError, match=said):
        documents(data)


def test_a_language_without_a_script_is_named():
    with pytest.raises(NotebookError, match="'brainfuck'"):
        read(notebook(("code", "+"), metadata={"language_info": {"name": "brainfuck"}}))


def test_a_crafted_cell_is_read_in_linear_time():
    # Each of these is minutes of work for a pattern that backtracks; the suite's time limit is the assertion.
    for text in ("'''\\" * 100_000, "\\'" * 200_000, "# " * 200_000 + "x", " " * 400_000 + "x", "?" * 400_000 + "x"):
        read(notebook(("code", text)))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    try:
        documents(data)
    except NotebookError as error:
        assert str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ANY_CELL = JSON | st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw", "heading", "html"]) | JSON},
    optional={"source": JSON | st.text(), "input": JSON | st.lists(st.text()), "level": JSON, "language": JSON},
)
ANY_NOTEBOOK = st.fixed_dictionaries(
    {"nbformat": st.sampled_from([2, 3, 4])},
    optional={
        "cells": JSON | st.lists(ANY_CELL, max_size=3),
        "worksheets": JSON | st.lists(JSON | st.fixed_dictionaries({"cells": JSON | st.lists(ANY_CELL)}), max_size=2),
        "metadata": JSON | st.fixed_dictionaries({"kernelspec": JSON, "language_info": JSON}),
    },
)


@given(JSON | ANY_NOTEBOOK)
def test_any_json_is_read_or_refused(value):
    try:
        found = read(value)
    except NotebookError as error:
        str(error).encode()
    else:
        (found.script + found.structured + found.language + found.extension).encode()
