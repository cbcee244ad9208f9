import random
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.engine.syntax.literals import (
    ANYTHING,
    MAX_ALL,
    MAX_ANY,
    MAX_CHARACTERS,
    NOTHING,
    And,
    Literal,
    Or,
    Plan,
    alternatives,
    contained,
    mask,
    simplify,
)

TYPES = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()]

# Few characters, so that plans are met: word characters, the signs that words may follow, what RE2 treats specially.
TEXTS = st.text("abé_1.\\!+\0\n ", max_size=4)
LITERALS = st.builds(Literal, TEXTS, st.booleans())
PLANS: st.SearchStrategy[Plan] = st.recursive(
    LITERALS,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple).flatmap(lambda parts: st.sampled_from([And(parts), Or(parts)]))
    ),
    max_leaves=6,
)
CONTENTS = st.lists(TEXTS, max_size=6).map("".join)
Holds = Callable[[Plan, bytes], bool]


@pytest.fixture(scope="module")
def holds(is_word_at: Callable[[bytes, int, int], bool]) -> Holds:
    """What a plan means, written anew."""

    def holds(plan: Plan, content: bytes) -> bool:
        if isinstance(plan, And):
            return all(holds(part, content) for part in plan.parts)
        if isinstance(plan, Or):
            return any(holds(part, content) for part in plan.parts)
        text = plan.text.encode()
        places = [i for i in range(len(content) + 1) if content.startswith(text, i)]
        return any(not plan.word or is_word_at(content, i, i + len(text)) for i in places)

    return holds


@settings(max_examples=150)
@given(PLANS, st.lists(CONTENTS, max_size=8), st.sampled_from(TYPES))
def test_mask_is_what_the_simplified_plan_means(
    holds: Holds, plan: Plan, contents: list[str], kind: pa.DataType
) -> None:
    rows = [None, *contents, "shift"]
    array = pa.array([row if row is None or "string" in str(kind) else row.encode() for row in rows], kind)
    expected = [row is not None and holds(simplify(plan), row.encode()) for row in rows]
    assert mask(plan, array).to_pylist() == expected
    assert mask(plan, array[1:-1]).to_pylist() == expected[1:-1]
    chunks = pa.chunked_array([array[:2], array[2:2], array[2:]], kind)
    assert mask(plan, chunks).to_pylist() == expected


@settings(max_examples=200)
@given(PLANS, CONTENTS)
def test_every_gate_lets_through_what_the_plan_does(holds: Holds, plan: Plan, content: str) -> None:
    if not holds(plan, content.encode()):
        return
    assert holds(simplify(plan), content.encode())
    assert mask(plan, pa.array([content])).to_pylist() == [True]
    assert all(text in content for text in contained(plan))
    pattern = alternatives(plan)
    assert not pattern or pc.match_substring_regex(pa.array([content]), pattern).to_pylist() == [True]


@given(PLANS)
def test_simplifying_twice_changes_nothing(plan: Plan) -> None:
    assert simplify(simplify(plan)) == simplify(plan)


@pytest.mark.parametrize(
    ("plan", "simple"),
    [
        (And((Literal("eval"), And((Literal("eval"),)))), Literal("eval")),
        (And((Literal("ev"), Literal("eval", word=True))), Literal("eval", word=True)),
        (
            And((Literal("eval", word=True), Literal("evaluate"))),
            And((Literal("evaluate"), Literal("eval", word=True))),
        ),
        (And((Literal("x"), Literal("eval"))), Literal("eval")),
        (And((Literal("eval"), Or((Literal("val"), Literal("exec"))))), Literal("eval")),
        (And((Literal("eval"), NOTHING)), NOTHING),
        (Or((Literal("eval"), Literal("evaluate"), Or((Literal("exec"),)))), Or((Literal("eval"), Literal("exec")))),
        (Or((Literal("eval"), And((Literal("eval"), Literal("exec"))))), Literal("eval")),
        (Or((Literal("eval"), Literal("x"))), ANYTHING),
        (Or((Literal("eval"), ANYTHING)), ANYTHING),
        (Literal("\ud800eval"), ANYTHING),
        (Literal("é"), Literal("é")),
    ],
)
def test_simplified(plan: Plan, simple: Plan) -> None:
    assert simplify(plan) == simple


