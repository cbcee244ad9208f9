"""Shingles of a text: as many as Python's own sets have, whatever the text and however it is cut."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.lake import shingles as module
from codelake.lake.shingles import FACTORS, jaccard, shingles, shingles_of

TEXT = st.text(st.sampled_from("ab_ \n\0.é漢-")) | st.text()


def python_set(text):
    words = re.findall(rb"[A-Za-z0-9_\x80-\xff]+", text.encode("utf-8", "surrogatepass"))
    return {tuple(words[n : n + 5]) for n in range(max(1, len(words) - 4))} if words else set()


@given(TEXT, TEXT)
def test_jaccard_is_that_of_sets_of_words(one, other):
    left, right = python_set(one), python_set(other)
    wanted = len(left & right) / len(left | right) if left | right else 0.0
    assert jaccard(shingles(one), shingles(other)) == wanted
    assert len(shingles(one)) == len(left)


@given(st.lists(TEXT | st.text("ab", min_size=30, max_size=70)), st.sampled_from([1, 2, 7, 64, 1 << 18]))
def test_texts_side_by_side_have_the_shingles_they_have_alone(texts, size):
    alone = [shingles(text).tolist() for text in texts]
    data = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.cumsum([0, *map(len, data)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_PIECE_BYTES", size)
        assert [found.tolist() for found in shingles_of(np.frombuffer(b"".join(data), np.uint8), offsets)] == alone


def test_no_two_sums_of_factors_are_close():
    for signs in product((-1, 0, 1), repeat=5):
        if any(signs):
            assert sum(sign * int(factor) for sign, factor in zip(signs, FACTORS, strict=True)) % (1 << 6)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"", 0),
        (b"\0" * 1000, 0),
        (b"() {} ;\n", 0),
        (b"a", 1),
        (b"a b c d", 1),
        (b"a b c d e f", 2),
        (b"x" * 50_000_000, 1),
    ],
)
def test_odd_texts_have_the_shingles_they_should(text, number):
    assert len(shingles(text)) == number


def test_the_order_of_words_counts():
    assert jaccard(shingles("a b"), shingles("b a")) == 0.0
    assert jaccard(shingles("a b"), shingles("(a, b)")) == 1.0
    assert jaccard(shingles("A b"), shingles("a b")) == 0.0
