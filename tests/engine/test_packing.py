import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.engine.packing import best_fit, pack, shuffled, split, splitmix64

BOS, EOS = 1, 2

lengths_and_capacity = st.integers(2, 40).flatmap(
    lambda capacity: st.tuples(st.lists(st.integers(1, capacity), max_size=60), st.just(capacity))
)
documents = st.lists(
    st.lists(st.integers(3, 99), max_size=50).map(lambda ids: np.array(ids, dtype=np.int32)), max_size=30
)


def fullest_bins(lengths: list[int], capacity: int) -> list[list[int]]:
    """Best-fit-decreasing as it is defined: look at every bin, take the one with the least room that is enough."""
    bins: list[list[int]] = []
    for length in sorted(lengths, reverse=True):
        fitting = [b for b in bins if capacity - sum(b) >= length]
        if fitting:
            min(fitting, key=lambda b: capacity - sum(b)).append(length)
        else:
            bins.append([length])
    return bins


@settings(max_examples=300, deadline=None)
@given(lengths_and_capacity)
def test_best_fit_equals_brute_force(case: tuple[list[int], int]) -> None:
    lengths, capacity = case
    bins = best_fit(lengths, capacity)
    assert sorted(i for row in bins for i in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= capacity for row in bins)
    # Bins with equal room are interchangeable: which documents they hold may differ, how full they get may not.
    assert sorted(sum(lengths[i] for i in row) for row in bins) == sorted(map(sum, fullest_bins(lengths, capacity)))


def test_rows_are_full_on_lengths_like_those_of_code() -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(6.3, 1.3, 4000), 1, 100_000).astype(int)
    rows = pack([np.full(n, 3, dtype=np.int32) for n in lengths], bos_id=BOS, eos_id=EOS, capacity=2049, salts=(0,))
    assert rows.counts.sum() / rows.tokens.size >= 0.998


@given(st.lists(st.integers(3, 99), max_size=80), st.integers(2, 20))
def test_pieces_of_a_document_give_it_back(ids: list[int], capacity: int) -> None:
    pieces = [
        piece.tolist() for piece in split(np.array(ids, dtype=np.int32), bos_id=BOS, eos_id=EOS, capacity=capacity)
    ]
    assert all(piece[0] == BOS and 2 <= len(piece) <= capacity for piece in pieces)
    assert [token for piece in pieces for token in piece[1:]] == [*ids, EOS]
    if len(ids) + 2 <= capacity:
        assert len(pieces) == 1


@settings(max_examples=200, deadline=None)
@given(documents, st.integers(2, 30), st.integers(0, 2**64 - 1))
def test_every_piece_is_in_the_rows_once(docs: list[np.ndarray], capacity: int, seed: int) -> None:
    rows = pack(docs, bos_id=BOS, eos_id=EOS, capacity=capacity, salts=(seed,))
    assert rows.tokens.shape == rows.positions.shape == (len(rows), capacity)
    assert rows.tokens.dtype == rows.positions.dtype == rows.counts.dtype == np.int32
    found = []
    for tokens, positions, count in zip(rows.tokens, rows.positions, rows.counts, strict=True):
        assert (tokens[count:] == EOS).all()
        assert positions[count:].tolist() == list(range(capacity - count))
        starts = [*np.flatnonzero(positions[:count] == 0).tolist(), int(count)]
        for start, end in itertools.pairwise(starts):
            assert positions[start:end].tolist() == list(range(end - start))
            found.append(tuple(tokens[start:end].tolist()))
    wanted = [tuple(p.tolist()) for d in docs for p in split(d, bos_id=BOS, eos_id=EOS, capacity=capacity)]
    assert sorted(found) == sorted(wanted)


def test_rows_depend_on_the_salts_only_in_their_order() -> None:
    docs = [np.arange(3, 3 + n % 17, dtype=np.int32) for n in range(200)]
    one, same, other = (
        pack(docs, bos_id=BOS, eos_id=EOS, capacity=20, salts=salts) for salts in ((1, 2), (1, 2), (2, 1))
    )
    assert one.tokens.tolist() == same.tokens.tolist()
    assert one.tokens.tolist() != other.tokens.tolist()
    assert sorted(one.tokens.tolist()) == sorted(other.tokens.tolist())


def test_splitmix64_gives_the_published_sequence() -> None:
    # The first outputs of the generator seeded with 1234567, as its reference implementation prints them.
    gamma = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + i * gamma) % 2**64 for i in range(5)], dtype=np.uint64)
    assert splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_shuffled_is_stable_and_follows_every_salt() -> None:
    keys = np.arange(1000, dtype=np.uint64)
    orders = [shuffled(keys, *salts).tolist() for salts in ((0, 0), (0, 1), (1, 0), (2**64 - 1, 0))]
    assert all(sorted(order) == list(range(1000)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert shuffled(np.zeros(5, dtype=np.uint64), 3).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("part", [slice(0, 2), slice(1, 3)])
def test_parts_of_rows_put_together(part: slice) -> None:
    rows = pack([np.full(5, n, dtype=np.int32) for n in range(3, 6)], bos_id=BOS, eos_id=EOS, capacity=8, salts=(0,))
    both = type(rows).concat([rows[part], rows[0:1]])
    assert both.tokens.tolist() == rows.tokens[part].tolist() + rows.tokens[0:1].tolist()
    assert len(both) == 3
