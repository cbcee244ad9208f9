"""Exports: the rows of the query in every format, the same bytes each time, and whole again after any end."""

import base64
import fcntl
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time

import polars
import pyarrow.parquet as pq
import pytest
import zstandard

import codelake

# 48 MB of text that halves at best, in a fixed order.
LARGE = """SELECT i, array_to_string([sha256((50 * i + k)::VARCHAR) FOR k IN range(50)], '') AS content
FROM range(15_000) AS t(i)"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A curated lake with awkward paths."""
    root = tmp_path_factory.mktemp("export")
    (root / "checkout").mkdir()
    for number in range(40):
        (root / "checkout" / f"m {number}.tar.py").write_text(f"# é\ndef f{number}(x):\n    return x + {number}\n")
    (root / "checkout" / "main.rs").write_text("fn main() {}\n")
    with codelake.open(root / "lake") as lake:
        lake.ingest(root / "checkout")
        lake.curate()
        lake.release("1.0.0")
    return root / "lake"


@pytest.fixture(scope="module")
def lake(place):
    with codelake.open(place, threads=2) as opened:
        yield opened


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def contents(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def lines(folder):
    """The rows of a folder of JSON lines."""
    found = []
    for path in sorted(folder.rglob("*.jsonl.zst")):
        with path.open("rb") as source:
            text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(source), encoding="utf-8")
            found += [json.loads(line) for line in text]
    return found


def forget(folder, shards):
    """Make an export look cut off after its first `shards` shards."""
    state = json.loads((folder / "codelake-export.json").read_text())
    for shard in state["shards"][shards:]:
        (folder / shard["name"]).unlink()
    state["shards"], state["complete"] = state["shards"][:shards], False
    (folder / "codelake-export.json").write_text(json.dumps(state))


def test_parquet_holds_the_rows_in_shards_of_the_size_asked_for(lake, tmp_path):
    done = lake.export(tmp_path / "out", LARGE, shard_bytes=4_000_000)
    assert done.rows == 15_000
    assert done.shards >= 3
    assert names(tmp_path / "out") == [
        "codelake-export.json",
        *(f"data/part-{n:05d}.parquet" for n in range(done.shards)),
    ]
    assert polars.read_parquet(tmp_path / "out" / "data").equals(lake.sql(LARGE).pl())
    groups = pq.ParquetFile(tmp_path / "out" / "data" / "part-00000.parquet").metadata
    assert groups.row_group(0).num_rows <= 8192
    assert sum(p.stat().st_size for p in (tmp_path / "out").rglob("*.parquet")) == done.bytes


def test_code_itself_is_exported_by_default(lake, tmp_path):
    assert lake.export(tmp_path / "out").rows == 41
    assert polars.read_parquet(tmp_path / "out" / "data").sort("path").equals(lake.sql("FROM code ORDER BY path").pl())


