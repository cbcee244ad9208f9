"""The stage that fills `duplicates`: every edge verified, clusters whole, the same whatever the order, done once."""

import json
import random
import re
import sysconfig
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from codelake.cli import main
from codelake.engine.errors import LakeError
from codelake.lake import duplicates as stage
from codelake.lake.shingles import jaccard, shingles

# Few words, so that sets overlap and bands agree by chance.
TEXTS = st.lists(st.text("ab ", max_size=40), max_size=30)


def python_set(text):
    words = re.findall(r"[A-Za-z0-9_\x80-\U0010ffff]+", text)
    return {tuple(words[n : n + 5]) for n in range(max(1, len(words) - 4))} if words else set()


def similarity(one, other):
    return len(one & other) / len(one | other) if one | other else 0.0


def components(count, edges):
    """The smallest index of the component of each of `count` nodes."""
    found = list(range(count))
    for one, other in edges:
        low, high = sorted((found[one], found[other]))
        found = [low if root == high else root for root in found]
    return found


def clusters(texts, threshold=0.7):
    sets = [shingles(text) for text in texts]
    return stage.joined(sets, stage.band_keys(sets, threshold), threshold)


def edited(text, share, generator):
    """`text` with this share of its lines replaced, in one place."""
    lines = text.splitlines(keepends=True)
    number = int(len(lines) * share)
    start = generator.randrange(max(1, len(lines) - number))
    new = [f"value_{generator.random()} = other_{generator.random()} + {generator.random()}\n" for _ in range(number)]
    return "".join(lines[:start] + new + lines[start + number :])


def real_files(count):
    found = sorted(p for p in Path(sysconfig.get_paths()["stdlib"]).glob("*.py") if p.stat().st_size > 1000)[:count]
    return [path.read_text(encoding="utf-8") for path in found]


def edges_by_brute_force(sets, threshold):
    pairs = ((a, b) for b in range(len(sets)) for a in range(b))
    return [(a, b) for a, b in pairs if similarity(sets[a], sets[b]) >= threshold]


@given(TEXTS, st.sampled_from([0.3, 0.5, 0.7, 1.0]))
def test_clusters_are_the_components_of_verified_candidates(texts, threshold):
    sets = [shingles(text) for text in texts]
    keys = stage.band_keys(sets, threshold)
    roots, edges = stage.joined(sets, keys, threshold)
    candidates = [
        (a, b)
        for b in range(len(texts))
        for a in range(b)
        if len(sets[a]) and len(sets[b]) and (keys[a] == keys[b]).any()
    ]
    exact = [python_set(text) for text in texts]
    assert roots.tolist() == components(
        len(texts), [(a, b) for a, b in candidates if similarity(exact[a], exact[b]) >= threshold]
    )
    assert roots.tolist() == components(len(texts), edges)
    assert all(similarity(exact[a], exact[b]) >= threshold for a, b in edges)


def test_nearly_all_similar_pairs_of_real_files_are_found_and_no_others():
    generator = random.Random(1)
    texts = [
        text
        for original in real_files(15)
        for text in [original, *(edited(original, share, generator) for share in (0.02, 0.08, 0.12, 0.15, 0.2, 0.4))]
    ]
    exact = [python_set(text) for text in texts]
    wanted = edges_by_brute_force(exact, 0.7)
    roots, edges = clusters(texts)
    assert len(wanted) > 50
    assert sum(roots[a] == roots[b] for a, b in wanted) >= 0.95 * len(wanted)
    assert all(similarity(exact[a], exact[b]) >= 0.7 for a, b in edges)


