"""Points in time: what dates, names and periods mean."""

import itertools
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import codelake
from codelake.lake.sources.when import NOW, PERIODS, Point, When, dates, parse_date, stops, when

LINE = [Point(f"r{n}", datetime(2020, n, 10)) for n in range(1, 7)]
NAMES = {"v1": LINE[1], "main": LINE[-1], "2020-05-01": LINE[0]}


def ask(now=datetime(2020, 12, 31), **asked):
    return stops(when(**asked), line=lambda: LINE, named=NAMES.get, tags=lambda: [LINE[3], LINE[1]], now=now)


def test_nothing_asked_is_the_present():
    assert when() == NOW == When()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024", datetime(2024, 1, 1)),
        ("2024-3", datetime(2024, 3, 1)),
        ("2024-03-05", datetime(2024, 3, 5)),
        ("2024-03-05T12:30", datetime(2024, 3, 5, 12, 30)),
        ("2024-03-05T12:30+02:00", datetime(2024, 3, 5, 10, 30)),
        ("v1", None),
        ("2024-13", None),
        ("0000", None),
        ("", None),
    ],
)
def test_dates_as_people_write_them(text, expected):
    assert parse_date(text) == expected


def test_a_date_means_the_last_revision_before_it():
    found, problems = ask(at=["2020-03-01", date(2020, 6, 10), "v1", "1999-01-01", "nonsense"])
    assert [(stop.visit_date, stop.point.revision) for stop in found] == [
        (datetime(2020, 2, 10), "r2"),
        (datetime(2020, 3, 1), "r2"),
        (datetime(2020, 6, 10), "r6"),
    ]
    assert problems == [
        "nothing is there yet on 1999-01-01",
        "there is no tag, branch or revision nonsense, and it is no date",
    ]


def test_a_name_is_looked_up_before_it_is_read_as_a_date():
    [stop], _ = ask(at="2020-05-01")
    assert stop.point.revision == "r1"


def test_every_month_is_a_visit_though_nothing_happened():
    found, _ = ask(every="month", since="2020-05", until="2020-09")
    assert [(stop.visit_date.month, stop.point.revision) for stop in found] == [
        (5, "r4"), (6, "r5"), (7, "r6"), (8, "r6"), (9, "r6"),
    ]  # fmt: skip


def test_without_since_the_first_revision_counts():
    found, _ = ask(every="year", now=datetime(2022, 6, 1))
    assert [stop.visit_date.year for stop in found] == [2021, 2022]


def test_tags_are_in_order_of_their_dates():
    found, _ = ask(all_tags=True)
    assert [stop.point.revision for stop in found] == ["r2", "r4"]


@given(
    st.sampled_from(PERIODS),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
)
def test_periods_start_where_they_should_and_leave_no_gap(period, since, now):
    found = dates(When(every=period, since=since), since, now)
    assert all(since <= moment <= now for moment in found)
    assert all(moment.hour == moment.minute == 0 for moment in found)
    longest = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[period]
    assert all(0 < (after - before).days <= longest for before, after in itertools.pairwise(found))
    if not found:
        assert now < since or (now - since).days <= longest
    if period == "quarter":
        assert all(moment.month in (1, 4, 7, 10) and moment.day == 1 for moment in found)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=12))
def test_no_two_visits_share_a_date(pairs):
    points = [Point(revision, datetime(2020, 1, 1 + day)) for day, revision in pairs]
    asked = When(all_tags=True)
    found, _ = stops(asked, line=lambda: [], named=lambda _: None, tags=lambda: points, now=datetime(2021, 1, 1))
    moments = [stop.visit_date for stop in found]
    assert moments == sorted(set(moments))
    assert {(stop.point.revision, stop.point.date) for stop in found} == {(p.revision, p.date) for p in points}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"every": "fortnight"}, "not a period"),
        ({"since": "2020"}, "belong to every"),
        ({"every": "month", "since": "soon"}, "not a date"),
        ({"at": " "}, "name a date"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, said):
    with pytest.raises(codelake.SourceError, match=said):
        when(**asked)


@pytest.mark.parametrize("source", ["folder:.", "pyenv:", "pystdlib:"])
def test_a_source_without_history_says_so(lake, source):
    with pytest.raises(codelake.SourceError, match="no history"):
        lake.ingest(source, at="2020-01-01")
