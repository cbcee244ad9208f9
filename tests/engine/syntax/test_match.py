"""Matching one file: queries, patterns, expressions, and the places of what they find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.engine.errors import QueryError
from codelake.engine.syntax import match
from codelake.engine.syntax.match import ELEMENT, Limits

LIMITS = Limits()
NAMES = "(function_definition name: (identifier) @name)"
SOURCE = "é = eval(x, 'ñ')\nprint(eval(\n y))\n".encode()


def rows(elements):
    return [dict(zip(ELEMENT, element, strict=True)) for element in elements]


def test_a_query_gives_its_captures_with_places():
    found = rows(match.query(SOURCE, "Python", "(call function: (identifier) @f arguments: (_) @a)", LIMITS))
    assert [(row["match"], row["capture"], row["text"]) for row in found] == [
        (0, "f", "eval"),
        (0, "a", "(x, 'ñ')"),
        (1, "f", "print"),
        (1, "a", "(eval(\n y))"),
        (2, "f", "eval"),
        (2, "a", "(\n y)"),
    ]
    first, last = found[0], found[-1]
    assert (first["start_byte"], first["end_byte"], first["start_line"], first["end_line"]) == (5, 9, 1, 1)
    assert (last["start_line"], last["end_line"], last["type"], last["pattern"]) == (2, 3, "argument_list", 0)
    for row in found:
        assert SOURCE[row["start_byte"] : row["end_byte"]].decode() == row["text"]


def test_patterns_and_matches_are_numbered():
    found = rows(match.query(b"a = 1\nb = f(2)\n", "Python", "(integer) @n (call) @c", LIMITS))
    assert [(row["match"], row["pattern"], row["capture"]) for row in found] == [(0, 0, "n"), (1, 1, "c"), (2, 0, "n")]


def test_counting_and_asking():
    query = '((call function: (identifier) @f) (#eq? @f "eval"))'
    assert match.count(SOURCE, "Python", query, LIMITS) == 2
    assert match.exists(SOURCE, "Python", query, LIMITS)
    assert not match.exists(b"print(1)", "Python", query, LIMITS)
    assert match.count(b"", "Python", query, LIMITS) == 0


@pytest.mark.parametrize(
    ("query", "said", "place"),
    [
        ("(call\n  (identifier) @a", "cut off", "line 2:   (identifier) @a\n                           ^"),
        ("(functon_definition)", "near: function_definition", "line 1: (functon_definition)\n           ^"),
        ("(call nme: (identifier))", "no field nme; near: name", "^"),
        ('((identifier) @a (#eq? @b "x"))', "Invalid capture name: b", "^"),
        ("(module (module))", "Impossible pattern", "^"),
        ('"é" @a\n(x', "no node é", "^"),
        ("((identifier) @a\n (#lua-match? @a))", "#lua-match? is unknown", " (#lua-match? @a))\n            ^"),
        ('((identifier) @a (#match? @a "("))', "regular expression", "line 1"),
        ("((identifier) @a (#eq? @a))", "expects 2 arguments", "line 1"),
        ("", "empty", ""),
        ("; nothing", "empty", ""),
        ("(a)\0", "", ""),
    ],
)
def test_a_query_that_does_not_compile_shows_the_place(query, said, place):
    with pytest.raises(QueryError) as caught:
        match.compiled("Python", query)
    assert said in str(caught.value)
    assert place in str(caught.value)


def test_a_predicate_in_a_string_or_a_comment_is_none():
    match.compiled("Python", '((string) @s (#eq? @s "#foo? x")) ; #bar? here')


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_an_error_of_ours(text):
    try:
        match.compiled("Python", text)
    except QueryError as error:
        assert str(error)


def test_what_is_no_query_for_any_grammar_is_told_without_one():
    match.readable(NAMES)  # JSON has no functions, but others may
    for text in ("(_", "(_))", "((_) @x (#nope? @x))", ""):
        with pytest.raises(QueryError):
            match.readable(text)


def test_an_ast_grep_pattern_gives_the_match_and_its_variables():
    found = rows(match.ast_grep(SOURCE, "Python", "eval($$$ARGS)", LIMITS))
    assert [(row["match"], row["capture"], row["text"], row["start_line"]) for row in found] == [
        (0, "match", "eval(x, 'ñ')", 1),
        (0, "ARGS", "x", 1),
        (0, "ARGS", "'ñ'", 1),
        (1, "match", "eval(\n y)", 2),
        (1, "ARGS", "y", 3),
    ]
    for row in found:
        assert SOURCE[row["start_byte"] : row["end_byte"]].decode() == row["text"]
    assert match.ast_grep(b"a == a\na == b", "Python", "$X == $X", LIMITS)[-1][8] == "a"
    assert {row["capture"] for row in rows(match.ast_grep(b"f(1, 2)", "Python", "f($_, $_Y)", LIMITS))} == {"match"}


@pytest.mark.parametrize(
    ("language", "source", "pattern", "texts"),
    [
        ("Python", "model.eval(); eval (1); x.eval(eval(2))", "eval($A)", ["eval (1)", "eval(2)"]),
        ("Python", "eval(  # why\n 1)\neval \t(2)", "eval($A)", ["eval(  # why\n 1)", "eval \t(2)"]),
        ("JavaScript", "f(...eval(x)); a.eval(y); eval\u00a0(z)", "eval($A)", ["eval(x)", "eval\u00a0(z)"]),
        ("Rust", "fn m() { for i in 0..f(1) { a.f(2); f(3) } }", "f($A)", ["f(1)", "f(3)"]),
        ("PHP", "<?php $a = 'x'.f(1); $o->f(2);", "f($A)", ["f(1)"]),
        ("C", "int m() { f(1); f \\\n(2); }", "f($A);", ["f(1);", "f \\\n(2);"]),
        ("Python", "os.system(a); system(b); x.os.system(c)", "os.system($A)", ["os.system(a)"]),
    ],
)
def test_a_call_is_found_however_it_is_written(language, source, pattern, texts):
    found = rows(match.ast_grep(source.encode(), language, pattern, LIMITS))
    assert [row["text"] for row in found if row["capture"] == "match"] == texts


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("", "empty"), ("  \n", "empty"), ("$$$", "refuses"), ("a b c", "Multiple AST nodes"), ("a\0b", "refuses")],
)
def test_a_pattern_ast_grep_refuses_is_explained_without_its_backtrace(pattern, said):
    with pytest.raises(QueryError, match=said) as caught:
        match.checked_pattern("Python", pattern)
    assert "backtrace" not in str(caught.value)


def test_a_language_ast_grep_does_not_read_is_told():
    with pytest.raises(QueryError, match=r"no grammar for SQL; it has .*Python"):
        match.checked_pattern("SQL", "SELECT 1")


def test_what_does_not_parse_is_shown():
    assert match.errors(b"def f(): pass\n", "Python", "", LIMITS) == []
    found = rows(match.errors(b"def f(:\n  return (1\n", "Python", "", LIMITS))
    assert {row["capture"] for row in found} == {"error", "missing"}
    assert all(row["start_line"] >= 1 for row in found)
    assert not match.parse_ok(b"b(", "Python", "", LIMITS)
    assert match.parse_ok(b"", "Python", "", LIMITS)


def test_a_regular_expression_and_its_groups():
    found = rows(match.regex("é = ab1\nxab22".encode(), "", r"(?P<word>ab)(\d+)$|(zz)", LIMITS))
    assert [(row["capture"], row["text"], row["start_line"], row["start_byte"]) for row in found] == [
        ("match", "ab1", 1, 5),
        ("word", "ab", 1, 5),
        ("2", "1", 1, 7),
        ("match", "ab22", 2, 10),
        ("word", "ab", 2, 10),
        ("2", "22", 2, 12),
    ]
    with pytest.raises(QueryError, match=r"unterminated subpattern\n  line 1: \(a"):
        match.checked_regex("", "(a")
    with pytest.raises(QueryError, match="empty"):
        match.checked_regex("", "")


def test_a_text():
    found = rows(match.text("a.b\né a.b a.b".encode(), "", "a.b", LIMITS))
    assert [(row["match"], row["start_line"], row["start_byte"]) for row in found] == [(0, 1, 0), (1, 2, 7), (2, 2, 11)]
    assert match.text(b"abc", "", "é", LIMITS) == []


HOSTILE = [
    b"",
    b"\0" * 100,
    b"x = eval(\0)\n\0eval(1)",
    b"\xff\xfe eval('\xe9', 1)\n\xc3 = eval(2)",
    b"(" * 5000,
    b"\r\n\r\n eval(1)\r",
    "\ufeffeval(1)\u2028eval(2)\n".encode(),
    b"eval(" * 200 + b")" * 200,
]


@pytest.mark.parametrize("content", HOSTILE)
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("query", "(call) @c (ERROR) @e"),
        ("ast_grep", "eval($$$A)"),
        ("errors", ""),
        ("regex", r"ev.l\("),
        ("text", "eval"),
    ],
)
def test_hostile_contents_have_true_places(content, kind, text):
    for row in rows(match.resolve(match.KINDS[kind].function)(content, "Python", text, LIMITS)):
        assert row["text"] == content[row["start_byte"] : row["end_byte"]].decode("utf-8", "replace")
        assert row["start_line"] == content[: row["start_byte"]].count(b"\n") + 1


@given(st.binary(max_size=300))
def test_any_bytes_are_matched(content):
    match.query(content, "Python", "(_) @a", LIMITS)
    match.ast_grep(content, "JavaScript", "$A", LIMITS)


def test_answers_are_cut_at_the_limits():
    source = b"f()\n" * 100
    assert len(match.query(source, "Python", "(call) @c", Limits(max_elements=7))) == 7
    assert len(match.ast_grep(source, "Python", "f()", Limits(max_elements=7))) == 7
    assert len(match.regex(source, "", "f", Limits(max_elements=7))) == 7
    assert len(match.query(source, "Python", "(call) @c", Limits(max_text_bytes=30))) == 10


def test_texts_that_can_hang_are_not_tame():
    def tame(kind, text, language="Python"):
        return match.tame(kind, text, [language])

    assert tame("query", NAMES)
    assert tame("query", '((call function: (_) @f) (#eq? @f "a*b+"))')
    assert tame("ast_grep", "f($$$A)")
    assert not tame("query", "(block (_)* @a)")
    assert not tame("query", '((identifier) @a (#match? @a "^x"))')
    assert not tame("query", "((call (_) @a (_) @b) (#eq? @a @b))")
    assert not tame("query", "(_) @a", "COBOL")
    assert not tame("regex", "(a+)+$")
