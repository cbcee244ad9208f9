"""Symbols: a snippet a language with its symbols listed, Python against its own parser, and hostile input."""

import ast
import sysconfig
import warnings
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.engine.errors import QueryError
from codelake.engine.syntax.names import MAX_QUALIFIED, chain, named
from codelake.engine.syntax.rules import DEFINITIONS, GRAMMARS, OTHERS
from codelake.engine.syntax.symbols import symbols

SNIPPETS = Path(__file__).parent / "snippets"
LANGUAGES = {grammar: language for language, grammars in GRAMMARS.items() for grammar in grammars}
STDLIB = Path(sysconfig.get_path("stdlib"))


def listed(content, language):
    """One line a symbol, as the snippets' lists have them: lines, kind, name, qualified name, parent, docstring."""
    lines = []
    for s in symbols(content, language):
        docstring = "" if s.docstring is None else " ⏎ ".join(content[slice(*s.docstring)].decode().split("\n"))
        fields = (f"{s.start_line}-{s.end_line}", s.kind, s.name, s.qualified_name or "-", s.parent or "-", docstring)
        lines.append("\t".join(fields).rstrip())
    return lines


def language_of(path):
    return LANGUAGES[path.stem.removesuffix("_file_scoped")]


@pytest.mark.parametrize("path", sorted(SNIPPETS.glob("*.snippet")), ids=lambda path: path.stem)
def test_a_snippet_of_each_language_has_the_symbols_that_are_listed(path):
    found = listed(path.read_bytes(), language_of(path))
    assert found == path.with_suffix(".symbols").read_text().splitlines()


def test_every_language_has_a_snippet():
    assert {language_of(path) for path in SNIPPETS.glob("*.snippet")} == set(GRAMMARS)


def test_kinds_are_those_of_the_vocabulary():
    kinds = {s.kind for path in SNIPPETS.glob("*.snippet") for s in symbols(path.read_bytes(), language_of(path))}
    assert kinds == {*DEFINITIONS, *OTHERS}


def test_spans_are_of_the_text_they_name():
    content = "# prüfe\ndef größe(x):\n    '''Größe.'''\n    return os.path.join(x)\n".encode()
    by_kind = {s.kind: s for s in symbols(content, "Python")}
    assert content[by_kind["call"].start_byte : by_kind["call"].end_byte] == b"os.path.join(x)"
    assert content[slice(*by_kind["function"].docstring)].decode() == "'''Größe.'''"
    assert (by_kind["function"].name, by_kind["function"].start_line, by_kind["function"].end_line) == ("größe", 2, 4)


def test_each_call_of_a_chain_is_where_its_name_is():
    content = b"query\n  .where(a)\n  .order(b)\n  .first();\n"
    calls = [(s.name, s.qualified_name, s.start_line) for s in symbols(content, "JavaScript") if s.kind == "call"]
    assert calls == [("where", "query.where", 1), ("order", None, 3), ("first", None, 4)]


def test_a_file_with_an_error_says_so_and_has_the_rest():
    found = symbols(b"def f(:\n  pass\n\ndef g():\n  h()\n", "Python")
    assert found[0].name == "syntax-error"
    assert ("call", "h") in {(s.kind, s.name) for s in found}


def test_a_language_without_symbols_is_named_with_its_neighbours():
    with pytest.raises(QueryError, match="'Javascrip'; nearest: JavaScript"):
        symbols(b"", "Javascrip")


@pytest.mark.parametrize(
    ("written", "last", "whole"),
    [
        ("f", "f", "f"),
        ("std::vector<std::pair<int, T>>::size", "size", "std.vector.size"),
        ("A::operator->", "operator->", "A.operator->"),
        ("ns::X::operator bool() const", "operator bool", "ns.X.operator bool"),
        ("operator_", "operator_", "operator_"),
        ("Foo.prototype.bar", "bar", "Foo.prototype.bar"),
        ("App\\Models\\User", "User", "App.Models.User"),
        ("<=>", "<=>", "<=>"),
        ("`weird name`", "weird name", "weird name"),
        ("List [ T ]", "List", "List"),
    ],
)
def test_names_are_written_with_dots(written, last, whole):
    assert named(written.encode()) == (last, whole)


@pytest.mark.parametrize(
    ("written", "dotted"),
    [
        ("os.path.join", "os.path.join"),
        ("self\n    .a\n    .b", "self.a.b"),
        ("p->next->free", "p.next.free"),
        ("$this->x->go", "$this.x.go"),
        ("a?.b", "a.b"),
        ("Vec::<u8>::new", "Vec.new"),
        ("::std::move", "std.move"),
        ("M.sub:run", "M.sub.run"),
        ("f().g", None),
        ("a[0].b", None),
        ('"".join', None),
    ],
)
def test_callees_are_names_or_nothing(written, dotted):
    assert chain(written.encode()) == dotted


# Python's own parser as the oracle


def positions(content):
    starts = [0]
    for line in content.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return lambda line, column: starts[line - 1] + column


def docstring(node, at):
    if ast.get_docstring(node, clean=False) is None:
        return None
    text = node.body[0].value
    return at(text.lineno, text.col_offset), at(text.end_lineno, text.end_col_offset)


