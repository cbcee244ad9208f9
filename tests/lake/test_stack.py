"""The Stack as a source: small Parquet files in each layout its publishers use."""

import gzip
import hashlib
import random
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import codelake
from codelake.lake import sources
from codelake.lake.sources import Failure, Request
from codelake.lake.swhid import content_id

DATE = datetime(2023, 9, 6, 1, 2, 3)
FILES = {"a.py": "print('a')\n", "src/b.py": "print('b')\n", "src/ü.rs": "fn main() {}\n"}
OTHER = {"main.go": "package main\n", "a.py": "print('a')\n"}
STRINGS = pa.list_(pa.string())
TIME = pa.timestamp("ns")

# Columns as the cards of the datasets list them: bigcode/the-stack-v2, its -train-ids, HuggingFaceCode/stack-v3-train.
V2 = pa.schema([
    ("blob_id", pa.string()), ("directory_id", pa.string()), ("path", pa.string()), ("content_id", pa.string()),
    ("detected_licenses", STRINGS), ("license_type", pa.string()), ("repo_name", pa.string()),
    ("snapshot_id", pa.string()), ("revision_id", pa.string()), ("branch_name", pa.string()), ("visit_date", TIME),
    ("revision_date", TIME), ("committer_date", TIME), ("github_id", pa.int64()), ("star_events_count", pa.int64()),
    ("fork_events_count", pa.int64()), ("gha_license_id", pa.string()), ("gha_event_created_at", TIME),
    ("gha_created_at", TIME), ("gha_language", pa.string()), ("src_encoding", pa.string()), ("language", pa.string()),
    ("is_vendor", pa.bool_()), ("is_generated", pa.bool_()), ("length_bytes", pa.int64()), ("extension", pa.string()),
])  # fmt: skip
V2_FILE = pa.struct([
    ("blob_id", pa.string()), ("path", pa.string()), ("content_id", pa.string()), ("language", pa.string()),
    ("length_bytes", pa.int64()), ("detected_licenses", STRINGS), ("license_type", pa.string()),
    ("src_encoding", pa.string()), ("is_vendor", pa.bool_()), ("is_generated", pa.bool_()),
    ("alphanum_fraction", pa.float32()), ("alpha_fraction", pa.float32()), ("num_lines", pa.int32()),
    ("avg_line_length", pa.float32()), ("max_line_length", pa.int32()),
])  # fmt: skip
V2_TRAIN = pa.schema([
    ("repo_name", pa.string()), ("repo_url", pa.string()), ("snapshot_id", pa.string()), ("revision_id", pa.string()),
    ("directory_id", pa.string()), ("branch_name", pa.string()), ("visit_date", TIME), ("revision_date", TIME),
    ("committer_date", TIME), ("github_id", pa.int64()), ("star_events_count", pa.int64()),
    ("fork_events_count", pa.int64()), ("gha_license_id", pa.string()), ("gha_created_at", TIME),
    ("gha_updated_at", TIME), ("gha_pushed_at", TIME), ("gha_language", pa.string()), ("files", pa.list_(V2_FILE)),
    ("num_files", pa.int64()),
])  # fmt: skip
V3_FILE = pa.struct([
    ("content_id", pa.string()), ("content", pa.string()), ("size_bytes", pa.int32()), ("file_path", pa.string()),
    ("file_timestamp", pa.int64()), ("language", pa.string()), ("is_vendor", pa.bool_()),
    ("license_type", pa.string()), ("detected_licenses", STRINGS),
])  # fmt: skip
V3 = pa.schema([
    ("repo_path", pa.string()), ("repo_id", pa.int64()), ("commit_id", pa.string()),
    ("github_metadata", pa.struct([
        ("branch", pa.string()), ("commit_count", pa.int32()), ("repo_created_at", pa.string()),
        ("is_fork", pa.bool_()), ("is_org_owned", pa.bool_()), ("forked_from", pa.string()), ("stars", pa.int32()),
        ("forks", pa.int32()), ("issues", pa.int32()), ("pull_requests", pa.int32()),
    ])),
    ("num_files", pa.int32()), ("files", pa.list_(V3_FILE)),
])  # fmt: skip
V1 = pa.schema([
    ("hexsha", pa.string()), ("size", pa.int64()), ("ext", pa.string()), ("lang", pa.string()),
    ("max_stars_repo_path", pa.string()), ("max_stars_repo_name", pa.string()),
    ("max_stars_repo_head_hexsha", pa.string()), ("max_stars_repo_licenses", STRINGS),
    ("max_stars_count", pa.int64()), ("content", pa.string()), ("avg_line_length", pa.float64()),
    ("max_line_length", pa.int64()), ("alphanum_fraction", pa.float64()),
])  # fmt: skip


