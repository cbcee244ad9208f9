"""What may go into what, and the policies."""

import duckdb
import pyarrow as pa
import pytest

from codelake import sql
from codelake.engine.errors import QueryError
from codelake.lake.licenses.compat import check
from codelake.lake.licenses.policies import POLICIES, approved, listed, table


@pytest.mark.parametrize(
    ("expression", "into", "answer"),
    [
        ("MIT", "Apache-2.0", "compatible"),
        ("Apache-2.0", "MIT", "compatible"),
        ("MIT", "GPL-3.0-only", "compatible"),
        ("GPL-3.0-only", "MIT", "incompatible"),
        ("GPL-3.0-only", "Apache-2.0", "incompatible"),
        ("Apache-2.0", "GPL-3.0-only", "compatible"),
        ("Apache-2.0", "GPL-2.0-only", "incompatible"),
        ("GPL-2.0-only", "GPL-3.0-only", "incompatible"),
        ("MIT OR GPL-3.0-only", "Apache-2.0", "compatible"),
        ("MIT AND GPL-3.0-only", "Apache-2.0", "incompatible"),
        ("MIT", "MIT OR Apache-2.0", "compatible"),
        ("GPL-2.0-only", "GPL-2.0-only OR MIT", "incompatible"),
        ("CC-BY-NC-4.0", "MIT", "incompatible"),
        ("LicenseRef-Foo", "MIT", "unknown"),
        ("LicenseRef-Foo OR MIT", "GPL-3.0-only", "compatible"),
        ("LicenseRef-Foo", "LicenseRef-Foo", "compatible"),
        ("Apache 2.0", "mit license", "compatible"),
    ],
)
def test_check(expression: str, into: str, answer: str) -> None:
    verdict = check(expression, into)
    assert verdict.answer == answer
    assert verdict.reasons and all(r.why for r in verdict.reasons)


def test_the_choice_is_named() -> None:
    assert check("MIT OR GPL-3.0-only", "Apache-2.0").chosen == "MIT"
    assert check("Zlib AND (MIT OR GPL-3.0-only)", "Apache-2.0").chosen == "Zlib AND MIT"


def test_what_cannot_be_read_is_an_error_with_the_fix() -> None:
    with pytest.raises(QueryError, match=r"foo bar.*spdx\.org"):
        check("foo bar", "MIT")
    with pytest.raises(QueryError, match="AND AND"):
        check("MIT", "MIT AND AND MIT")


def test_what_policies_take() -> None:
    assert approved("MIT OR LicenseRef-Proprietary")
    assert not approved("MIT AND LicenseRef-Proprietary")
    assert approved("GPL-2.0-only WITH Classpath-exception-2.0")
    assert not approved("CC-BY-4.0")
    assert listed("MIT AND Apache-2.0") and not listed("MIT OR GPL-3.0-only")
    assert listed("MIT AND LicenseRef-unknown-reference") and not listed("LicenseRef-unknown-reference")


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("permissive", ["mit"]),
        ("osi", ["gpl", "mit"]),
        ("stack_v3", ["mit", "none"]),
        ("stack_v2", ["gpl", "mit", "none"]),
    ],
)
def test_policies_are_views(policy: str, kept: list[str]) -> None:
    assert policy in POLICIES
    code = pa.table(
        {
            "path": ["mit", "gpl", "none", "other"],
            "repo_url": ["r1", "r2", "r3", "r4"],
            "license": ["MIT", "GPL-3.0-only", None, "LicenseRef-Unknown"],
            "license_type": ["permissive", "copyleft", "none", "unknown"],
        }
    )
    declared = pa.table({"repo_url": ["r2", "r4"], "license": ["MIT", "GPL-3.0-only"]})
    with duckdb.connect() as connection:
        connection.register("code", code)
        connection.register("license_policies", table(["MIT", "GPL-3.0-only", "LicenseRef-Unknown"]))
        connection.register("declared_licenses", declared)
        rows = connection.sql(sql.load(f"policies/{policy}")).fetchall()
    assert sorted(row[0] for row in rows) == kept
