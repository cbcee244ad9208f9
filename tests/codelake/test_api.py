"""The Lake object as its user holds it: opening, asking, time, streams, tokenizers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import codelake


def test_a_new_folder_becomes_a_lake_and_opens_again(tmp_path, checkout):
    with codelake.open(tmp_path / "deep" / "lake") as lake:
        lake.ingest(checkout)
    with codelake.open(tmp_path / "deep" / "lake", create=False) as lake:
        assert lake.sql("SELECT count(*) FROM files").fetchall() == [(8,)]


def test_every_table_of_the_design_is_there(lake):
    names = "repos files blobs licenses findings duplicates symbols drops optouts code checkpoints".split()  # noqa: SIM905
    for name in names:
        assert lake.sql(f"SELECT count(*) FROM {name}").fetchall() == [(0,)]
    assert (
        lake.sql("SELECT blob_id, spdx, start_offset, end_offset, score, rule, detector FROM licenses").fetchall() == []
    )
    assert (
        lake.sql(
            "SELECT blob_id, kind, start_offset, end_offset, detector, score, replacement FROM findings"
        ).fetchall()
        == []
    )
    assert lake.sql("SELECT blob_id, cluster_id, jaccard, representative FROM duplicates").fetchall() == []
    assert lake.sql("SELECT blob_id, path, repo_name, stage, reason, value, threshold FROM drops").fetchall() == []


def test_a_folder_that_is_not_a_lake_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    with pytest.raises(codelake.LakeError, match=r"not a lake: it has no codelake.json"):
        codelake.open(tmp_path / "photos")
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(codelake.LakeError, match=r"file"):
        codelake.open(tmp_path / "file")


def test_nothing_is_made_where_none_is_wanted(tmp_path):
    with pytest.raises(codelake.LakeError, match="nothing is there"):
        codelake.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m | {"format_version": 99}, r"format 99.*pip install -U codelake"),
        (lambda m: m | {"location": "/somewhere/else"}, "was made at /somewhere/else"),
        (lambda m: {}, "damaged"),
    ],
)
def test_a_lake_this_version_cannot_read_is_refused(tmp_path, change, said):
    codelake.open(tmp_path / "lake").close()
    marker = tmp_path / "lake" / "codelake.json"
    marker.write_text(json.dumps(change(json.loads(marker.read_text()))))
    with pytest.raises(codelake.LakeError, match=said):
        codelake.open(tmp_path / "lake")


def test_a_damaged_marker_or_catalog_is_named(tmp_path):
    codelake.open(tmp_path / "lake").close()
    (tmp_path / "lake" / "catalog.db").write_bytes(b"this is not SQLite" * 100)
    with pytest.raises(codelake.LakeError, match="catalog"):
        codelake.open(tmp_path / "lake")
    (tmp_path / "lake" / "codelake.json").write_text("{")
    with pytest.raises(codelake.LakeError, match="damaged"):
        codelake.open(tmp_path / "lake")


def test_a_lake_reached_by_a_link_is_the_same_lake(tmp_path, checkout):
    with codelake.open(tmp_path / "lake") as lake:
        lake.ingest(checkout)
    (tmp_path / "alias").symlink_to(tmp_path / "lake")
    with codelake.open(tmp_path / "alias") as lake:
        assert lake.sql("SELECT count(*) FROM repos").fetchall() == [(1,)]


def test_object_storage_needs_a_catalog():
    with pytest.raises(codelake.LakeError, match="catalog="):
        codelake.open("s3://bucket/lake")


def test_unknown_storage_is_refused():
    with pytest.raises(codelake.LakeError, match="no storage of this kind"):
        codelake.open("gopher://host/lake")


def test_a_relation_has_every_shape(lake, checkout):
    lake.ingest(checkout)
    relation = lake.sql("SELECT path, length_bytes FROM files WHERE language = ? ORDER BY path", params=["Python"])
    assert relation.fetchall()[0][0] == "empty.py"
    assert relation.pl().columns == ["path", "length_bytes"]
    assert list(relation.df().columns) == ["path", "length_bytes"]
    assert relation.arrow().read_all().num_rows == 4
    relation.show()


def test_a_mistake_names_the_nearest(lake):
    with pytest.raises(codelake.QueryError, match=r"Nearest column: language \(in files"):
        lake.sql("SELECT langauge FROM files")
    with pytest.raises(codelake.QueryError, match="Nearest table: code"):
        lake.sql("SELECT * FROM cod")


def test_another_process_is_seen_at_the_next_query(lake, checkout):
    assert lake.sql("SELECT count(*) FROM files").fetchall() == [(0,)]
    code = f"import codelake; codelake.open({lake.place.location!r}).ingest({str(checkout)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert lake.sql("SELECT count(*) FROM files").fetchall() == [(8,)]


def test_the_tables_are_plain_files_for_other_readers(lake, checkout):
    import polars

    lake.ingest(checkout)
    lake.curate()
    found = polars.scan_parquet([file.path for file in lake.tables()["code"].files]).select("path", "content").collect()
    assert sorted(found["path"]) == ["run", "src/copy.py", "src/main.rs"]


@pytest.fixture
def prose(lake, tmp_path):
    """A lake with enough text for a small tokenizer."""
    root = tmp_path / "prose"
    root.mkdir()
    for number in range(60):
        lines = "".join(f"def function_{number}_{k}(argument):\n    return argument + {k}\n" for k in range(20))
        (root / f"m{number}.py").write_text(lines)
    lake.ingest(root)
    lake.curate()
    return lake


def test_a_tokenizer_is_trained_on_a_query(prose, tmp_path):
    from tokenizers import Tokenizer

    path = prose.train_tokenizer("SELECT content FROM code", vocab_size=400)
    assert path == Path(prose.place.location) / "tokenizers" / "bpe-400.json"
    tokenizer = Tokenizer.from_file(str(path))
    text = "def function_1_2(argument):\r\n\treturn 'é' + \"\\0\"\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert 263 < tokenizer.get_vocab_size() <= 400
    other = prose.train_tokenizer("SELECT path, content FROM code", vocab_size=400, path=tmp_path / "t.json")
    assert other == tmp_path / "t.json"
    assert other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("sql", ["SELECT path, repo_name FROM code", "SELECT length_bytes FROM code"])
def test_a_query_without_a_text_is_refused(prose, sql):
    with pytest.raises(codelake.QueryError, match="which column is the text"):
        prose.train_tokenizer(sql)


def test_a_stream_gives_every_document_of_its_query(prose):
    path = prose.train_tokenizer("SELECT content FROM code", vocab_size=400)
    stream = prose.stream("SELECT content FROM code WHERE path < 'm3'", tokenizer=path, seq_len=128)
    wanted = {row[0] for row in prose.sql("SELECT content FROM code WHERE path < 'm3'").fetchall()}
    block = next(stream.blocks())
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    text = "".join(tokenizer.decode(row.tolist(), skip_special_tokens=True) for row in block.rows.tokens)
    assert all(line in text for document in wanted for line in document.splitlines()[:1])
    with stream.loader(batch_size=2) as loader:
        batch = next(loader)
        assert tuple(batch.tokens.shape) == (2, 129)
        assert str(batch.tokens.dtype) == "torch.int32"
        assert len(json.dumps(loader.state_dict())) < 1024


def test_a_stream_of_the_past_is_that_of_then(prose, checkout):
    path = prose.train_tokenizer("SELECT content FROM code", vocab_size=400)
    sql = "SELECT content FROM code"
    plan = prose.stream(sql, tokenizer=path, seq_len=64).plan
    prose.ingest(checkout)
    prose.curate()
    assert prose.stream(sql, tokenizer=path, seq_len=64).plan.sha256 != plan.sha256
    with prose.at(plan.snapshot) as past:
        assert past.stream(sql, tokenizer=path, seq_len=64).plan.sha256 == plan.sha256


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    from codelake.engine.optional import require

    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(codelake.MissingDependencyError, match=r"pip install 'codelake\[search\]'"):
        require("lancedb")