def test_a_hugging_face_dataset_has_its_card(lake, tmp_path):
    done = lake.at("1.0.0").export(tmp_path / "out", format="hf", shard_bytes=1)
    assert done.shards == 1
    assert names(tmp_path / "out") == ["README.md", "codelake-export.json", "data/train-00000-of-00001.parquet"]
    text = (tmp_path / "out" / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    card = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in head.splitlines())}
    assert card["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert card["dataset_info"]["splits"][0]["num_examples"] == 41
    features = {feature["name"]: feature for feature in card["dataset_info"]["features"]}
    assert features["content"]["dtype"] == "string"
    assert features["visit_date"]["dtype"] == "timestamp[us]"
    assert features["detected_licenses"] == {"name": "detected_licenses", "list": "string"}
    assert card["license"] == ["other"]
    assert card["size_categories"] == ["n<1K"]
    assert "release 1.0.0" in body
    assert "| Python | 40 |" in body
    assert "SELECT * FROM code" in body


def test_licences_on_the_card_are_those_the_hub_knows(lake, tmp_path):
    query = """SELECT 'x' AS content, unnest(['MIT OR Apache-2.0', 'GPL-3.0-only WITH Classpath-exception-2.0',
               '(BSD-3-Clause AND LicenseRef-own)']) AS license"""
    lake.export(tmp_path / "out", query, format="hf")
    head = (tmp_path / "out" / "README.md").read_text().split("---\n")[1]
    assert 'license: ["apache-2.0", "bsd-3-clause", "gpl-3.0", "mit", "other"]' in head


def test_samples_have_unique_safe_keys_and_all_columns(lake, tmp_path):
    lake.export(tmp_path / "out", "SELECT path, content, visit_date FROM code ORDER BY path", format="webdataset")
    rows = lake.sql("SELECT path, content FROM code ORDER BY path").fetchall()
    with tarfile.open(tmp_path / "out" / "data" / "shard-000000.tar") as archive:
        members = archive.getmembers()
        files = {m.name: archive.extractfile(m).read() for m in members}
    assert [m.name for m in members[:2]] == ["000000000000.json", "000000000000.txt"]
    assert len(files) == 2 * len(rows)
    assert all(re.fullmatch(r"\d{12}\.(json|txt)", name) for name in files)
    assert {m.mtime for m in members} == {0}
    for number, (path, text) in enumerate(rows):
        assert json.loads(files[f"{number:012d}.json"])["path"] == path
        assert files[f"{number:012d}.txt"].decode() == text


def test_json_says_what_every_value_is(lake, tmp_path):
    query = """SELECT 'é\n"' AS t, '\\xFF\\x00a'::BLOB AS b, 'nan'::DOUBLE AS n, [1.5, 'inf'::DOUBLE] AS l,
        {'a': TIMESTAMP '2026-01-02 03:04:05.5', 'b': [DATE '2026-01-02']} AS s, 170141183460469231731687303715884105727
        AS h, 1.50::DECIMAL(9, 2) AS d, map {'k': 1} AS m, 'x'::ENUM('x') AS e, NULL AS z, TIME '10:00' AS c,
        '0b7e2e6e-6b0f-4d0c-9f0e-0f2f1a9d9b11'::UUID AS u, 1::UTINYINT AS i, true AS y"""
    lake.export(tmp_path / "out", query, format="jsonl")
    assert lines(tmp_path / "out") == [
        {
            "t": 'é\n"', "b_base64": base64.b64encode(b"\xff\0a").decode(), "n": None, "l": [1.5, None],
            "s": {"a": "2026-01-02T03:04:05.500000", "b": ["2026-01-02"]}, "h": 2**127 - 1, "d": "1.50",
            "m": {"k": 1}, "e": "x", "z": None, "c": "10:00:00", "u": "0b7e2e6e-6b0f-4d0c-9f0e-0f2f1a9d9b11",
            "i": 1, "y": True,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("format", ["parquet", "hf"])
def test_parquet_keeps_every_type(lake, tmp_path, format):
    query = """SELECT 'x'::ENUM('x') AS e, NULL AS z, map {'k': [1]} AS m, {'a': 1} AS s, [1, 2]::INT[2] AS f,
        1.5::DECIMAL(9, 2) AS d, now() AS w, uuid() AS u, 'a'::BLOB AS b"""
    lake.export(tmp_path / "out", query, format=format)
    found = pq.read_table(next((tmp_path / "out").rglob("*.parquet")))
    assert found.to_pylist()[0]["e"] == "x"
    assert found.to_pylist()[0]["s"] == {"a": 1}


@pytest.mark.parametrize("format", ["parquet", "hf", "webdataset", "jsonl"])
def test_the_same_query_gives_the_same_bytes(place, tmp_path, format):
    # A join and a group have no order of their own.
    query = """SELECT code.path, code.content, repos.committer, count(*) OVER (PARTITION BY code.language) AS many
        FROM code JOIN repos USING (repo_url)"""
    for threads in (1, 2):
        with codelake.open(place, threads=threads) as lake:
            lake.export(tmp_path / str(threads), query, format=format, shard_bytes=1000)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.parametrize("format", ["parquet", "hf", "webdataset", "jsonl"])
def test_a_query_without_rows_is_one_file_without_rows(lake, tmp_path, format):
    done = lake.export(tmp_path / "out", "SELECT path, content FROM code WHERE false", format=format)
    assert (done.rows, done.shards) == (0, 1)
    if format in {"parquet", "hf"}:
        assert pq.read_schema(next((tmp_path / "out").rglob("*.parquet"))).names == ["path", "content"]


def test_a_killed_export_goes_on_to_the_same_bytes(place, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "codelake", "export", str(out), LARGE, "--shard-mb", "1", "--format", "jsonl"]
    running = subprocess.Popen([*command, "-l", str(place)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and not (out / "data" / "part-00001.jsonl.zst").exists():
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    with codelake.open(place) as lake:
        done = lake.export(out, LARGE, format="jsonl", shard_bytes=1_000_000)
        assert 1 <= done.kept < done.shards
        lake.export(tmp_path / "whole", LARGE, format="jsonl", shard_bytes=1_000_000)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("kept", [0, 1, 3])
@pytest.mark.parametrize("format", ["hf", "webdataset"])
def test_an_export_goes_on_after_any_shard(lake, tmp_path, format, kept):
    whole = lake.export(tmp_path / "whole", LARGE, format=format, shard_bytes=4_000_000)
    lake.export(tmp_path / "out", LARGE, format=format, shard_bytes=4_000_000)
    forget(tmp_path / "out", kept)
    (tmp_path / "out" / "data" / ".train-00009.parquet.part").write_text("torn")
    (tmp_path / "out" / ".sorting-x").mkdir()
    done = lake.export(tmp_path / "out", LARGE, format=format, shard_bytes=4_000_000)
    assert (done.kept, done.shards, done.rows) == (kept, whole.shards, whole.rows)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not list((tmp_path / "out").glob(".*"))


def test_a_process_that_ended_while_it_named_the_shards_loses_nothing(lake, tmp_path):
    lake.export(tmp_path / "whole", LARGE, format="hf", shard_bytes=4_000_000)
    lake.export(tmp_path / "out", LARGE, format="hf", shard_bytes=4_000_000)
    state = json.loads((tmp_path / "out" / "codelake-export.json").read_text())
    state["complete"] = False
    for number, shard in enumerate(state["shards"]):
        old, shard["name"] = shard["name"], f"data/train-{number:05d}.parquet"
        if number % 2:
            (tmp_path / "out" / old).rename(tmp_path / "out" / shard["name"])
    (tmp_path / "out" / "codelake-export.json").write_text(json.dumps(state))
    done = lake.export(tmp_path / "out", LARGE, format="hf", shard_bytes=4_000_000)
    assert done.kept == done.shards
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_finished_export_is_left_alone_and_a_damaged_shard_written_again(lake, tmp_path):
    first = lake.export(tmp_path / "out", LARGE, shard_bytes=4_000_000)
    before = contents(tmp_path / "out")
    assert lake.export(tmp_path / "out", LARGE, shard_bytes=4_000_000).kept == first.shards
    path = tmp_path / "out" / "data" / "part-00001.parquet"
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    path.write_bytes(damaged)
    assert lake.export(tmp_path / "out", LARGE, shard_bytes=4_000_000).kept == 1
    assert contents(tmp_path / "out") == before


def test_rows_that_come_out_otherwise_are_refused(lake, tmp_path):
    query = "SELECT i, random() AS r, repeat(sha256(i::VARCHAR), 100) AS content FROM range(4000) AS t(i)"
    lake.export(tmp_path / "out", query, shard_bytes=100_000)
    forget(tmp_path / "out", 1)
    with pytest.raises(codelake.LakeError, match=r"does not give these rows again.*--overwrite"):
        lake.export(tmp_path / "out", query, shard_bytes=100_000)


def test_another_query_or_another_lake_is_refused(tmp_path, checkout):
    with codelake.open(tmp_path / "lake") as lake:
        lake.ingest(checkout)
        lake.curate()
        lake.export(tmp_path / "out", "SELECT path FROM code")
        with pytest.raises(codelake.LakeError, match=r"query: SELECT path FROM code there, SELECT 1 now"):
            lake.export(tmp_path / "out", "SELECT 1")
        with pytest.raises(codelake.LakeError, match=r"format: parquet there, jsonl now"):
            lake.export(tmp_path / "out", "SELECT path FROM code", format="jsonl")
        (checkout / "later.py").write_text("print()\n")
        lake.ingest(checkout)
        lake.curate()
        with pytest.raises(codelake.LakeError, match=r"changed since; `--at 2` reads it as it was"):
            lake.export(tmp_path / "out", "SELECT path FROM code")
        assert lake.at(2).export(tmp_path / "out", "SELECT path FROM code").kept == 1
        done = lake.export(tmp_path / "out", "SELECT path FROM code", overwrite=True)
        assert (done.kept, done.rows) == (0, 4)
        lake.export(tmp_path / "out", "SELECT path FROM code", format="jsonl", overwrite=True)
    assert names(tmp_path / "out") == ["codelake-export.json", "data/part-00000.jsonl.zst"]


def test_a_folder_with_something_else_is_left_alone(lake, tmp_path):
    (tmp_path / "photo.jpg").write_text("x")
    with pytest.raises(codelake.LakeError, match=r"other files in it \(photo.jpg"):
        lake.export(tmp_path, "SELECT 1", overwrite=True)
    with pytest.raises(codelake.LakeError, match="is a file"):
        lake.export(tmp_path / "photo.jpg", "SELECT 1")
    with pytest.raises(codelake.LakeError, match="local folder"):
        lake.export("s3://bucket/out", "SELECT 1")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "codelake-export.json").write_text("{")
    with pytest.raises(codelake.LakeError, match="is damaged"):
        lake.export(tmp_path / "torn", "SELECT 1", overwrite=True)
    assert names(tmp_path) == ["photo.jpg", "torn/codelake-export.json"]


def test_two_exports_do_not_share_a_folder(lake, tmp_path):
    (tmp_path / "out").mkdir()
    held = os.open(tmp_path / "out", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(codelake.LakeError, match="another export is writing there"):
            lake.export(tmp_path / "out", "SELECT 1")
    finally:
        os.close(held)
    assert lake.export(tmp_path / "out", "SELECT 1").rows == 1


@pytest.mark.parametrize("format", ["parquet", "webdataset", "jsonl"])
def test_a_full_disk_is_named_and_the_export_goes_on(place, tmp_path, format):
    # A limit on the size of files is what a test can have of a full disk: the write fails in the same place.
    code = f"""
import resource, signal, codelake
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with codelake.open({str(place)!r}) as lake:
    lake.session()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
    try:
        lake.export({str(tmp_path / "out")!r}, {LARGE!r}, format={format!r}, shard_bytes=4_000_000)
    except codelake.LakeError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert "the same command goes on" in done.stdout
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert names(tmp_path / "out") == ["codelake-export.json"]
    with codelake.open(place) as lake:
        assert lake.export(tmp_path / "out", LARGE, format=format, shard_bytes=4_000_000).rows == 15_000


@pytest.mark.parametrize(
    ("query", "format", "said"),
    [
        ("SELECT INTERVAL 1 DAY AS i", "parquet", "column i is an INTERVAL"),
        ("SELECT [INTERVAL 1 DAY] AS i", "jsonl", "column i is an INTERVAL"),
        ("SELECT {'b': 'x'::BLOB} AS s", "jsonl", "column s has bytes inside"),
        ("SELECT 'x'::BLOB AS b, 1 AS b_base64", "jsonl", "another one of that name"),
        ("SELECT map {1: 2} AS m", "jsonl", "a map whose keys are no text"),
        ("SELECT TIMESTAMP 'infinity' AS t", "jsonl", "CAST its column AS VARCHAR"),
        ("SELECT 1 AS n", "webdataset", "which column is the text"),
        ("SELECT pathh FROM code", "parquet", "Nearest column: path"),
        ("SELECT 1; SELECT 2", "parquet", "one SELECT is needed"),
        ("DROP VIEW code", "parquet", "one SELECT is needed"),
        ("COPY code TO 'x'", "parquet", "one SELECT is needed"),
        ("", "parquet", "one SELECT is needed"),
        ("SELECT path::INT FROM code", "parquet", "Conversion Error"),
        ("SELECT 1", "arff", "no format to export to"),
    ],
)
def test_what_cannot_be_exported_is_named(lake, tmp_path, query, format, said):
    with pytest.raises(codelake.QueryError, match=re.escape(said)):
        lake.export(tmp_path / "out", query, format=format)
    # The mistake put right, the folder is free.
    assert lake.export(tmp_path / "out", "SELECT 'x' AS content").rows == 1


def test_parameters_and_comments_belong_to_a_query(lake, tmp_path):
    query = "/* ; */ SELECT path FROM code WHERE language = ? ORDER BY path -- all;\n; -- end"
    assert lake.export(tmp_path / "out", query, params=["Rust"]).rows == 1
    with pytest.raises(codelake.LakeError, match="params"):
        lake.export(tmp_path / "out", query, params=["Python"])


def test_the_order_of_a_query_is_kept(lake, tmp_path):
    lake.export(tmp_path / "out", "SELECT path FROM code ORDER BY path DESC", format="jsonl")
    found = [row["path"] for row in lines(tmp_path / "out")]
    assert found == sorted(found, reverse=True)
