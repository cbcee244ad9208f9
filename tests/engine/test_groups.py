"""Groups of rows: their bounds depend on the rows alone, and no group is much larger than it may be."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from codelake.engine import groups as module
from codelake.engine.groups import groups, row_bytes

NESTED = pa.struct([("a", pa.string()), ("b", pa.list_(pa.string()))])


def cut(table, cuts):
    """The rows of a table in batches that end at `cuts`."""
    bounds = [0, *sorted(c % (table.num_rows + 1) for c in cuts), table.num_rows]
    parts = [table.slice(a, b - a) for a, b in pairwise(bounds)]
    return [batch for part in parts for batch in part.to_batches()]


@given(
    st.lists(st.text(max_size=30) | st.none(), min_size=1, max_size=60),
    st.lists(st.integers(0, 1000), max_size=8),
    st.lists(st.integers(0, 1000), max_size=8),
)
def test_bounds_do_not_depend_on_the_batches(texts, one, other):
    nested = [None if t is None else {"a": t, "b": [t] * (len(t) % 3)} for t in texts]
    table = pa.table({"text": pa.array(texts, pa.string()), "nested": pa.array(nested, NESTED)})
    before = module.ROW_GROUP_BYTES, module.ROW_GROUP_ROWS
    module.ROW_GROUP_BYTES, module.ROW_GROUP_ROWS = 100, 7
    try:
        first, second = list(groups(cut(table, one))), list(groups(cut(table, other)))
    finally:
        module.ROW_GROUP_BYTES, module.ROW_GROUP_ROWS = before
    assert [g.to_pylist() for g in first] == [g.to_pylist() for g in second]
    assert pa.concat_tables(first).equals(table)
    for group in first:
        sizes = np.concatenate([row_bytes(batch) for batch in group.to_batches()])
        assert group.num_rows <= 7
        # Only the last row may bring it over the limit.
        assert sizes[:-1].sum() < 100


def test_the_size_of_a_value_is_that_of_what_is_in_it():
    kinds = {
        "text": (pa.string(), ["abc", None], [3, 0]),
        "bytes": (pa.large_binary(), [b"abcd", b""], [4, 0]),
        "number": (pa.int64(), [1, None], [8, 8]),
        "list": (pa.list_(pa.string()), [["ab", "c"], None], [3, 0]),
        "map": (pa.map_(pa.string(), pa.int64()), [[("k", 1)], []], [9, 0]),
        "struct": (NESTED, [{"a": "x", "b": ["yz"]}, None], [3, 0]),
        "fixed": (pa.list_(pa.int32(), 2), [[1, 2], None], [16, 0]),
    }
    for name, (kind, values, sizes) in kinds.items():
        array = pa.array(["drop", *values] if name == "text" else [values[0], *values], kind)[1:]
        assert module.value_bytes(array).tolist() == sizes, name
