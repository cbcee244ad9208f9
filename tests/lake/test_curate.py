"""Curation: what is kept, what is dropped and why, and that nothing is counted twice or forgotten."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import codelake
from codelake.engine.errors import LakeError
from codelake.lake.schemas import TABLES


def rows(lake, sql, *params):
    return lake.sql(sql, params=list(params) or None).fetchall()


@pytest.fixture
def curated(lake, checkout):
    (checkout / "link").symlink_to("run")
    lake.ingest(checkout)
    lake.curate()
    return lake


def test_each_content_is_kept_once_with_its_language(curated):
    assert rows(curated, "SELECT path, language, license_type FROM code ORDER BY path") == [
        ("run", "Shell", "none"),
        ("src/copy.py", "Python", "none"),
        ("src/main.rs", "Rust", "none"),
    ]


def test_every_file_left_out_has_a_reason(curated):
    assert rows(curated, "SELECT path, stage, reason, value FROM drops ORDER BY path") == [
        ("empty.py", "content", "empty", None),
        ("jumbled.py", "content", "unknown-encoding", None),
        ("link", "content", "symbolic-link", None),
        ("logo.png", "ingest", "binary", None),
        ("notes.unknownsuffix", "language", "no-language", "unknownsuffix"),
        ("src/greet.py", "exact-duplicate", "exact-duplicate", "checkout:src/copy.py"),
    ]


def test_nothing_is_lost(curated):
    files, kept, dropped = rows(
        curated, "SELECT (SELECT count(*) FROM files), (SELECT count(*) FROM code), (SELECT count(*) FROM drops)"
    )[0]
    assert files == kept + dropped == 9


def test_the_row_holds_the_text_and_its_measures(curated, checkout):
    text = (checkout / "src" / "copy.py").read_text()
    content, lines, longest, size, occurrences, encoding = rows(
        curated,
        "SELECT content, num_lines, max_line_length, length_bytes, num_occurrences, src_encoding FROM code "
        "WHERE language = 'Python'",
    )[0]
    assert content == text
    assert (lines, longest) == (len(text.splitlines()), max(map(len, text.splitlines())))
    assert (size, occurrences, encoding) == (len(text), 2, "UTF-8")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("# prüfe die Größe\nx = 1\n", "ISO-8859-1"),
        ("x = 1  # проверка длины строки\r\n", "windows-1251"),
        ("# 文字列の長さを調べる\nx = 1\n", "EUC-JP"),
        ("x = 1  # 長さ\n", "UTF-16"),
        ("\ufeffx = 1  # 長さ\n", "UTF-8"),
    ],
)
def test_text_in_another_encoding_is_kept_decoded(lake, tmp_path, text, encoding):
    folder = tmp_path / "other"
    folder.mkdir()
    original = text.encode(encoding)
    (folder / "a.py").write_bytes(original)
    (folder / "plain.py").write_text("y = 2\n")
    lake.ingest(folder)
    lake.curate()
    text = text.removeprefix("\ufeff")
    content, found, lines, longest, size = rows(
        lake,
        "SELECT content, src_encoding, num_lines, max_line_length, length_bytes FROM code WHERE path = 'a.py'",
    )[0]
    assert (content, size) == (text, len(original))
    assert original.decode(found).removeprefix("\ufeff") == text
    assert (lines, longest) == (len(text.splitlines()), max(map(len, text.splitlines())))
    assert rows(lake, "SELECT content FROM code WHERE path = 'plain.py'") == [("y = 2\n",)]
    assert rows(lake, "SELECT content FROM blobs WHERE length_bytes = ?", size) == [(original,)]


def test_a_wrong_encoding_of_a_foreign_writer_is_an_error_that_names_the_row(lake):
    from codelake.engine.errors import LakeError

    with lake.commit("one file") as commit:
        commit.append("repos", repo("a", None))
        commit.append("files", occurrence("a"))
        wrong = blob("a").to_pylist()[0] | {"src_encoding": "UTF-32"}
        commit.append("blobs", pa.Table.from_pylist([wrong]))
    with pytest.raises(LakeError, match=r"abababab.*a\.py.*UTF-32"):
        lake.curate()


def test_curating_again_changes_nothing(curated):
    before = curated.log()
    report = curated.curate()
    assert report["unchanged"] == 1
    assert report["kept_files"] == 3
    assert curated.log() == before


def test_a_new_visit_replaces_the_old_one(curated, checkout):
    (checkout / "src" / "main.rs").write_text("fn main() {}\n")
    (checkout / "run").unlink()
    curated.ingest(checkout)
    report = curated.curate()
    assert report["unchanged"] == 0
    assert rows(curated, "SELECT path FROM code ORDER BY 1") == [("src/copy.py",), ("src/main.rs",)]
    assert rows(curated, "SELECT content FROM code WHERE language = 'Rust'") == [("fn main() {}\n",)]
    superseded = rows(curated, "SELECT path FROM drops WHERE reason = 'superseded' ORDER BY 1")
    assert superseded == [("run",), ("src/main.rs",)]
    # A file that is the same in both visits is one occurrence, not two.
    assert rows(curated, "SELECT count(*) FROM drops WHERE path = 'src/greet.py'") == [(1,)]


def test_a_run_killed_before_its_commit_is_run_again(curated, monkeypatch):
    from codelake.lake.commit import Commit

    def die(self):
        raise KeyboardInterrupt

    with curated.commit("one more") as commit:
        commit.append("repos", repo("other", "MIT"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Commit, "publish", die)
        curated.curate()
    assert rows(curated, "SELECT count(*) FROM code") == [(3,)]
    assert curated.curate()["unchanged"] == 0


def repo(name, declared, **more):
    from datetime import datetime

    row = {
        "repo_name": name,
        "repo_url": f"https://example.org/{name}",
        "source": name,
        "vcs": "git",
        "visit_date": datetime(2026, 1, 1),
        "num_files": 1,
        "length_bytes": 6,
        "declared_license": declared,
    }
    return pa.Table.from_pylist([row | more])


def occurrence(name, blob_id="ab" * 20, language="Python"):
    from datetime import datetime

    when = datetime(2026, 1, 1)
    file = {
        "repo_name": name,
        "repo_url": f"https://example.org/{name}",
        "visit_date": when,
        "path": f"{name}.py",
        "blob_id": blob_id,
        "mode": "100644",
        "length_bytes": 6,
        "language": language,
    }
    return pa.Table.from_pylist([file])


def blob(name, blob_id="ab" * 20):
    from datetime import datetime

    row = {
        "blob_id": blob_id,
        "sha1": "0" * 40,
        "sha256": "0" * 64,
        "length_bytes": 6,
        "src_encoding": "UTF-8",
        "is_binary": False,
        "content": b"x = 1\n",
        "language": "Python",
        "repo_name": name,
        "path": f"{name}.py",
        "first_seen": datetime(2026, 1, 1),
    }
    return pa.Table.from_pylist([row])


@pytest.mark.parametrize(
    ("declared", "expression", "kind"),
    [
        ("MIT", "MIT", "permissive"),
        ("License :: OSI Approved :: MIT License", "MIT", "permissive"),
        ("BSD\nLicense :: OSI Approved :: BSD License", "LicenseRef-BSD", "permissive"),
        ("GPL-3.0+", "GPL-3.0-or-later", "copyleft"),
        ("MPL-2.0", "MPL-2.0", "weak-copyleft"),
        ("MIT AND GPL-2.0-only", "MIT AND GPL-2.0-only", "copyleft"),
        ("ask us", None, "unknown"),
        (None, None, "none"),
    ],
)
def test_the_declared_licence_becomes_spdx_and_a_class(lake, declared, expression, kind):
    with lake.commit("one file") as commit:
        commit.append("repos", repo("a", declared))
        commit.append("files", occurrence("a"))
        commit.append("blobs", blob("a"))
    lake.curate()
    assert rows(lake, "SELECT license, license_type FROM code") == [(expression, kind)]


def test_the_canonical_copy_has_the_best_licence_then_most_stars_then_age(lake):
    from datetime import datetime

    visits = [
        repo("copyleft", "GPL-3.0-only", stars=1000),
        repo("few", "MIT", stars=5),
        repo("younger", "MIT", stars=50, visit_date=datetime(2026, 2, 1)),
        repo("older", "MIT", stars=50),
    ]
    with lake.commit("four copies") as commit:
        for visit in visits:
            commit.append("repos", visit)
        for name in ("copyleft", "few", "older"):
            commit.append("files", occurrence(name))
        commit.append("files", occurrence("younger").set_column(2, "visit_date", pa.array([datetime(2026, 2, 1)])))
        commit.append("blobs", blob("few"))
    lake.curate()
    assert rows(lake, "SELECT repo_name, num_occurrences FROM code") == [("older", 4)]
    assert rows(lake, "SELECT repo_name, value FROM drops ORDER BY 1") == [
        (name, "older:older.py") for name in ("copyleft", "few", "younger")
    ]


def test_a_filter_opens_only_the_partitions_it_needs(curated):
    plan = curated.sql("EXPLAIN ANALYZE SELECT count(content) FROM code WHERE language = 'Rust'").fetchall()[0][1]
    assert "Scanning Files: 1/3" in plan


def test_an_empty_lake_curates_to_nothing(lake):
    assert lake.curate()["kept_files"] == 0


def test_all_tables_have_documented_columns(lake):
    for name, table in lake.catalog.tables().items():
        assert TABLES[name].doc == table.properties["comment"]
        assert all(field.doc for field in table.schema().fields), name
        assert [f.name for f in table.schema().fields] == [c for c, _, _ in TABLES[name].columns]
        assert len(table.spec().fields) == len(TABLES[name].partition)
        assert len(table.sort_order().fields) == len(TABLES[name].sort)


def test_the_past_cannot_be_curated(curated):
    with pytest.raises(codelake.LakeError, match="read-only"):
        curated.at(1).curate()


def paths_of(lake, table="code"):
    return {file.path for file in lake.tables()[table].files}


def curated_rows(lake):
    """All of `code` and `drops`, without the order of rows and without the times of visits."""
    code = lake.sql("SELECT * EXCLUDE (visit_date, revision_id) FROM code ORDER BY blob_id").fetchall()
    drops = "SELECT blob_id, path, repo_name, stage, reason, value, threshold FROM drops ORDER BY ALL"
    return code, lake.sql(drops).fetchall()


def test_only_the_files_that_hold_a_change_are_written_anew(lake, tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in ("a.py", "b.py", "c.rs", "d.js"):
        (folder / name).write_text("fn main() {}\n" if name == "c.rs" else f"x = '{name}'\n")
    lake.ingest(folder)
    lake.curate()
    lake.release("1.0.0", notes="first")
    before = paths_of(lake)
    (folder / "b.py").write_text("y = 2\n")
    (folder / "e.go").write_text("package e\n")
    lake.ingest(folder)
    lake.curate()
    after = paths_of(lake)
    assert {path.rsplit("language=")[1].split("/")[0] for path in before & after} == {"Rust", "JavaScript"}
    assert {path.rsplit("language=")[1].split("/")[0] for path in after - before} == {"Python", "Go"}
    assert rows(lake, "SELECT path, content FROM code WHERE language = 'Python' ORDER BY path") == [
        ("a.py", "x = 'a.py'\n"),
        ("b.py", "y = 2\n"),
    ]
    assert rows(lake.at("1.0.0"), "SELECT path FROM code ORDER BY path") == [
        ("a.py",),
        ("b.py",),
        ("c.rs",),
        ("d.js",),
    ]


def test_a_row_keeps_the_visit_that_first_had_its_content(lake, tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "a.py").write_text("x = 1\n")
    lake.ingest(folder)
    lake.curate()
    [(first,)] = rows(lake, "SELECT visit_date FROM code")
    (folder / "b.py").write_text("y = 2\n")
    lake.ingest(folder)
    lake.curate()
    found = dict(rows(lake, "SELECT path, visit_date FROM code"))
    assert found["a.py"] == first < found["b.py"]


def test_of_two_curations_at_once_one_is_refused(lake, checkout, monkeypatch):
    from codelake.lake import curate as module

    lake.ingest(checkout)
    write = module._write_code

    def beaten(*arguments):
        monkeypatch.setattr(module, "_write_code", write)
        with codelake.open(lake.place.location, progress=False) as other:
            other.curate()
        write(*arguments)

    monkeypatch.setattr(module, "_write_code", beaten)
    with pytest.raises(LakeError, match="another process changes this table"):
        lake.curate()
    lake.curate()
    assert rows(lake, "SELECT count(*), count(DISTINCT blob_id) FROM code") == [(3, 3)]


def test_many_small_files_of_a_partition_become_one(lake, tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.py").write_text(f"x = {number}\n")
        lake.ingest(folder)
        lake.curate()
        assert len(paths_of(lake)) <= 10
    assert rows(lake, "SELECT count(*), count(DISTINCT path) FROM code") == [(12, 12)]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.dictionaries(
            st.sampled_from(["a.py", "b.py", "c.rs", "d.sh", "LICENSE", "sub/e.py"]),
            st.sampled_from([None, "", "x = 1\n", "x = 2\n", "é = 3\n"]),
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_step_by_step_gives_what_a_new_lake_gives(tmp_path_factory, edits):
    root = tmp_path_factory.mktemp("steps")
    folder = root / "tree"
    folder.mkdir()
    (folder / "start.py").write_text("start = 1\n")
    with codelake.open(root / "steps", progress=False) as steps:
        for edit in edits:
            for name, text in edit.items():
                path = folder / name
                path.parent.mkdir(exist_ok=True)
                if text is None:
                    path.unlink(missing_ok=True)
                else:
                    path.write_bytes(text.encode("latin-1"))
            steps.ingest(folder)
            steps.curate()
        step_by_step = curated_rows(steps)
    with codelake.open(root / "new", progress=False) as new:
        new.ingest(folder)
        new.curate()
        at_once = curated_rows(new)
    assert [row for row in step_by_step[1] if row[4] != "superseded"] == at_once[1]
    # The root directory is that of the visit that first had the content.
    column = [name for name, _, _ in TABLES["code"].columns if name not in {"visit_date", "revision_id"}].index(
        "directory_id"
    )
    without = [[(*row[:column], *row[column + 1 :]) for row in found] for found in (step_by_step[0], at_once[0])]
    assert without[0] == without[1]