def write(path, rows, schema, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, **options)
    return path


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest()


def v2_row(repo, path, text, **more):
    row = {
        "blob_id": sha1(text), "content_id": content_id(text.encode()), "path": path, "repo_name": repo,
        "detected_licenses": ["MIT"], "snapshot_id": "5" * 40, "revision_id": "6" * 40, "directory_id": "7" * 40,
        "branch_name": "refs/heads/main", "visit_date": DATE, "revision_date": DATE, "committer_date": DATE,
        "star_events_count": 7, "fork_events_count": 2, "gha_license_id": None, "length_bytes": len(text.encode()),
    }  # fmt: skip
    return row | more


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "content"
    folder.mkdir()
    for text in {*FILES.values(), *OTHER.values()}:
        (folder / sha1(text)).write_bytes(gzip.compress(text.encode()))
    return folder


def read(lake):
    """(repository, path) -> content, after checking that every content has the id it goes by."""
    found = {}
    for repo, path, blob, content in lake.sql(
        "SELECT f.repo_name, f.path, f.blob_id, b.content FROM files f JOIN blobs b USING (blob_id)"
    ).fetchall():
        assert content_id(content) == blob
        found[repo, path] = content.decode()
    return found


WANTED = {("ann/one", p): t for p, t in FILES.items()} | {("bob/two", p): t for p, t in OTHER.items()}


def repo(lake, names, repo="ann/one"):
    return lake.sql(f"SELECT {names} FROM repos WHERE repo_name = ?", params=[repo]).fetchall()[0]


def test_v2_has_a_row_a_file_and_contents_elsewhere(lake, tmp_path, store):
    rows = [v2_row("ann/one", p, t) for p, t in FILES.items()]
    rows += [v2_row("bob/two", p, t, gha_license_id="Apache-2.0") for p, t in OTHER.items()]
    # By language, as it is published: the files of a repository are far apart.
    random.Random(0).shuffle(rows)
    write(tmp_path / "v2" / "data" / "Python" / "train-0.parquet", rows[:3], V2)
    write(tmp_path / "v2" / "data" / "Rust" / "train-0.parquet", rows[3:], V2)
    report = lake.ingest(f"stack:{tmp_path / 'v2'}?content={store}")
    assert (report["visits"], report["files"], report.failures, report.drops) == (2, 5, (), {})
    assert read(lake) == WANTED
    assert repo(lake, "repo_url, host, owner, vcs, stars, forks, branch_name, declared_license") == (
        "https://github.com/ann/one", "github.com", "ann", "git", 7, 2, "main", "MIT",
    )  # fmt: skip
    assert repo(lake, "visit_date, revision_date, committer_date") == (DATE, DATE, DATE)
    assert repo(lake, "snapshot_id, revision_id") == ("5" * 40, "6" * 40)
    # Seven times seven is what the rows say of the whole tree; this is not the whole.
    assert repo(lake, "directory_id") != ("7" * 40,)
    assert repo(lake, "declared_license", "bob/two") == ("Apache-2.0",)


def test_v2_with_content_needs_no_store(lake, tmp_path):
    rows = [v2_row("ann/one", p, t) | {"content": t} for p, t in FILES.items()]
    rows.insert(1, v2_row("bob/two", "main.go", OTHER["main.go"]) | {"content": OTHER["main.go"]})
    rows.append(v2_row("bob/two", "a.py", OTHER["a.py"]) | {"content": OTHER["a.py"]})
    path = write(tmp_path / "some.parquet", rows, V2.append(pa.field("content", pa.string())))
    lake.ingest(f"stack:{path}")
    assert read(lake) == WANTED


