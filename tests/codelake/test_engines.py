"""Every block of docs/engines.md gives the two numbers the lake gives; `lake.polars` and `lake.arrow_dataset`."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars
import pyarrow as pa
import pytest
from pyarrow.dataset import field

import codelake

PAGE = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
BLOCKS = [
    pytest.param(section.split("\n", 1)[0], block, id=f"{section.split(chr(10), 1)[0]}-{number}")
    for section in PAGE.split("\n## ")[1:]
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
]
# What a block needs beyond what the tests install, and how to get it.
NEEDS = {
    "Daft": ("daft", "pip install 'codelake[cluster]'"),
    "Spark": ("pyspark", "pip install 'pyspark>=4' and Java 17"),
    "Ray": ("ray", "pip install 'ray[data]'"),
}


def made(root):
    """A folder with `my-lake`, released as 1.0.0."""
    sources = {"a.py": "print(1)\n", "b.py": "print(2)\n", "c.cpp": "int f() { return 1; }\n", "notes.unknown": "?\n"}
    (root / "checkout").mkdir()
    for name, text in sources.items():
        (root / "checkout" / name).write_text(text)
    with codelake.open(root / "my-lake") as lake:
        lake.ingest(root / "checkout")
        lake.curate()
        lake.release("1.0.0")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("engines"))


@pytest.mark.parametrize(("engine", "block"), BLOCKS)
def test_an_engine_gives_the_same_numbers(folder, engine, block):
    if engine in NEEDS:
        package, how = NEEDS[engine]
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package} here: {how}")
        if engine == "Spark" and shutil.which("java") is None:
            pytest.skip("no java here: apt-get install openjdk-17-jre-headless")
        if engine == "Daft" and tuple(map(int, importlib.metadata.version("daft").split(".")[:2])) < (0, 7):
            pytest.skip(f"this Daft is older than 0.7: {how}")
    with codelake.open(folder / "my-lake") as lake:
        files, size = lake.sql("SELECT count(*), sum(length_bytes) FROM code WHERE language = 'Python'").fetchall()[0]
    assert files > 0
    environment = {**os.environ, "POLARS_ICEBERG_PLANNER": "pyiceberg", "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(
        [sys.executable, "-"], input=block, cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == [str(files), str(size)], done.stderr


def test_every_engine_of_the_page_is_tried():
    engines = {parameter.values[0] for parameter in BLOCKS}
    assert engines == {"Polars", "Arrow", "PyIceberg", "DuckDB", "Daft", "Spark", "Ray"}


def test_every_table_is_the_same_in_polars_and_arrow(folder):
    with codelake.open(folder / "my-lake") as lake:
        for name in lake.tables():
            relation = lake.sql(f"FROM {name}")
            frame, dataset = lake.polars(name), lake.arrow_dataset(name)
            assert frame.collect_schema().names() == dataset.schema.names == relation.columns
            keys = [column for column in ("repo_name", "path", "blob_id") if column in relation.columns]
            rows = sorted(map(str, relation.select(*keys).fetchall())) if keys else []
            assert sorted(str(row) for row in frame.select(keys).collect().rows()) == rows
            assert dataset.count_rows() == frame.select(polars.len()).collect().item() == len(relation)


def test_a_filter_opens_the_files_of_its_partition_only(folder):
    with codelake.open(folder / "my-lake") as lake:
        fragments = list(lake.arrow_dataset("code").get_fragments(filter=field("language") == "C++"))
        assert [("language=C%2B%2B" in f.path) for f in fragments] == [True]
        plan = lake.polars("code").filter(polars.col("language") == "C++").explain()
        assert "language=C%2B%2B" in plan
        assert "language=Python" not in plan
        # A partition of NULL is found by its column.
        nulls = lake.sql("SELECT count(*) FROM blobs WHERE language IS NULL").fetchall()[0][0]
        assert nulls > 0
        assert lake.arrow_dataset("blobs").count_rows(filter=field("language").is_null()) == nulls
        assert lake.polars("blobs").filter(polars.col("language").is_null()).collect().height == nulls


def test_a_point_in_the_past_stays_what_it_was(tmp_path):
    folder = made(tmp_path)
    (folder / "checkout" / "later.py").write_text("print('later')\n")
    with codelake.open(folder / "my-lake") as lake:
        before = lake.polars("code").collect().height
        lake.ingest(folder / "checkout")
        lake.curate()
        assert lake.polars("code").collect().height == lake.arrow_dataset("code").count_rows() == before + 1
        assert lake.at("1.0.0").polars("code").collect().height == before
        assert lake.at("1.0.0").arrow_dataset("code").count_rows() == before


def test_columns_that_came_later_are_null(tmp_path):
    folder = made(tmp_path)
    with codelake.open(folder / "my-lake") as lake:
        with lake.catalog.load_table("code.drops").update_schema() as update:
            update.add_column("later", lake.catalog.load_table("code.drops").schema().find_type("reason"))
        with codelake.open(folder / "my-lake") as again:
            assert again.polars("drops").collect()["later"].null_count() == again.arrow_dataset("drops").count_rows()
            assert again.arrow_dataset("drops").to_table(["later"]).schema == pa.schema([("later", pa.large_string())])


def test_a_table_that_is_not_there_is_named(folder):
    with codelake.open(folder / "my-lake") as lake, pytest.raises(codelake.QueryError, match="nearest: code"):
        lake.polars("cod")
