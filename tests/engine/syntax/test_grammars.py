"""Which grammar reads a language: Linguist's names against those of tree-sitter-language-pack and ast-grep."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from tree_sitter_language_pack import SupportedLanguage

from codelake.engine.errors import QueryError
from codelake.engine.syntax import grammars
from codelake.lake import linguist

LINGUIST = json.loads((Path(linguist.__file__).parent / "data" / "linguist.json").read_text())

# What Linguist has no name for.
OURS = {
    "Arduino", "Beancount", "CPON", "Chatito", "Comment", "DTD", "Doxygen", "F# Signature", "FunC", "GStreamer Launch",
    "Hyprlang", "JSDoc", "Kconfig", "Lua Pattern", "LuaDoc", "Magik", "Markdown Inline", "Not Quite C",
    "OCaml Interface", "PEM", "PSV", "Portable Game Notation", "Printf", "Python Manifest", "QML Directory", "TableGen",
    "Terraform", "Tree-sitter Test", "Udev Rules", "Ungrammar", "Uxntal", "WebAssembly Script", "Yuck", "re2c",
}  # fmt: skip


def test_every_grammar_of_the_pack_has_a_language():
    assert {grammars.grammar(name).tree_sitter for name in grammars.languages()} == set(get_args(SupportedLanguage))


def test_every_grammar_loads_and_parses():
    # In a process of its own: 170 libraries stay loaded until the end.
    code = (
        "from codelake.engine.syntax.grammars import languages, grammar\n"
        "from tree_sitter import Parser\n"
        "for name in languages():\n"
        # The one for COBOL never ends on this; see grammars.Grammar.trusted.
        "    assert name == 'COBOL' or Parser(grammar(name).language).parse(b'x = 1\\n').root_node\n"
        "print(len(languages()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 173


def test_languages_are_called_as_linguist_calls_them():
    known = set(LINGUIST["languages"])
    assert {name for name in grammars.languages() if name not in known} <= OURS
    assert not OURS & known


def test_what_ast_grep_reads_it_reads():
    # Asked for a language it has not, ast-grep panics, on standard error too.
    code = (
        "import ast_grep_py\n"
        "from codelake.engine.syntax.grammars import languages, grammar\n"
        "for name in languages():\n"
        "    if known := grammar(name).ast_grep:\n"
        "        ast_grep_py.SgRoot('x', known)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("python", "Python"),
        ("PYTHON", "Python"),
        (" Python ", "Python"),
        ("c++", "C++"),
        ("cpp", "C++"),
        ("csharp", "C#"),
        ("c#", "C#"),
        ("js", "JavaScript"),
        ("ts", "TypeScript"),
        ("tsx", "TSX"),
        ("bash", "Shell"),
        ("sh", "Shell"),
        ("objc", "Objective-C"),
        ("golang", "Go"),
        ("vue", "Vue"),
        ("md", "Markdown"),
        ("json", "JSON"),
        ("erb", "HTML+ERB"),
        ("dockerfile", "Dockerfile"),
    ],
)
def test_aliases(said, meant):
    assert grammars.grammar(said).name == meant


def test_an_alias_of_linguist_means_what_it_means_there():
    aliases = LINGUIST["aliases"]
    ours = {"terraform", "wast"}  # Linguist has no language of that name, the pack has a grammar
    for alias, language in aliases.items():
        if alias not in ours and grammars.known(alias):
            assert grammars.grammar(alias).name in {language, grammars.grammar(language).name}


@pytest.mark.parametrize(("name", "near"), [("pyton", "Python"), ("Javascrpt", "JavaScript"), ("Text", "near: ")])
def test_a_language_without_a_grammar_is_an_error_with_near_names(name, near):
    assert not grammars.known(name)
    with pytest.raises(QueryError, match=name) as caught:
        grammars.grammar(name)
    assert near in str(caught.value)
    assert "strict := false" in str(caught.value)