def test_v1_is_read_by_its_own_names(lake, tmp_path):
    rows = [
        {
            "hexsha": "0" * 40, "size": len(text), "max_stars_repo_path": path, "max_stars_repo_name": name,
            "max_stars_repo_head_hexsha": "9" * 40, "max_stars_repo_licenses": ["MIT", "Apache-2.0"],
            "max_stars_count": 3, "content": text,
        }
        for (name, path), text in WANTED.items()
    ]  # fmt: skip
    lake.ingest(f"stack:{write(tmp_path / 'v1.parquet', rows, V1)}")
    assert read(lake) == WANTED
    assert repo(lake, "revision_id, stars, declared_license") == ("9" * 40, 3, "Apache-2.0 AND MIT")


def v2_train(name, files, **more):
    rows = [v2_row(name, path, text) for path, text in files.items()]
    head = {key: rows[0][key] for key in rows[0] if key in V2_TRAIN.names}
    inside = [{key: row[key] for key in row if key in {f.name for f in V2_FILE}} for row in rows]
    return head | {"repo_url": f"https://github.com/{name}", "files": inside, "num_files": len(files)} | more


def test_v2_train_has_a_row_a_repository(lake, tmp_path, store):
    rows = [v2_train("ann/one", FILES), v2_train("bob/two", OTHER)]
    lake.ingest(f"stack:{write(tmp_path / 'ids.parquet', rows, V2_TRAIN)}?content={store}")
    assert read(lake) == WANTED
    assert repo(lake, "stars, visit_date, snapshot_id") == (7, DATE, "5" * 40)


def v3_row(name, files, **more):
    inside = [
        # Hashed before it was redacted: the id is that of another text.
        {
            "content_id": sha1(text + "before"), "content": text, "size_bytes": 1 + len(text.encode()),
            "file_path": path, "file_timestamp": 1_700_000_000, "detected_licenses": [],
        }
        for path, text in files.items()
    ]  # fmt: skip
    about = {"branch": "main", "stars": 12, "forks": 4, "is_fork": True, "forked_from": "eve/zero"}
    return {
        "repo_path": name, "repo_id": 1, "commit_id": "8" * 40, "github_metadata": about, "num_files": len(files),
        "files": inside, **more,
    }  # fmt: skip


def test_v3_train_has_contents_in_its_rows(lake, tmp_path):
    rows = [v3_row("ann/one", FILES), v3_row("bob/two", OTHER), v3_row("eve/none", {})]
    report = lake.ingest(f"stack:{write(tmp_path / 'v3' / 'part-0.parquet', rows, V3, row_group_size=2).parent}")
    assert report["visits"] == 3
    assert read(lake) == WANTED
    assert repo(lake, "revision_id, branch_name, stars, forks, fork_of, declared_license, snapshot_id") == (
        "8" * 40, "main", 12, 4, "eve/zero", None, None,
    )  # fmt: skip


def test_many_repositories_are_read_by_several_processes(lake, tmp_path):
    """Enough files that worker processes open the file for themselves, each reading only forward."""
    rows = [v3_row(f"org/{number:03}", {f"{n}.py": f"x = {number * n}\n" for n in range(40)}) for number in range(100)]
    path = write(tmp_path / "v3.parquet", rows, V3, row_group_size=60)
    report = lake.ingest(f"stack:{path}", workers=2)
    assert (report["visits"], report["files"], report.drops) == (100, 4000, {})
    found = read(lake)
    assert found["org/099", "39.py"] == f"x = {99 * 39}\n"
    assert len(found) == 4000


def test_paths_that_are_there_twice_are_kept_once(lake, tmp_path):
    row = v3_row("ann/one", {"a": "x = 1\n", "a/b": "y = 1\n", "a.py": "z = 1\n"})
    row["files"] += [row["files"][2], row["files"][0] | {"content": None, "file_path": "stub.py"}]
    row["files"].append(row["files"][0] | {"file_path": None})
    lake.ingest(f"stack:{write(tmp_path / 'v3.parquet', [row], V3)}")
    assert sorted(path for _, path in read(lake)) == ["a", "a.py"]
    assert sorted(lake.sql("SELECT path, reason FROM drops").fetchall()) == [
        ("", "unnamed"), ("a.py", "duplicate-path"), ("a/b", "duplicate-path"), ("stub.py", "absent"),
    ]  # fmt: skip


