"""Sorting by a hash through files: the rows of a sort in memory, whatever the batches, and nothing left behind."""

import numpy as np
import pyarrow as pa
import pytest

from codelake.engine import sort


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Everything is dealt out, and dealt out again, at a few kilobytes."""
    monkeypatch.setattr(sort, "_BUFFER_BYTES", 4096)


@pytest.mark.parametrize("hashes", ["random", "one", "few", "close"])
def test_rows_come_in_the_order_of_their_hashes(tmp_path, hashes):
    random = np.random.default_rng(1)
    many = 1500
    keys = {
        "random": random.integers(0, 2**64, many, dtype=np.uint64),
        "one": np.full(many, 2**63 + 5, np.uint64),
        "few": random.choice(np.array([0, 1, 2**64 - 1], np.uint64), many),
        "close": random.integers(2**40, 2**40 + 300, many, dtype=np.uint64),
    }[hashes]
    texts = [f"{key}" * 3 if key % 7 else None for key in keys.tolist()]
    table = pa.table({"text": pa.array(texts, pa.string()), "nested": [[t] for t in texts], "hash": keys})
    orders = []
    for rows in (7, 777, many):
        batches = list(sort.by_last_column(table.to_batches(rows), tmp_path))
        orders.append(pa.Table.from_batches(batches))
        assert list(tmp_path.iterdir()) == []
    expected = table.take(np.argsort(keys, kind="stable"))
    assert all(order.equals(expected) for order in orders)


def test_no_rows_are_no_rows(tmp_path):
    assert list(sort.by_last_column([], tmp_path)) == []