def test_plans_are_bounded() -> None:
    names = [f"name{i}" for i in range(1000)]
    conjunction = simplify(And(tuple(map(Literal, names))))
    assert isinstance(conjunction, And)
    assert len(conjunction.parts) == MAX_ALL
    assert isinstance(simplify(Or(tuple(map(Literal, names[:MAX_ANY])))), Or)
    assert simplify(Or(tuple(map(Literal, names)))) == ANYTHING
    assert simplify(Literal("x" * 5000, word=True)) == Literal("x" * MAX_CHARACTERS)
    deep: Plan = Literal("needle")
    for i in range(200):
        deep = Or((Literal(f"or{i}"), And((Literal(f"and{i}"), deep))))
    assert simplify(deep) == Or((Literal("or199"), Literal("and199")))


def test_the_rarest_literal_is_asked_first() -> None:
    plan = And((Literal("self"), Literal("return"), Literal("eval", word=True), Literal("QuixoticZebra")))
    assert contained(plan)[0] == "QuixoticZebra"
    assert contained(And((Literal("tests"), Literal("zxqjk"))))[0] == "zxqjk"


def test_alternatives_come_from_the_most_selective_or() -> None:
    common = Or((Literal("self"), Literal("return")))
    rare = Or((Literal("pickle.loads("), And((Literal("a"), Literal("zz_top"), Literal("i++ "))), Literal("née\0?")))
    pattern = alternatives(And((common, rare, Literal("def"))))
    rows = pa.array(["self return", "pickle.loads(x)", "pickle_loads(x)", "zz_top", "x = née\0?", "née"])
    assert pc.match_substring_regex(rows, pattern).to_pylist() == [False, True, False, True, True, False]
    assert alternatives(Literal("eval")) == ""
    assert alternatives(ANYTHING) == ""


@pytest.mark.parametrize("code", range(1, 128))
def test_every_ascii_character_is_quoted(code: int) -> None:
    plan = Or((Literal(f"a{chr(code)}b"), Literal("zzz")))
    rows = pa.array([f"xa{chr(code)}bx", "a\x7f\x7fb", "ab", None])
    assert mask(plan, rows).to_pylist() == [True, False, False, False]
    assert pc.match_substring_regex(rows, alternatives(plan)).to_pylist() == [True, False, False, None]


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        (b"eval(x)", True),
        (b"x = eval", True),
        (b"retrieval", False),
        (b"evaluate", False),
        (b"literal_eval", False),
        (b"eval2", False),
        (b"1Leval", True),  # two tokens: a number, a name
        (b"2.jeval", True),
        (rb'"\teval', True),
        (b"{x!reval}", True),
        ("éeval".encode(), True),
        (b"'xeval", True),
        (b"<?phpeval", True),
        (b"'retrieval'", False),
        (b"\xffeval\xfe", True),
        (b"\0eval\0", True),
        (b"evaluate eval evaluate", True),
    ],
)
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_words(text: bytes, passes: bool, kind: pa.DataType) -> None:
    assert mask(Literal("eval", word=True), pa.array([text], kind)).to_pylist() == [passes]


def test_a_string_that_is_not_utf8_is_matched_by_its_bytes() -> None:
    bad = pa.array([b"\xe9eval\xe9", b"\xe9evaluate"]).view(pa.string())
    assert mask(Literal("eval", word=True), bad).to_pylist() == [True, False]


def test_nothing_and_no_rows() -> None:
    rows = pa.array(["a", None])
    assert mask(ANYTHING, rows).to_pylist() == [True, False]
    assert mask(NOTHING, rows).to_pylist() == [False, False]
    assert mask(Literal("eval"), pa.array([], pa.string())).to_pylist() == []
    assert mask(Literal("eval"), pa.chunked_array([], pa.string())).to_pylist() == []


def test_many_alternatives_over_many_rows(holds: Holds) -> None:
    rnd = random.Random(3)
    words = ["".join(rnd.choices("abcdefghij_", k=rnd.randrange(3, 12))) for _ in range(MAX_ANY)]
    contents = [" ".join(rnd.choices(words, k=2)) + "s" * rnd.randrange(2) for _ in range(500)]
    plan = Or(tuple(Literal(word, word=i % 2 == 0) for i, word in enumerate(words[: MAX_ANY // 8])))
    assert mask(plan, pa.array(contents)).to_pylist() == [holds(simplify(plan), row.encode()) for row in contents]
