import json
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from codelake.lake import linguist
from codelake.lake.linguist import detect

DATA = json.loads((Path(linguist.__file__).parent / "data" / "linguist.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("Makefile", "Makefile"),
        ("deploy/Dockerfile", "Dockerfile"),
        ("src/CMakeLists.txt", "CMake"),
        (".bashrc", "Shell"),
        ("LICENSE", "Text"),
        ("go.mod", "Go Module"),
        ("package.json", "JSON"),
        ("tsconfig.json", "JSON with Comments"),
        ("SHOUT.PY", "Python"),
        ("stubs.pyi", "Python"),
        ("notes.ipynb", "Jupyter Notebook"),
        ("a.json", "JSON"),
        ("a.toml", "TOML"),
        ("a.cu", "Cuda"),
        ("a.cuh", "Cuda"),
        ("a.f90", "Fortran Free Form"),
        ("view.blade.php", "Blade"),
        ("build.gradle.kts", "Gradle Kotlin DSL"),
        ("types.d.ts", "TypeScript"),
        ("a.tsx", "TSX"),
        ("a.rs", "Rust"),
        ("a.md", "Markdown"),
        ("a.sql", "SQL"),
        ("a.txt", "Text"),
    ],
)
def test_a_name_is_enough(path: str, language: str) -> None:
    assert detect(path, b"") == language


@pytest.mark.parametrize("path", ["", "/", "dir/", "unknown", "a.unknown", "foo.tar.gz", "a.", "...", "a.b/c", "a.py/"])
def test_names_no_rule_knows(path: str) -> None:
    assert detect(path, b"x = 1\n") is None


@pytest.mark.parametrize(
    ("path", "content", "language"),
    [
        ("a.h", b"int f(void);\n", "C"),
        ("a.h", b"#include <vector>\nclass A {};\n", "C++"),
        ("a.h", b'#import "x.h"\n@interface A\n@end\n', "Objective-C"),
        ("a.m", b"#import <F/F.h>\n@implementation A\n@end\n", "Objective-C"),
        ("a.m", b"% mean\nfunction y = f(x)\nend\n", "MATLAB"),
        ("a.m", b"(* sum *)\nf[x_] := x\n", "Wolfram Language"),
        ("a.pl", b"use strict;\nmy $x = 1;\n", "Perl"),
        ("a.pl", b"p(X) :- q(X).\n", "Prolog"),
        ("a.pl", b"use v6;\nsay 1;\n", "Raku"),
        ("a.ts", b"let x: number = 1\n", "TypeScript"),
        ("a.ts", b'<TS version="2.1">\n', "XML"),
        ("a.rs", b"fn main() {}\n", "Rust"),
        ("a.md", b'(define_insn "x")\n', "GCC Machine Description"),
        ("a.sql", b"CREATE FUNCTION f() RETURNS int AS $$ x $$ LANGUAGE plpgsql;", "PLpgSQL"),
        ("a.inc", b"<?php\necho 1;\n", "PHP"),
        ("a.v", b"module m(input a);\nendmodule\n", "Verilog"),
        ("a.v", b"Require Import List.\n", "Rocq Prover"),
        ("a.yml", b"openapi: 3.0.1\n", "OASv3-yaml"),
        ("a.yml", b"a: 1\n", "YAML"),
        ("a.cs", b"using System;\n", "C#"),
        ("a.r", b"x <- 1\n", "R"),
        ("a.asm", b"MOVEQ.L #1,d0\n", "Motorola 68K Assembly"),
        ("a.txt", b"127.0.0.1 localhost localhost.localdomain\n", "Hosts File"),
        ("a.pod", b"=begin pod\n", "Pod 6"),
        ("a.pod", b"=head1 NAME\n", "Pod"),
        ("a.bf", b"using System;\nnamespace X {}\n", "Beef"),
    ],
)
def test_content_decides_between_languages_of_one_extension(path: str, content: bytes, language: str) -> None:
    assert detect(path, content) == language