def by_ast(content):
    """(kind, name, qualified name or what encloses it, start, end, docstring) of what ast finds; no start of calls."""
    at = positions(content)
    tree = ast.parse(content)
    found = [("file", None, None, 0, len(content), docstring(tree, at))]
    waiting = [(tree, (), "file")]
    while waiting:
        node, path, kind = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                inner = "class" if isinstance(child, ast.ClassDef) else "method" if kind == "class" else "function"
                span = at(child.lineno, child.col_offset), at(child.end_lineno, child.end_col_offset)
                name = ".".join((*path, child.name))
                found.append((inner, child.name, name, *span, docstring(child, at)))
                # A decorator stands before the definition, not in it.
                waiting.append((ast.Module(child.decorator_list, []), path, kind))
                child.decorator_list = []
                waiting.append((child, (*path, child.name), inner))
                continue
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Name | ast.Attribute):
                name = child.func.id if isinstance(child.func, ast.Name) else child.func.attr
                end = at(child.end_lineno, child.end_col_offset)
                found.append(("call", name, ".".join(path), None, end, None))
            if isinstance(child, ast.Import | ast.ImportFrom):
                module = "." * getattr(child, "level", 0) + (getattr(child, "module", None) or "")
                dot = "." if module.strip(".") else ""
                for alias in child.names:
                    span = at(alias.lineno, alias.col_offset), at(alias.end_lineno, alias.end_col_offset)
                    name = f"{module}{dot}{alias.name}"
                    found.append(("import", alias.asname or alias.name, name, *span, None))
            waiting.append((child, path, kind))
    return found


def by_symbols(content, ends):
    found = []
    for s in symbols(content, "Python"):
        end = s.end_byte
        if s.kind == "file":
            found.append(("file", None, None, 0, end, s.docstring))
        elif s.kind == "call":
            found.append(("call", s.name, s.parent or "", None, end, None))
        elif s.kind in ("function", "method", "class", "import"):
            stop = ends.get((s.kind, s.start_byte), end)
            # A definition goes on over the comments after its last statement, which ast does not see.
            rest = content[stop:end].decode().strip(" \t;\n").split("\n")
            if s.kind != "import" and stop < end and all(line.strip()[:1] in ("", "#") for line in rest):
                end = stop
            found.append((s.kind, s.name, s.qualified_name, s.start_byte, end, s.docstring))
    return found


def test_the_standard_library_has_the_symbols_that_ast_finds():
    compared = broken = 0
    # Every fourth file: all 1,652 agree, 315,452 symbols, and take a minute.
    for path in sorted(STDLIB.rglob("*.py"))[::4]:
        content = path.read_bytes()
        # Bytes are compared, so not files in other encodings; ast also ends lines at form feeds and lone \r.
        if "site-packages" in path.parts or not content.isascii() or b"\f" in content or b"\r" in content:
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                expected = Counter(by_ast(content))
        except (SyntaxError, ValueError):
            continue
        if symbols(content, "Python")[0].name != "ok":
            # The grammar does not know all of the language, and says so.
            broken += 1
            continue
        ends = {(kind, start): end for kind, _, _, start, end, _ in expected if start is not None}
        found = Counter(by_symbols(content, ends))
        assert found == expected, (path, list((expected - found).items())[:5], list((found - expected).items())[:5])
        compared += 1
    assert compared > 200
    assert broken <= 0.01 * compared


# Whatever it is given


def check(content, language):
    for s in symbols(content, language):
        assert s.name or s.kind == "file"
        assert s.kind in DEFINITIONS or s.kind in OTHERS
        assert 0 <= s.start_byte <= s.end_byte <= len(content)
        assert 1 <= s.start_line <= s.end_line <= content.count(b"\n") + 1
        if s.docstring is not None:
            assert 0 <= s.docstring[0] < s.docstring[1] <= len(content)
        if s.qualified_name is not None:
            assert len(s.qualified_name) <= max(MAX_QUALIFIED, len(s.name))


@given(st.data())
def test_mutilated_code_gives_symbols_within_it(data):
    path = data.draw(st.sampled_from(sorted(SNIPPETS.glob("*.snippet"))))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 40)))
        content[start:end] = data.draw(st.binary(max_size=8) | st.just(bytes(content[start:end]) * 2))
    check(bytes(content), language_of(path))


@given(st.binary(max_size=200), st.sampled_from(sorted(GRAMMARS)))
def test_any_bytes_give_symbols_within_them(content, language):
    check(content, language)


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_nothing_gives_a_file_and_nothing_else(language):
    assert [s.kind for s in symbols(b"", language)] == ["file"]


def test_nul_bytes_and_invalid_utf8_survive():
    found = symbols(b'def f():\n    g("\0")\n    h\xff()\n    i()\n', "Python")
    assert {"f", "g", "i"} <= {s.name for s in found}


def test_thousands_of_scopes_one_in_the_other_take_no_names_by_the_square():
    depth = 3000
    content = b"".join(b"function f%d(){" % n for n in range(depth)) + b"g()" + b"}" * depth
    found = [s for s in symbols(content, "JavaScript") if s.kind == "function"]
    assert len(found) == depth
    assert found[1].qualified_name == "f0.f1"
    assert found[-1].qualified_name is None
    assert sum(len(s.qualified_name or "") for s in found) < depth * MAX_QUALIFIED


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"f(" * 5_000 + b")" * 5_000,
        b"f()" + b".g()" * 20_000,
        b"x=1;" * 50_000,
        b"//" + b"x" * 1_000_000,
        b"/** a */\n" * 20_000 + b"function f() {}",
    ],
    ids=["brackets", "nested calls", "chained calls", "one line", "a long comment", "many comments"],
)
def test_hostile_files_end(content):
    check(content, "JavaScript")


def test_uses_nested_in_uses_take_no_names_by_the_square():
    depth = 2000
    content = b"use " + b"a::{" * depth + b"b" + b"}" * depth + b";"
    imports = [s for s in symbols(content, "Rust") if s.kind == "import"]
    assert [(s.name, s.qualified_name) for s in imports] == [("b", None)]
