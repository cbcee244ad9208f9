"""Which expressions a policy keeps: `table`; the policies themselves are views, `sql/policies/*.sql`.

permissive (the default): licence types permissive and public-domain. osi: what the Open Source Initiative has approved.
stack_v2, stack_v3: what The Stack keeps, as its published code does (bigcode-project/the-stack-v2,
`the_stack/3_file_dataset/get_license_types.py`; v3's card): files whose every licence is in its list, and files
without any. Its list is taken as Blue Oak's and ScanCode's Permissive and Public Domain together.
"""

from collections.abc import Iterable
from functools import cache

import pyarrow as pa

from .. import spdx
from .findings import REFERENCE, keys
from .texts import data

POLICIES = ("permissive", "stack_v2", "stack_v3", "osi")
# References that The Stack does not count as licences.
_NO_LICENSE = frozenset({REFERENCE, "LicenseRef-AdditionalTerms"})


@cache
def _osi() -> frozenset[str]:
    return frozenset(str(name) for name in data()["osi"])  # type: ignore[attr-defined]


@cache
def _listed() -> frozenset[str]:
    """The Stack's permissive list."""
    return frozenset(
        row["spdx_id"]
        for row in spdx._rows("licence_categories.csv")
        if row["blueoak_rating"] or row["scancode_category"] in {"Permissive", "Public Domain"}
    ) | {"LicenseRef-BSD", "LicenseRef-MIT-style", "LicenseRef-scancode-public-domain"}


def approved(expression: str) -> bool:
    """Whether an expression can be met with licences approved by the OSI: any side of an OR, every side of an AND."""
    return _approved(spdx.tree(expression))


def _approved(node: spdx.Tree) -> bool:
    if isinstance(node, str):
        return node.split(" WITH ")[0].removesuffix("+") in _osi()
    operator, children = node
    return (any if operator == "OR" else all)(map(_approved, children))


def listed(expression: str) -> bool:
    """Whether The Stack takes a file with these licences for permissive: all are in its list, whatever joins them."""
    named = [k for k in keys(expression) if k not in _NO_LICENSE]
    return bool(named) and all(k in _listed() for k in named)


def table(expressions: Iterable[str]) -> pa.Table:
    """Columns license, license_type, permissive, listed, osi: one row for each distinct expression, sorted."""
    names = sorted(set(expressions))
    types = [spdx.license_type(name) for name in names]
    return pa.table(
        {
            "license": pa.array(names, pa.string()),
            "license_type": pa.array(types, pa.string()),
            "permissive": pa.array([t in {"permissive", "public-domain"} for t in types], pa.bool_()),
            "listed": pa.array([listed(name) for name in names], pa.bool_()),
            "osi": pa.array([approved(name) for name in names], pa.bool_()),
        }
    )