@pytest.mark.parametrize(
    ("line", "language"),
    [
        (b"#!/bin/sh", "Shell"),
        (b"#! /usr/bin/perl -w\r", "Perl"),
        (b"#!/usr/bin/env python3", "Python"),
        (b"#!/usr/bin/python3.11", "Python"),
        (b"#!/usr/bin/env -S FOO=1 perl5.36.0 -w", "Perl"),
        (b"#!/usr/bin/env -u PYTHONPATH -i ruby-3.2", "Ruby"),
        (b"#!/usr/bin/env -Spython3 -u", "Python"),
        (b"#!/usr/bin/env -S uv run --script", "Python"),
        (b"#!/usr/bin/env node", "JavaScript"),
        (b'#!/bin/sh\n# \\\nexec tclsh "$0" ${1+"$@"}', "Tcl"),
        (b"#!/bin/sh\n'''exec' /usr/bin/env python3 \"$0\" \"$@\"\n' '''", "Python"),
        (b'#!/bin/sh\nexec java -jar app.jar "$0" "$@"', "Shell"),
        (b"#!/usr/bin/osascript", "AppleScript"),
        (b"#!/usr/bin/osascript -l JavaScript", None),
        (b"#!/opt/unheard-of", None),
        (b"#!/usr/bin/env", None),
        (b"#!", None),
        (b"#!   \n", None),
        (b" #!/bin/sh", None),
    ],
)
def test_shebang_of_a_file_without_extension(line: bytes, language: str | None) -> None:
    assert detect("bin/tool", line + b"\nbody\n") == language


def test_order_of_the_rules() -> None:
    assert detect("Makefile", b"#!/usr/bin/env python3\n") == "Makefile"
    assert detect("build.pl", b"#!/usr/bin/env python3\n") == "Python"
    # a file name of two languages leaves the choice to the heuristics
    assert detect("web/.eslintrc", b'{"root": true}\n') == "JSON with Comments"
    assert detect("web/.eslintrc", b"root: true\n") == "YAML"
    assert detect("etc/hosts", b"") == "Hosts File"
    # an interpreter of two languages leaves the choice to the extension
    assert detect("a.ts", b"#!/usr/bin/env node\n") == "TypeScript"
    assert detect("a.mjs", b"#!/usr/bin/env node\n") == "JavaScript"
    assert detect("a.py", b"#!/usr/bin/env node\n") in {"JavaScript", "TypeScript"}


def test_generic_extensions_need_a_heuristic_that_agrees() -> None:
    assert detect("part.stl", b"solid x\nfacet\nendsolid x\n") == "STL"
    assert detect("part.stl", b"80 bytes of header") is None
    assert detect("coin.sol", b"pragma solidity ^0.8;\n") == "Solidity"
    assert detect("coin.sol", b"") is None
    assert detect("ls.1", b".TH LS 1\n.SH NAME\nls\n") == "Roff Manpage"


@pytest.mark.parametrize(
    ("path", "language"),
    [("a.m", "Objective-C"), ("a.cfg", "INI"), ("a.mod", "AMPL"), ("a.f", "Fortran"), ("a.t", "Terra")],
)
def test_what_the_rules_leave_open_gets_the_documented_fallback(path: str, language: str) -> None:
    assert detect(path, b"") == language


def test_encodings() -> None:
    text = "#include <vector>\nclass Größe {};\n"
    assert detect("a.h", text.encode("utf-8-sig")) == "C++"
    assert detect("a.h", text.encode("utf-16")) == "C++"
    assert detect("a.h", text.encode("latin-1")) == "C++"


def test_only_the_head_of_a_file_is_read_for_heuristics() -> None:
    assert detect("a.h", b"\n" * 60_000 + b"class A {};\n") == "C"


@given(
    st.one_of(st.text(), st.sampled_from(sorted(DATA["heuristics"])).map("a".__add__), st.sampled_from(["a.h", "x"])),
    st.one_of(st.binary(), st.text().map(lambda t: b"#!" + t.encode("utf-8", "surrogatepass"))),
)
def test_any_path_and_content_give_a_known_language_or_none(path: str, content: bytes) -> None:
    language = detect(path, content)
    assert language is None or language in linguist.languages()
    assert detect("some/folder/" + path.rsplit("/", 1)[-1], content) == language
    assert linguist.extension(path) == linguist.extension(path.upper()).lower() or not path.isascii()
    assert "/" not in linguist.extension(path)


def test_a_very_long_name_of_dots_is_quick() -> None:
    assert detect("." * 1_000_000 + "py", b"") == "Python"


def test_language_facts() -> None:
    assert len(linguist.languages()) == len(set(linguist.languages())) == 829
    assert {linguist.language_type(name) for name in linguist.languages()} == {"programming", "data", "markup", "prose"}
    assert linguist.language_type("Python") == "programming"
    assert linguist.language_type("Markdown") == "prose"
    assert linguist.language_type("no such language") is None
    assert linguist.language_group("TSX") == "TypeScript"
    assert linguist.language_group("Python") is None
    assert linguist.language_group("no such language") is None


