import re
import warnings

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codelake.engine.syntax.literals import ANYTHING, And, Literal, Or, Plan, mask
from codelake.engine.syntax.regexes import regex_plan, whole_strings

ATOMS = st.sampled_from(
    [*"abk_é", "eval", "get_", r"\.", r"\n", r"\x41", ".", r"\d", r"\w", r"\b", "^", "$", "[ab]", "[a-c_]", "[^a]", "ſ"]
)


def grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifiers = ["", "?", "*", "+", "{2}", "{0,1}", "{1,3}", "{2,}", "+?", "??", "*+", "{5}", "{0}", "{,1}"]
    openings = ["(", "(?:", "(?i:", "(?P<name>", "(?=", "(?!", "(?<=a|b)(?:", "(?>", "(?-i:", "(?s:"]
    quantified = st.builds(
        lambda o, body, q: f"{o}{body}){q}", st.sampled_from(openings), inner, st.sampled_from(quantifiers)
    )
    sequences = st.lists(inner, min_size=1, max_size=4)
    return quantified | sequences.map("".join) | sequences.map("|".join) | st.just(r"(a)?(?(1)bc|de)\1")


PATTERNS = st.builds(
    lambda flags, body: flags + body,
    st.sampled_from(["", "", "(?i)", "(?x)", "(?a)", "(?m)"]),
    st.recursive(ATOMS, grouped, max_leaves=8),
)


def passes(plan: Plan, text: str) -> bool:
    return bool(mask(plan, pa.array([text.encode(errors="surrogatepass")]))[0].as_py())


def compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error:
        assume(False)
        raise


@settings(max_examples=250, deadline=None)
@given(PATTERNS, st.data())
def test_a_text_with_a_match_passes(pattern: str, data: st.DataObject) -> None:
    expression = compiled(pattern)
    text = data.draw(st.from_regex(expression), "text")
    if expression.search(text):
        assert passes(regex_plan(pattern), text)
        strings = whole_strings(pattern)
        assert strings is None or text.removesuffix("\n") in strings or text in strings


TEXTS = st.lists(st.sampled_from([*"abkKsS_é.\n1AſK", "eval", "get_", "EVAL", "bc", "de", "{,1}", "[a]"]), max_size=8)


@settings(max_examples=400, deadline=None)
@given(PATTERNS, st.lists(TEXTS.map("".join), min_size=1, max_size=20))
def test_a_text_in_which_re2_finds_a_match_passes(pattern: str, texts: list[str]) -> None:
    rows = pa.array([*texts, pattern])
    try:
        found = pc.match_substring_regex(rows, pattern).to_pylist()
    except pa.ArrowInvalid:
        return
    passed = mask(regex_plan(pattern), rows).to_pylist()
    assert all(p for f, p in zip(found, passed, strict=True) if f)


@given(st.text(max_size=60) | st.text(r"()[]{}|*+?\^$.-&:,=!<>iPx019ak", max_size=40))
def test_any_string_has_a_plan(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = regex_plan(pattern)
    assert isinstance(plan, Literal | And | Or)


def words(*texts: str) -> Plan:
    return Or(tuple(map(Literal, texts)))


@pytest.mark.parametrize(
    ("pattern", "plan"),
    [
        ("eval", Literal("eval")),
        (r"\beval\s*\(", Literal("eval")),
        ("^(eval|exec)$", words("eval", "exec")),
        ("https?://x", words("http://x", "https://x")),
        ("[Ee]val", words("Eval", "eval")),
        ("a+bcd", Literal("abcd")),
        ("(ab){2}", Literal("abab")),
        ("(ab){2,}c", And((Literal("abab"), Literal("abc")))),
        ("get_[a-z]+_name", And((Literal("_name"), Literal("get_")))),
        ("foo(?=bar)", And((Literal("bar"), Literal("foo")))),
        ("(?!foo)bar(?<!baz)", Literal("bar")),
        ("(?x) foo  bar # comment", Literal("foobar")),
        ("a*+bc(?>de)", Literal("bcde")),
        ("(?i)==", Literal("==")),
        ("(?i)do", words("do", "dO", "Do", "DO")),
        ("(?i)is", words(*(i + s for i in "iIİı" for s in "sSſ"))),
        ("(?i:DO)_(?-i:up)", words("do_up", "dO_up", "Do_up", "DO_up")),
        ("foo|", ANYTHING),
        ("foo|b", ANYTHING),
        (".*", ANYTHING),
        ("", ANYTHING),
        ("(", ANYTHING),
        ("[[:alpha:]]foo", ANYTHING),  # a class in RE2, in Python a class and a bracket
        ("fooa{,2}bar", ANYTHING),  # three literal characters in RE2
        (r"\Qa.b\E", ANYTHING),
        ("\ud800eval", ANYTHING),
    ],
)
def test_plans(pattern: str, plan: Plan) -> None:
    found = regex_plan(pattern)
    assert found == plan or (isinstance(found, Or) and isinstance(plan, Or) and set(found.parts) == set(plan.parts))


@pytest.mark.parametrize(
    ("pattern", "strings"),
    [
        ("^eval$", {"eval"}),
        (r"\Aeval\Z", {"eval"}),
        ("^(?:eval|exec)$", {"eval", "exec"}),
        ("^eval", None),
        ("^a|b$", None),
        ("(?m)^eval$", None),
        ("^e.al$", None),
        ("^e(?=xy)val$", None),
        ("^e(?!x)val$", {"eval"}),
        ("", None),
    ],
)
def test_whole_strings(pattern: str, strings: set[str] | None) -> None:
    found = whole_strings(pattern)
    assert (found if found is None else set(found)) == strings


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "pattern",
    [
        "(" * 100_000,
        "(" * 1500 + "eval" + ")" * 1500,
        "(?:" * 900 + "eval" + "){2}" * 700,
        "|".join(f"name{i}" for i in range(50_000)),
        "|".join(chr(200 + i) for i in range(2000)),
        "(?i)" + "evaluate" * 500,
        "(?:a|b|c|d|ee|ff)" * 250,
        "[" * 4000,
        "[a" * 2000 + "&&",
        "(?:" * 20 + "ab" + "{9}){9}" * 20,
        "x{4000000000}{2}",
        "a{99999999999999999999}",
        "(a?)" * 90 + "a" * 90,
    ],
    ids=range(13),
)
def test_hostile_patterns_end(pattern: str) -> None:
    regex_plan.cache_clear()
    mask(regex_plan(pattern), pa.array(["eval", "name1"]))
