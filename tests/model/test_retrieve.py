"""What search does with ranked lists and with the words of a question; the whole is tested in codelake/test_search."""

from hypothesis import given
from hypothesis import strategies as st

from codelake.model.retrieve import _excerpt, _fuse, _highlights


def ranked(*names):
    return [{"key": name, "start_line": 1} for name in names]


def order(lists):
    return [row["key"] for _, row in _fuse(lists)]


def test_fusion_is_reciprocal_rank():
    [(score, row), *_] = _fuse([(1.0, ranked("a", "b")), (1.0, ranked("b", "c"))])
    assert row["key"] == "b"
    assert score == 1 / 62 + 1 / 61


def test_ties_go_to_the_earlier_list():
    assert order([(1.0, ranked("a")), (1.0, ranked("b"))]) == ["a", "b"]


def test_a_heavy_list_keeps_its_order_and_the_other_fills_in():
    words, near = ranked("a", "b", "c"), ranked("x", "c", "b", "a", "y")
    assert order([(64.0, words), (1.0, near)]) == ["a", "b", "c", "x", "y"]


TEXT = "\n".join(["import os", *[f"x{n} = {n}" for n in range(30)], "def parse_date(header):", "    return header"])


def test_the_excerpt_is_where_the_words_are():
    excerpt, before = _excerpt(TEXT, "parse the date header")
    assert "def parse_date(header):" in excerpt
    assert TEXT.splitlines()[before] == excerpt.splitlines()[0]
    assert len(excerpt.splitlines()) <= 8


@given(st.text(max_size=200), st.text(max_size=40))
def test_highlights_are_words_of_the_question(text, query):
    excerpt, before = _excerpt(text, query)
    assert 0 <= before <= max(0, len(text.splitlines()))
    for start, end in _highlights(excerpt, query):
        assert 0 <= start < end <= len(excerpt)
        assert excerpt[start:end].lower() in query.lower() or excerpt[start:end].casefold() in query.casefold()
