"""Which points of a repository's history to visit: its present, dates, tags, or every so often."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ...engine.errors import SourceError

PERIODS = ("day", "week", "month", "quarter", "year")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, kw_only=True)
class When:
    """Points in time. at: dates, tags, branches or revisions. every: one of PERIODS, from `since` (the first revision
    if None) until `until` (now if None). all_tags: every tag or released version. None of them: the present."""

    at: tuple[str, ...] = ()
    every: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    all_tags: bool = False


NOW = When()


@dataclass(frozen=True)
class Point:
    """One revision on offer: its id, its date (UTC, no zone) and, for a tag or a version, its name."""

    revision: str
    date: datetime
    label: str | None = None


@dataclass(frozen=True)
class Stop:
    """A revision to visit, and the date of the visit."""

    visit_date: datetime
    point: Point


def when(
    *,
    at: str | date | Sequence[str | date] | None = None,
    every: str | None = None,
    since: str | date | None = None,
    until: str | date | None = None,
    all_tags: bool = False,
) -> When:
    """A When from what a user writes. Raises SourceError for an unknown period or date, or dates without `every`."""
    if every is not None and every not in PERIODS:
        raise SourceError(f"every {every}: not a period; choose one of {', '.join(PERIODS)}")
    if every is None and (since is not None or until is not None):
        raise SourceError("since and until belong to every: for example --every month --since 2020")
    many = [at] if isinstance(at, str | date) else list(at or ())
    names = tuple(item.isoformat() if isinstance(item, date) else item for item in many)
    if any(not name.strip() for name in names):
        raise SourceError("at: name a date, a tag, a branch or a revision")
    return When(at=names, every=every, since=_date("since", since), until=_date("until", until), all_tags=all_tags)


def _date(name: str, value: str | date | None) -> datetime | None:
    if value is None:
        return None
    text = value.isoformat() if isinstance(value, date) else value
    found = parse_date(text)
    if found is None:
        raise SourceError(f"{name} {text}: not a date; write 2024, 2024-01, 2024-01-31 or 2024-01-31T12:00")
    return found


def parse_date(text: str) -> datetime | None:
    """The first moment (UTC, no zone) of a year, a month or a day, or a moment in ISO 8601; None if it is none."""
    if match := re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?", text):
        text = f"{match[1]}-{int(match[2] or 1):02d}-01"
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=None) - (found.utcoffset() or timedelta())
    except (ValueError, OverflowError):
        return None


def dates(asked: When, first: datetime, now: datetime) -> list[datetime]:
    """The dates `every` means: starts of periods, from the first not before `since` to the last not after `until`."""
    since, until = asked.since or first, min(asked.until or now, now)
    found = []
    moment = _start(asked.every or "month", since)
    if moment < since:
        moment = _next(asked.every or "month", moment)
    while moment <= until:
        found.append(moment)
        moment = _next(asked.every or "month", moment)
    return found


def _start(period: str, moment: datetime) -> datetime:
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1, month=(day.month - 1) // _MONTHS[period] * _MONTHS[period] + 1)


def _next(period: str, moment: datetime) -> datetime:
    if period in _MONTHS:
        for _ in range(_MONTHS[period]):
            moment += timedelta(days=monthrange(moment.year, moment.month)[1])
        return moment
    return moment + timedelta(days=7 if period == "week" else 1)


def stops(
    asked: When,
    *,
    line: Callable[[], Sequence[Point]],
    named: Callable[[str], Point | None],
    tags: Callable[[], Iterable[Point]],
    now: datetime,
) -> tuple[list[Stop], list[str]]:
    """The visits that `asked` means, oldest first, each with a date of its own; and what could not be answered.

    line: the main line of development, oldest first. named: the revision a tag, branch or id stands for. tags: every
    tag. A name is looked up before it is read as a date. The visit's date is the date asked for, or that of the
    revision for one asked for by name; visits that would share one are a microsecond apart.
    """
    found: list[Stop] = []
    problems: list[str] = []
    points: Sequence[Point] | None = None

    def on(moment: datetime) -> Point | None:
        nonlocal points
        if points is None:
            points = line()
        return next((point for point in reversed(points) if point.date <= moment), None)

    for name in asked.at:
        point = named(name)
        moment = parse_date(name)
        if point is not None:
            found.append(Stop(point.date, point))
        elif moment is None:
            problems.append(f"there is no tag, branch or revision {name}, and it is no date")
        elif (point := on(moment)) is None:
            problems.append(f"nothing is there yet on {name}")
        else:
            found.append(Stop(moment, point))
    if asked.all_tags:
        every = list(tags())
        if not every:
            problems.append("it has no tags")
        found += [Stop(point.date, point) for point in every]
    if asked.every:
        if points is None:
            points = line()
        asked_dates = dates(asked, points[0].date, now) if points else []
        some = [Stop(moment, point) for moment in asked_dates if (point := on(moment))]
        if not some:
            problems.append(f"nothing is there yet on any {asked.every} asked for")
        found += some
    return _apart(found), problems


def _apart(found: list[Stop]) -> list[Stop]:
    """In order of date, the same revision on the same date once, and no two on one date."""
    unique: dict[tuple[datetime, str], Stop] = {}
    for stop in sorted(found, key=lambda s: (s.visit_date, s.point.date)):
        unique.setdefault((stop.visit_date, stop.point.revision), stop)
    kept: list[Stop] = []
    for stop in unique.values():
        earliest = kept[-1].visit_date + timedelta(microseconds=1) if kept else stop.visit_date
        kept.append(Stop(max(stop.visit_date, earliest), stop.point))
    return kept
