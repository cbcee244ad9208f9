import random
from collections.abc import Callable

import pyarrow as pa
import pytest
from ast_grep_py import SgNode, SgRoot
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.engine.syntax.literals import ANYTHING, And, Literal, Or, Plan, mask
from codelake.engine.syntax.patterns import pattern_plan

LANGUAGES = {
    "C": "c",
    "C#": "csharp",
    "C++": "cpp",
    "Go": "go",
    "Java": "java",
    "JavaScript": "javascript",
    "PHP": "php",
    "Python": "python",
    "Rust": "rust",
    "TSX": "tsx",
    "TypeScript": "typescript",
}
Broken = Callable[[bytes, random.Random], bytes]


class Corpus:
    def __init__(self, language: str, texts: list[str]) -> None:
        self.language = language
        self.texts = texts
        self.roots = [SgRoot(text, LANGUAGES[language]).root() for text in texts]
        self.nodes = [node for root in self.roots for node in below(root) if len(node.text()) < 200]

    def matching(self, pattern: str) -> list[bool]:
        return [root.find(pattern=pattern) is not None for root in self.roots]


def below(node: SgNode) -> list[SgNode]:
    found = [node]
    for each in found:
        found += each.children()
    return [each for each in found if each.is_named()]


@pytest.fixture(scope="module", params=LANGUAGES)
def corpus(request: pytest.FixtureRequest, sources: dict[str, list[bytes]], broken: Broken) -> Corpus:
    rnd = random.Random(request.param)
    whole = sources[request.param][:8]
    pieces = [text[: rnd.randrange(500, 2000)] for text in whole]
    pieces += [broken(rnd.choice(whole), rnd) for _ in range(12)]
    return Corpus(request.param, [piece.decode(errors="ignore") for piece in pieces])


def written(corpus: Corpus, rnd: random.Random) -> str:
    """Code of the corpus with meta-variables in place of some of its parts."""
    node = rnd.choice(corpus.nodes)
    text, start = node.text(), node.range().start.index
    inner = [each for each in below(node)[1:] if each.text()]
    spans: list[tuple[int, int]] = []
    for each in rnd.sample(inner, k=min(len(inner), rnd.choice([0, 1, 1, 2, 3]))):
        span = (each.range().start.index - start, each.range().end.index - start)
        if all(span[1] <= a or b <= span[0] for a, b in spans):
            spans.append(span)
    for a, b in sorted(spans, reverse=True):
        text = (
            text[:a] + rnd.choice(["$A", "$B", "$_", "$$$", "$$$ARGS", "$$X", "$lower", "x$A", "µABC", "_X"]) + text[b:]
        )
    return text


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 40))
def test_every_file_with_a_match_passes(corpus: Corpus, seed: int) -> None:
    pattern = written(corpus, random.Random(seed))
    try:
        matching = corpus.matching(pattern)
    except RuntimeError:  # not one node
        return
    plan = pattern_plan(pattern, corpus.language)
    passed = mask(plan, pa.array(corpus.texts)).to_pylist()
    assert all(p for p, m in zip(passed, matching, strict=True) if m), (pattern, plan)


def words(*texts: str) -> Plan:
    return And(tuple(Literal(text, word=True) for text in texts)) if len(texts) > 1 else Literal(texts[0], word=True)


@pytest.mark.parametrize(
    ("pattern", "language", "plan"),
    [
        ("eval($$$ARGS)", "Python", words("eval")),
        ("$X.eval($$$)", "Python", words("eval")),
        ("console.log($A)", "JavaScript", words("console", "log")),
        ("$OBJ && $OBJ.method()", "TypeScript", words("method")),
        ("fmt.Println($$$)", "Go", words("Println", "fmt")),
        ("print($A, 'a\\tb c')", "Python", And((words("print"), Literal("\\t")))),
        ("async def $F($$$): $$$BODY", "Python", words("def")),
        ("try { $$$ } catch ($E) { $$$ }", "JavaScript", words("catch", "try")),
        ("foo.bar[$X]", "Ruby", And((Literal("bar"), Literal("foo")))),
        ("if ($C) { $$$ }", "PHP", ANYTHING),  # keywords in any case
        ("return $X", "Python", ANYTHING),  # may be MISSING
        ("$F($$$)", "Python", ANYTHING),
        ("$A", "Python", ANYTHING),
        ("$$$", "Java", ANYTHING),
        ("", "Python", ANYTHING),
        ("eval($$$ARGS)", None, ANYTHING),
        ("eval($$$ARGS)", "Brainfuck", ANYTHING),
        ("foo(\ufffd)", "Python", words("foo")),
    ],
)
def test_plans(pattern: str, language: str | None, plan: Plan) -> None:
    found = pattern_plan(pattern, language)
    assert found == plan or (isinstance(found, And) and isinstance(plan, And) and set(found.parts) == set(plan.parts))


def test_what_follows_many_nodes_need_not_be_there() -> None:
    root = SgRoot("f(a)", "python").root()
    assert root.find(pattern="f($$$, )") is not None
    assert mask(pattern_plan("f($$$, )", "Python"), pa.array(["f(a) f2"])).to_pylist() == [True]


@settings(deadline=None)
@given(
    st.text(max_size=40) | st.text("$ABx_µ(){}[]\"'\\\n .,;:#/*<>=", max_size=40),
    st.sampled_from(["Python", "C", "HTML", "CSS", "TSX", "YAML"]),
)
def test_any_string_has_a_plan(pattern: str, language: str) -> None:
    assert isinstance(pattern_plan(pattern, language), Literal | And | Or)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "pattern",
    ["(" * 100_000, "(" * 4_000 + ")" * 4_000, "f(" * 2_000, "a+" * 4_000, "$" * 8_000, "\0" * 100, "a," * 4000],
)
@pytest.mark.parametrize("language", ["Python", "JavaScript", "C++"])
def test_hostile_patterns_end(pattern: str, language: str) -> None:
    pattern_plan(pattern, language)