def test_version_is_the_version_of_the_data() -> None:
    assert DATA["version"] == linguist.VERSION


def test_data_is_consistent() -> None:
    known = set(DATA["languages"])
    for table in ("filenames", "interpreters", "extensions"):
        assert {name for names in DATA[table].values() for name in names} <= known
    for extension, rules in DATA["heuristics"].items():
        assert extension in DATA["extensions"] or extension in DATA["filenames"]
        for languages, required, forbidden in rules:
            assert languages and set(languages) <= known
            for pattern in [*chain.from_iterable(required), *forbidden]:
                assert regex.compile(pattern, regex.MULTILINE | regex.ASCII)


@pytest.mark.parametrize(
    ("path", "vendor"),
    [
        ("node_modules/left-pad/index.js", True),
        ("web/vendor/lib.rb", True),
        ("js/jquery-3.6.0.js", True),
        ("a/b/jquery.min.js", True),
        ("types/index.d.ts", True),
        ("ThirdParty/zlib/inflate.c", True),
        ("configure", True),
        ("deps/a.c", True),
        ("src/deps/a.c", False),
        ("src/reconfigure", False),
        ("src/vendored.py", False),
        ("src/main.c", False),
        ("", False),
    ],
)
def test_vendor(path: str, vendor: bool) -> None:
    assert linguist.is_vendor(path) is vendor


@pytest.mark.parametrize(
    ("path", "documentation"),
    [
        ("docs/index.md", True),
        ("README", True),
        ("a/README.md", True),
        ("LICENSE", True),
        ("examples/a.py", True),
        ("src/docs.py", False),
        ("src/readme_parser.py", False),
        ("src/examples/a.py", False),
    ],
)
def test_documentation(path: str, documentation: bool) -> None:
    assert linguist.is_documentation(path) is documentation


@pytest.mark.parametrize(
    ("path", "generated"),
    [
        ("Cargo.lock", True),
        ("web/package-lock.json", True),
        ("Form1.Designer.cs", True),
        (".idea/a.xml", True),
        ("src/designer.cs", False),
        ("lock.json", False),
        ("Cargo.toml", False),
    ],
)
def test_generated_by_name(path: str, generated: bool) -> None:
    assert linguist.is_generated_path(path) is generated


SEGMENTS = st.sampled_from(
    [
        "vendor",
        "node_modules",
        "docs",
        "Documentation",
        "deps",
        "jquery.js",
        "jquery-1.2.js",
        "a.min.js",
        "x.d.ts",
        "import.css",
        "my-import.less",
        "third",
        "3rd_party",
        "thirdParty",
        "configure",
        "bootstrap.js",
        ".github",
        "extjs",
        "a.xml",
        "Pods",
        ".idea",
        "Cargo.lock",
        "x.Designer.vb",
        "min.js",
        "d3.v4.js",
        "Packages",
        "a.1",
        "README",
        "man",
        "samples",
        "License.txt",
        "react-dom.js",
        "-vsdoc.js",
        "cache",
        "env",
        "test",
        "fixtures",
        "Test",
    ]
)


@given(st.lists(st.one_of(SEGMENTS, st.text(st.characters(codec="ascii"), max_size=8)), max_size=6).map("/".join))
def test_path_rules_answer_as_their_patterns_one_by_one(path: str) -> None:
    for field, rule in (
        ("vendor", linguist.is_vendor),
        ("documentation", linguist.is_documentation),
        ("generated", linguist.is_generated_path),
    ):
        assert rule(path) == any(re.search(pattern, path, re.ASCII) for pattern in DATA[field])


@pytest.mark.parametrize(
    ("path", "suffix"),
    [
        ("a.py", "py"),
        ("a/b.tar.GZ", "gz"),
        ("Makefile", ""),
        (".bashrc", ""),
        ("a.b/c", ""),
        ("name.", ""),
        ("..a", ""),
        (".config.yml", "yml"),
        ("", ""),
    ],
)
def test_extension(path: str, suffix: str) -> None:
    assert linguist.extension(path) == suffix


def test_first_use_from_many_threads() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from codelake.lake.linguist import detect
with ThreadPoolExecutor(8) as pool:
    found = set(pool.map(lambda _: detect("a.h", b"class A {};"), range(64)))
assert found == {"C++"}, found
"""
    subprocess.run([sys.executable, "-c", code], check=True)