def test_a_content_that_is_not_what_the_row_says_is_dropped(lake, tmp_path, store):
    rows = [v2_row("ann/one", p, t) for p, t in FILES.items()]
    (store / rows[0]["blob_id"]).write_bytes(gzip.compress(b"print('x')\n"))
    (store / rows[1]["blob_id"]).unlink()
    rows.append(v2_row("ann/one", "nothing.py", "x") | {"blob_id": None})
    lake.ingest(f"stack:{write(tmp_path / 'v2.parquet', rows, V2)}?content={store}")
    assert dict(lake.sql("SELECT path, reason FROM drops").fetchall()) == {
        "a.py": "wrong-checksum", "src/b.py": "missing", "nothing.py": "absent",
    }  # fmt: skip
    assert list(read(lake).values()) == [FILES["src/ü.rs"]]


@pytest.mark.parametrize(
    ("declared", "detected", "said"),
    [
        ("MIT", [["GPL-3.0"]], "MIT"),
        ("NOASSERTION", [["MIT"], ["GPL-3.0", "MIT"]], "GPL-3.0 AND MIT"),
        # A file without one has no licence, whatever its neighbours have.
        (None, [["MIT"], []], None),
        (None, [["MIT"], None], None),
    ],
)
def test_the_licence_is_githubs_else_all_that_were_found(lake, tmp_path, declared, detected, said):
    rows = [
        v2_row("ann/one", f"{n}.py", "x", gha_license_id=declared, detected_licenses=names, content="x")
        for n, names in enumerate(detected)
    ]
    lake.ingest(f"stack:{write(tmp_path / 'v2.parquet', rows, V2.append(pa.field('content', pa.string())))}")
    assert repo(lake, "declared_license") == (said,)


def test_other_parquet_is_refused_with_what_is_needed(lake, tmp_path):
    path = write(
        tmp_path / "x.parquet",
        [{"repo_name": "a", "text": "x"}],
        pa.schema([("repo_name", pa.string()), ("text", pa.string())]),
    )
    with pytest.raises(codelake.SourceError, match=r"path.*Found: repo_name, text"):
        lake.ingest(f"stack:{path}")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("stack:", "write stack:PATH"),
        ("stack:{tmp}/nowhere", "no Parquet file"),
        ("stack:{tmp}", "no Parquet file"),
        ("stack:{tmp}/broken.parquet.txt", "is no Parquet file"),
        ("stack:{tmp}?colour=red", "write stack:PATH"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(lake, tmp_path, source, said):
    (tmp_path / "broken.parquet.txt").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(codelake.SourceError, match=said):
        lake.ingest(source.format(tmp=tmp_path))
    with pytest.raises(codelake.SourceError, match="no history"):
        lake.ingest(f"stack:{tmp_path}", at="2020")


def test_a_broken_file_is_named_and_what_came_before_stays(lake, tmp_path):
    write(tmp_path / "v3" / "part-0.parquet", [v3_row("ann/one", FILES)], V3)
    path = write(tmp_path / "v3" / "part-1.parquet", [v3_row("bob/two", OTHER)], V3)
    path.write_bytes(path.read_bytes()[:-30])
    report = lake.ingest(f"stack:{tmp_path / 'v3'}")
    assert str(path) in report.failures[0][1]
    assert report["visits"] == 1


def test_rows_without_a_repository_are_a_failure(tmp_path):
    path = write(tmp_path / "v3.parquet", [v3_row(None, FILES), v3_row("ann/one", FILES)], V3)
    first, second = sources.visits(Request(source=f"stack:{path}", rest="", scratch=tmp_path))
    assert isinstance(first, Failure)
    assert second.repo_name == "ann/one"


def test_a_dataset_in_a_bucket_is_read(lake, tmp_path, monkeypatch):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="stack")
    body = write(tmp_path / "v3.parquet", [v3_row("ann/one", FILES), v3_row("bob/two", OTHER)], V3).read_bytes()
    client.put_object(Bucket="stack", Key="v3/part-0.parquet", Body=body)
    lake.ingest("stack:s3://stack/v3")
    server.stop()
    assert read(lake) == WANTED
