"""Reports: every file of sql/reports is one, with a plot of columns it has; the page is whole and loads nothing."""

import json
import re
from datetime import datetime
from html.parser import HTMLParser

import pyarrow as pa
import pytest

import codelake
from codelake import report
from codelake.engine import plot

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>`${0}\\u003c'\""
BLOB = "0" * 40


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A lake in which every report has rows, with names that try to break out of a page."""
    root = tmp_path_factory.mktemp("report")
    (root / "checkout").mkdir()
    for number in range(30):
        (root / "checkout" / f"m{number}.py").write_text(f"def f{number}(x):\n    return x + {number}\n")
    (root / "checkout" / "copy.py").write_text("def f0(x):\n    return x + 0\n")
    (root / "checkout" / "main.rs").write_text("fn main() {}\n")
    (root / "checkout" / "empty.py").write_text("")
    with codelake.open(root / "lake") as lake:
        lake.ingest(root / "checkout")
        lake.curate()
        row = lake.sql("FROM code LIMIT 1").to_arrow_table().to_pylist()[0]
        row |= {"blob_id": BLOB, "repo_name": HOSTILE, "language": HOSTILE, "path": HOSTILE, "stars": 7}
        row |= {"repo_url": HOSTILE, "revision_date": datetime(2020, 5, 1), "license": None, "num_occurrences": 1}
        with lake.commit("rows for every report") as commit:
            commit.append("code", pa.Table.from_pylist([row]))
            finding = {"blob_id": BLOB, "start_offset": 0, "end_offset": 3, "detector": "by-hand", "stage_hash": "x"}
            commit.append("findings", pa.Table.from_pylist([finding | {"kind": HOSTILE, "score": 1.0}]))
            near = {"blob_id": BLOB, "jaccard": 0.9, "representative": BLOB, "stage_hash": "x"}
            commit.append("duplicates", pa.Table.from_pylist([near | {"cluster_id": c} for c in "aabbccc"]))
            symbol = {"blob_id": BLOB, "language": "Python", "name": "f", "stage_hash": "x"}
            symbol |= dict.fromkeys(("start_byte", "end_byte", "start_line", "end_line"), 0)
            commit.append("symbols", pa.Table.from_pylist([symbol | {"kind": k} for k in ("call", "call", "class")]))
            saved = {"run": "r", "tokens": 1, "path": "p", "saved_at": datetime(2026, 1, 1)}
            losses = ((1, 9.0), (2, float("nan")), (3, None))
            commit.append("checkpoints", pa.Table.from_pylist([saved | {"step": s, "loss": x} for s, x in losses]))
    return root / "lake"


@pytest.fixture(scope="module")
def answers(place):
    with codelake.open(place) as lake:
        return {r.name: report.answer(lake, r) for r in report.reports()}


@pytest.fixture(scope="module")
def page(place, answers):
    with codelake.open(place) as lake:
        return report.page(lake, list(answers.values()))


def test_there_is_a_report_for_every_question_of_an_analyst():
    asked = {r.name for r in report.reports()}
    assert asked >= {
        "languages", "licenses", "languages_by_license", "growth", "visits", "repositories", "largest_files",
        "duplicates", "most_copied", "near_duplicates",
        "secrets", "provenance", "stars", "drops", "encodings", "file_sizes", "age",
    }  # fmt: skip


def test_every_report_says_what_it_is_and_describes_the_columns_it_gives(answers):
    for name, found in answers.items():
        assert found.report.title, name
        assert found.report.question.endswith((".", "?")), name
        assert found.report.section in report.SECTIONS, name
        assert found.report.reads, name
        assert found.report.empty.endswith("."), name
        assert tuple(found.report.columns) == found.columns, name
        assert all(found.report.columns.values()), name


def test_every_report_answers_with_a_sentence_and_a_plot(answers):
    for name, found in answers.items():
        assert found.rows, name
        assert found.sentence.endswith("."), (name, found.sentence)
        assert "{" not in found.sentence.replace(HOSTILE, ""), name
        if found.report.plot is not None:
            drawn = found.chart().to_dict()
            assert found.chart().data.values, name
            json.dumps(drawn, allow_nan=False)


def test_the_numbers_are_those_of_the_lake(answers):
    languages = {row[0]: row[1] for row in answers["languages"].rows}
    assert languages == {"Python": 30, "Rust": 1, HOSTILE: 1}
    assert dict(row[:2] for row in answers["duplicates"].rows) == {"1": 31, "2": 1}
    assert [row[:2] for row in answers["near_duplicates"].rows] == [("2", 2), ("3", 1)]
    assert answers["age"].rows[0][:3] == ("2020", 1, 1)
    assert answers["stars"].rows[0][:3] == (HOSTILE, 7.0, 7)
    assert {row[1]: row[2] for row in answers["drops"].rows} == {"empty": 1, "exact-duplicate": 1}
    assert sum(row[1] for row in answers["file_sizes"].rows) == 32
    assert answers["file_sizes"].rows[-1][3] == 100.0


def test_a_report_without_rows_says_why_and_how_to_get_them(lake):
    found = [report.answer(lake, r) for r in report.reports()]
    written = report.page(lake, found)
    for answer in found:
        assert answer.rows == ()
        assert answer.sentence == answer.report.empty
        assert answer.chart() is None
    assert "codelake ingest SOURCE" in written
    assert "vegaEmbed(" not in written


class Page(HTMLParser):
    """What a browser would find in a page: its scripts, and what it would load or go to."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.places, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(dict(attrs))
        self.places += [value for name, value in attrs if name in {"src", "href", "data", "action", "srcset"}]


def test_the_page_loads_nothing_and_has_its_script_once(page):
    found = Page(page)
    assert all(place.startswith("#") for place in found.places)
    assert not {"link", "iframe", "img", "base", "object"} & found.tags
    assert [script.get("type") for script in found.scripts] == [None, "application/json", None]
    assert "default-src 'none'" in page
    assert "@import" not in page.split("<script>")[0]
    assert len(page) < 1_500_000


def test_text_of_others_stays_text(page):
    assert HOSTILE not in page
    assert "<img src=x" not in page
    charts = json.loads(re.search(r"id='charts'>(.*?)</script>", page, re.DOTALL)[1])
    assert HOSTILE in [value["c0"] for value in next(iter(charts["plot-languages"]["datasets"].values()))]
    assert set(charts) == {f"plot-{r.name}" for r in report.reports() if r.plot is not None}
    assert all(f"id='{name}'" in page for name in charts)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_plots_are_written_as_files(place, tmp_path, kind):
    asked = [report.find("languages"), report.find("largest_files")]
    with codelake.open(place) as lake:
        written = report.write_plots(lake, tmp_path / "deep" / "plots", asked, kind)
    assert [path.name for path in written] == [f"languages.{kind}"]
    assert written[0].read_bytes().startswith({"png": b"\x89PNG", "svg": b"<svg"}[kind])


MINE = """-- Files by suffix
-- Which suffixes are there?
--
-- Columns a.b[0]  the suffix
--         files   how many
-- Plot    bar x=files y=a.b[0] top=1
-- Says    {rows} suffixes, {top[a_b]} first; {nothing} more.
SELECT extension AS "a.b[0]", extension AS a_b, count(*) AS files, 0 AS nothing FROM code GROUP BY ALL ORDER BY 3 DESC;
"""


def test_a_file_of_ones_own_is_a_report(place, tmp_path):
    path = tmp_path / "suffixes.sql"
    path.write_text(MINE)
    with codelake.open(place) as lake:
        found = report.answer(lake, report.find(str(path)))
        assert found.sentence == "2 suffixes, py first; 0 more."
        # A dot in a name is no path into the value.
        assert found.chart().data.values == [{"c0": "py", "c1": "py", "c2": 31, "c3": 0}]
        assert "Files by suffix" in report.page(lake, [found])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("bar x", "pie x"), "no kind of plot; there are bar, line"),
        (("top=1", "tip=1"), "none of top="),
        (("top=1", "top=many"), "top is a number"),
        (("y=a.b[0] ", ""), "name both axes"),
        (("x=files", "x=fils"), "no column fils to plot"),
        (("{nothing}", "{never}"), "asks for 'never'"),
        (("FROM code", "FROM cod"), "Nearest table: code"),
    ],
)
def test_a_mistake_in_a_report_is_named(place, tmp_path, change, said):
    path = tmp_path / "mine.sql"
    path.write_text(MINE.replace(*change))
    with codelake.open(place) as lake, pytest.raises(codelake.QueryError, match=re.escape(said)):
        report.answer(lake, report.find(str(path))).chart()


def test_a_report_that_is_not_there_is_named():
    with pytest.raises(codelake.QueryError, match="nearest: languages"):
        report.find("langauges")
    with pytest.raises(codelake.QueryError, match="cannot be read"):
        report.find("/no/such/file.sql")


def test_classes_of_licences_have_their_colours_in_their_order():
    asked = plot.parse("bar x=mb y=language color=kind")
    rows = [("A", "none", 1.0), ("A", "permissive", 2.0), ("B", "copyleft", 1.0)]
    drawn = plot.chart(asked, ("language", "kind", "mb"), rows)
    assert drawn.to_dict()["encoding"]["color"]["scale"]["domain"] == ["permissive", "copyleft", "none"]
    assert [value["rank"] for value in drawn.data.values] == [2, 0, 1]


def test_months_are_shown_as_months_wherever_the_reader_is():
    rows = [(datetime(2026, 1, 1).date(), 1), (datetime(2026, 2, 1).date(), 2)]
    drawn = plot.chart(plot.parse("line x=month y=n"), ("month", "n"), rows)
    assert drawn.to_dict()["encoding"]["x"]["type"] == "temporal"
    # A date without a time would be read as UTC and shown in the month before west of Greenwich.
    assert drawn.data.values[0] == {"c0": "2026-01-01T00:00:00", "c1": 1}