def test_pairs_alone_are_found_as_often_as_the_bands_promise():
    generator = random.Random(2)
    found = wanted = 0
    for original in real_files(60):
        for share in (0.1, 0.13, 0.15):
            pair = [original, edited(original, share, generator)]
            if similarity(*map(python_set, pair)) >= 0.7:
                wanted += 1
                found += len(clusters(pair)[1])
    assert wanted > 100
    assert found >= 0.95 * wanted


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0])
def test_bands_find_a_pair_at_the_threshold_and_are_as_long_as_they_may_be(threshold):
    number, rows = stage.bands(threshold)
    assert number * rows <= 256
    assert 1 - (1 - threshold**rows) ** number >= 0.99
    assert rows == 256 or 1 - (1 - threshold ** (rows + 1)) ** (256 // (rows + 1)) < 0.99


def test_copies_of_the_same_boilerplate_are_compared_once_each(monkeypatch):
    calls = []
    monkeypatch.setattr(stage, "jaccard", lambda a, b: calls.append(1) or jaccard(a, b))
    text = real_files(1)[0]
    roots, _ = clusters([text] * 2000)
    assert set(roots.tolist()) == {0}
    assert len(calls) == 1999


def test_a_bucket_of_files_that_are_not_similar_costs_no_quadratic_work(monkeypatch):
    calls = []
    monkeypatch.setattr(stage, "jaccard", lambda a, b: calls.append(1) or jaccard(a, b))
    sets = [shingles(" ".join(f"w{n}_{k}" for k in range(8))) for n in range(1000)]
    roots, edges = stage.joined(sets, np.zeros((1000, 1), np.uint64), 0.7)
    assert (len(set(roots.tolist())), edges) == (1000, [])
    assert len(calls) <= 1000 * 64


# The table


def rows(lake, sql="SELECT * FROM duplicates ORDER BY ALL"):
    return lake.sql(sql).fetchall()


@pytest.fixture
def folder(tmp_path):
    """Real files with near copies beside them, in two languages, and files that are like nothing."""
    root = tmp_path / "repo"
    root.mkdir()
    generator = random.Random(3)
    for number, text in enumerate(real_files(8)):
        (root / f"file{number}.py").write_text(text)
        (root / f"copy{number}.py").write_text(edited(text, 0.05, generator))
    (root / "same.js").write_text(real_files(1)[0] + "// end\n")
    (root / "few_a.py").write_text("import os\n")
    (root / "few_b.py").write_text("import (os)\n")
    (root / "none_a.py").write_text("()\n")
    (root / "none_b.py").write_text("[]\n")
    return root


@pytest.fixture
def curated(lake, folder):
    lake.ingest(folder)
    lake.curate()
    return lake


def test_near_duplicates_of_one_language_are_clustered(curated):
    report = curated.duplicates()
    assert (report["files"], report["clusters"], report["duplicates"], report["unchanged"]) == (21, 9, 9, 0)
    found = rows(
        curated,
        "SELECT list(path ORDER BY path), min(cluster_id) = min(blob_id), min(jaccard) >= 0.7, max(jaccard), "
        "count(*) FILTER (blob_id = representative) FROM duplicates JOIN code USING (blob_id) "
        "GROUP BY cluster_id ORDER BY 1",
    )
    wanted = [*([f"copy{n}.py", f"file{n}.py"] for n in range(8)), ["few_a.py", "few_b.py"]]
    assert found == [(paths, True, True, 1.0, 1) for paths in wanted]


def test_jaccard_is_that_of_the_texts(curated):
    curated.duplicates()
    for jaccard_there, text, kept in rows(
        curated,
        "SELECT jaccard, a.content, b.content FROM duplicates AS d JOIN code AS a ON a.blob_id = d.blob_id "
        "JOIN code AS b ON b.blob_id = representative",
    ):
        assert jaccard_there == similarity(python_set(text), python_set(kept))


def test_a_second_run_does_nothing_and_another_threshold_does(curated):
    curated.duplicates()
    before, log = rows(curated), curated.log()
    assert curated.duplicates()["unchanged"] == 1
    assert (rows(curated), curated.log()) == (before, log)
    assert curated.duplicates(threshold=1)["clusters"] == 1
    assert curated.duplicates()["clusters"] == 9
    assert rows(curated) == before


def test_what_changed_in_code_changes_the_clusters(curated, folder):
    curated.duplicates()
    (folder / "copy0.py").write_text("print('nothing like it')\n")
    curated.ingest(folder)
    curated.curate()
    report = curated.duplicates()
    assert (report["clusters"], report["unchanged"]) == (8, 0)
    assert rows(curated, "SELECT count(*) FROM duplicates ANTI JOIN code USING (blob_id)") == [(0,)]


def test_how_the_files_are_read_changes_nothing(curated, monkeypatch):
    curated.duplicates()
    before = rows(curated)
    for size, threads in ((1, 1), (3, 4)):
        curated.duplicates(threshold=1)
        monkeypatch.setattr(stage, "_BATCH_ROWS", size)
        monkeypatch.setattr(stage, "_PIECE_BYTES", 1 << (10 * size))
        monkeypatch.setattr(stage, "_ROWS", size)
        stage.duplicates(curated.catalog, curated.place, threads=threads)
        assert rows(curated) == before


@given(st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_the_files_changes_no_cluster(generator):
    texts = ["a b c d e f", "a b c d e f g", "a b c d e f g h", "x", "x", "", "a b c d e", "(x)"]
    order = list(range(len(texts)))
    generator.shuffle(order)
    roots, _ = clusters([texts[n] for n in order])
    here, _ = clusters(texts)
    assert {frozenset(order[n] for n in np.flatnonzero(roots == root)) for root in roots} == {
        frozenset(np.flatnonzero(here == root).tolist()) for root in here
    }


def test_a_run_that_fails_leaves_the_table_as_it_was(curated, monkeypatch):
    curated.duplicates()
    before, log = rows(curated), curated.log()

    def fail(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(stage, "_work", fail)
        with pytest.raises(RuntimeError, match="killed"):
            curated.duplicates(threshold=0.9)
    assert (rows(curated), curated.log()) == (before, log)


def test_the_representative_is_the_freest_the_most_starred_then_the_earliest(lake):
    text = real_files(1)[0]
    row = {"repo_name": "r", "language": "Python", "length_bytes": 1, "src_encoding": "UTF-8", "num_occurrences": 1}
    row |= {"repo_url": "u", "vcs": "git", "content": text}
    order = [
        ("5", "permissive", 7, datetime(2024, 1, 1)),
        ("4", "permissive", 6, datetime(2020, 1, 1)),
        ("2", "permissive", 6, datetime(2021, 1, 1)),
        ("3", "permissive", 6, datetime(2021, 1, 1)),
        ("1", "permissive", None, datetime(2020, 1, 1)),
        ("0", "copyleft", 9, datetime(2020, 1, 1)),
    ]
    code = [
        row
        | {
            "blob_id": blob_id,
            "path": blob_id,
            "license_type": kind,
            "stars": stars,
            "visit_date": visit,
        }
        for blob_id, kind, stars, visit in order
    ]
    while len(code) > 1:
        with lake.commit("code") as commit:
            found = lake.catalog.load_table(("code", "code"))
            commit.append("code", pa.Table.from_pylist(code, schema=commit.schema("code")))
            commit.remove_files("code", [f.file.file_path.removeprefix("file://") for f in found.scan().plan_files()])
        lake.duplicates()
        smallest = min(one["blob_id"] for one in code)
        wanted = [(smallest, code[0]["blob_id"], 1.0)]
        assert rows(lake, "SELECT DISTINCT cluster_id, representative, jaccard FROM duplicates") == wanted
        del code[0]


def test_a_lake_without_files_has_no_duplicates(lake):
    lake.curate()
    assert lake.duplicates()["clusters"] == 0
    assert lake.duplicates()["unchanged"] == 1


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan")])
def test_a_threshold_that_is_no_similarity_is_refused(lake, threshold):
    with pytest.raises(LakeError, match=r"try 0\.7"):
        lake.duplicates(threshold=threshold)


def test_the_command_prints_the_report(curated):
    asked = ["duplicates", "--threshold", "0.7", "--lake", str(curated.place.location), "--json"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"]["clusters"] == 9
