"""Releases and time travel: old versions stay as they were, whatever comes later."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import codelake


def count(lake, table="code"):
    return lake.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]


@pytest.fixture
def released(lake, checkout):
    lake.ingest(checkout)
    lake.curate()
    lake.release("0.1.0", notes="first")
    (checkout / "more.py").write_text("more = 1\n")
    lake.ingest(checkout)
    lake.curate()
    return lake


def test_a_release_is_the_lake_as_it_was(released):
    assert count(released) == 4
    with released.at("0.1.0") as old:
        assert count(old) == 3
        assert count(old, "repos") == 1
    assert count(released) == 4


def test_every_table_with_rows_is_tagged_at_once(released):
    tables = released.catalog.tables()
    assert {name for name, table in tables.items() if "0.1.0" in table.metadata.refs} == {
        "repos",
        "files",
        "blobs",
        "drops",
        "code",
    }


def test_the_manifest_has_the_checksum_of_every_file(released):
    root = Path(released.place.location)
    manifest = json.loads((root / "releases" / "0.1.0.json").read_text())
    assert (manifest["version"], manifest["notes"]) == ("0.1.0", "first")
    files = [file for table in manifest["tables"].values() for file in table["files"]]
    assert files
    for file in files:
        data = (root / file["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert manifest["tables"]["code"]["rows"] == 3
    assert manifest["tables"]["optouts"] == {"snapshot_id": None, "rows": 0, "files": []}


def test_releases_are_listed_by_version(released):
    released.release("0.10.0")
    released.release("0.2.0-rc.1")
    released.release("0.2.0")
    assert [r.version for r in released.releases()] == ["0.1.0", "0.2.0-rc.1", "0.2.0", "0.10.0"]
    assert released.releases()[0].rows["code"] == 3


@pytest.mark.parametrize(
    ("version", "said"), [("1", "not a version"), ("v1.0.0", "not a version"), ("0.1.0", "there already")]
)
def test_a_version_that_cannot_be_is_refused(released, version, said):
    with pytest.raises(codelake.LakeError, match=said):
        released.release(version)


def test_an_empty_lake_cannot_be_released(lake):
    with pytest.raises(codelake.LakeError, match="nothing to release"):
        lake.release("1.0.0")


def test_a_lost_manifest_is_named(released):
    (Path(released.place.location) / "releases" / "0.1.0.json").unlink()
    with pytest.raises(codelake.LakeError, match=r"manifest of release 0.1.0 is missing"):
        released.releases()


def test_a_commit_number_a_snapshot_and_a_time_are_points_in_time(released):
    log = released.log()
    assert [entry.sequence for entry in log] == [4, 3, 2, 1]
    first_code = released.at(2).tables()["code"].snapshot
    for when in (2, "2", first_code, log[2].committed_at, log[2].committed_at.replace(tzinfo=UTC)):
        assert count(released.at(when)) == 3, when
    assert count(released.at(1)) == 0
    assert count(released.at(1), "files") == 8
    assert count(released.at(datetime(2001, 1, 1)), "files") == 0
    assert count(released.at("2001-01-01"), "files") == 0


@pytest.mark.parametrize(
    ("when", "said"),
    [("0.1.1", "nearest: 0.1.0"), ("yesterday", "no release and no time"), (0, "1 to 4"), (99, "1 to 4")],
)
def test_a_point_in_time_that_never_was_is_refused(released, when, said):
    with pytest.raises(codelake.LakeError, match=said):
        released.at(when)


def test_the_past_is_read_only(released, checkout):
    past = released.at("0.1.0")
    for attempt in (lambda: past.ingest(checkout), lambda: past.release("3.0.0"), lambda: past.commit("x")):
        with pytest.raises(codelake.LakeError, match="read-only"):
            attempt()
