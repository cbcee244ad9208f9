"""Issues and pull requests as documents, from GitHub Archive's event files or from what `gh` exports.

The rules and the layout are StarCoder2's (arXiv:2402.19173, sections 2.2, 2.3, 5.2 and 5.3; where the paper is silent,
bigcode-project/bigcode-dataset `preprocessing/filtering_issues.py` and bigcode-project/the-stack-v2
`pull_requests_and_issues/render.py`). Where this differs:

- Pull requests are told without their base code and diffs, which the events do not hold, so the rules on those and on
  sampling by repository do not apply.
- A title, description or comment is told as its last event shows it, and a deleted comment is not told.
- A user name is replaced as a whole word in any case, also in titles, paths and the repository's name; StarCoder2
  replaces it inside other words too. People who are only mentioned keep their names, as there.
- Quoted lines go only from a reply sent by mail. StarCoder2's code cuts a comment above its last line that begins with
  ">", which takes doctests (`>>>`) with it.

Text that looks like one of the sentinel tokens is left as its author wrote it.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from typing import BinaryIO, NamedTuple, cast

from ..engine.errors import SourceError

MAX_LINE_BYTES = 64 << 20
"""A longer line of an archive is not read; the largest events of GitHub Archive have a few MB."""

# bigcode-dataset preprocessing/utils/utils_issues.py, in lower case. A type of "Bot" in the event itself counts too.
BOT_NAMES = frozenset(
    (
        *(
            "apache-hbase",
            "autorestci",
            "claassistant",
            "claassistantio",
            "cmsbuild",
            "codecov-commenter",
            "codecov-io",
        ),
        *("coveralls", "danger-public", "dnfclas", "karma-pr-reporter", "msftclas", "probot-stale", "pydocteur"),
        "sparkqa",
    )
)
BOT_KEYWORDS = ("[bot]", "botmanager", "bors-", "jenkins", "k8s-", "-test-", "travis")
BOT_SUFFIXES = (
    *("-automaton", "-automation", "-benchmark", "-build", "-deployer", "-cloud", "bot", "-ci", "-linter"),
    *("-teamcity", "-test", "-testing", "-service-account"),
)

_REPO = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_EXPORT_URL = re.compile(r"(https?://[^/\s]+)/([\w.-]+/[\w.-]+)/(issues|pull)/\d+", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAK = re.compile(r"\r\n?")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MAIL_DATE = re.compile(r"\d{1,4}/\d{1,4}/\d{1,4} \d{2}:\d{2} [AP]M\b.")
_PAGE_BREAK = re.compile("_{20,}")
# GitHub's user names: letters, digits and single hyphens; managed accounts end in "_" and a short code.
_NAME = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*")
_NAME_START, _NAME_END = r"(?<![A-Za-z0-9_])(?<![A-Za-z0-9_]-)", r"(?![A-Za-z0-9_]|-[A-Za-z0-9_])"

_COMMENTS = frozenset(("comment", "review", "review-comment"))
_AGREED = frozenset(("approved", "merged"))
_Refusal = tuple[str, str, str | None]  # reason, value, threshold
_EVENTS = frozenset(
    ("IssuesEvent", "IssueCommentEvent", "PullRequestEvent", "PullRequestReviewEvent", "PullRequestReviewCommentEvent")
)


@dataclass(frozen=True)
class Rules:
    """What is kept, and how long; the defaults are those of arXiv:2402.19173, sections 2.2 (issues) and 2.3 (pull
    requests). Lengths are in characters.

    min_chars: of all texts of an issue, or of a whole pull request. max_lines, tail_lines: a longer text is cut in the
    middle and keeps its last `tail_lines` (80 lines in StarCoder's code, 100 in the paper). min_users: an issue with
    fewer needs at most max_few_users_chars and max_few_users_events. title_words, description_words: a pull request
    with one is left out ("depend" is in "dependency" and "dependencies"). min_comment_chars: of a pull request's
    comments, not of reviews. max_pull_text_chars: of its description and of each comment.
    """

    min_chars: int = 200
    max_lines: int = 100
    tail_lines: int = 20
    min_users: int = 2
    max_few_users_chars: int = 7000
    max_few_users_events: int = 10
    min_title_chars: int = 10
    max_title_chars: int = 500
    title_words: tuple[str, ...] = ("depend", "release")
    min_description_chars: int = 20
    description_words: tuple[str, ...] = ("Qwiet",)
    min_comment_chars: int = 20
    max_pull_lines: int = 80
    max_pull_text_chars: int = 1000
    max_hunk_chars: int = 10_000
    max_pull_chars: int = 100_000
    max_line_bytes: int = MAX_LINE_BYTES


@dataclass(frozen=True)
class Conversation:
    """One issue or pull request. kind: `issue` or `pull-request`. Times are UTC without a zone, as in the lake.

    text: the document, ready for training. num_events, num_comments: those told in it, the opening among the events.
    users: the names behind `username_0`, `username_1` …, for opt-outs; they are nowhere in title and text.
    """

    kind: str
    repo_name: str
    repo_url: str
    number: int
    title: str
    created_at: datetime
    updated_at: datetime
    text: str
    num_events: int
    num_comments: int
    users: tuple[str, ...]


@dataclass(frozen=True)
class Rejected:
    """What is not told, and why in one word; repo_name and number are None for a line that names neither.

    Of the input: malformed, too-long, truncated, unreadable. Of a conversation: bot, short, one-user, too-long, and of
    a pull request also short-title, title-word, short-description, description-word, no-human-comment, not-approved.
    """

    repo_name: str | None
    number: int | None
    reason: str
    value: str
    threshold: str | None = None


class _MalformedError(ValueError):
    """A record that is JSON but not what it claims to be; the message says what is missing."""


class _Event(NamedTuple):
    """What is kept of one event. version: of two events of the same comment the later one is told."""

    at: datetime
    order: tuple[int, str]
    version: tuple[datetime, int, str]
    kind: str  # open, close, reopen, comment, review, review-comment, deleted
    login: str
    bot: bool
    text: str = ""
    identifier: str = ""
    state: str = ""  # of a review; "merged" of a close
    review: str = ""
    reply_to: str = ""
    path: str = ""
    line: str = ""
    hunk: str = ""


@dataclass(slots=True)
class _Thread:
    repo_url: str
    title: str
    opening: _Event
    pull: bool = False
    events: dict[str, _Event] = field(default_factory=dict)


def open_lines(path: str | PathLike[str], limit: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """The lines of a file, gzip (told by its first bytes) or plain. A line longer than `limit` is cut to `limit` + 1.

    Raises SourceError if the file cannot be opened. While it is read, a gzip file that ends early raises EOFError and a
    damaged one OSError or zlib.error, after the lines before; `conversations` makes them a Rejected.
    """
    import gzip

    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115 - closed by the generator
    except OSError as error:
        raise SourceError(
            f"{path}: it cannot be read: {error.strerror}; name a file of events, .json or .gz"
        ) from error
    packed = file.peek(2)[:2] == b"\x1f\x8b"
    return _lines(cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file, file, limit)


def _lines(stream: BinaryIO, file: BinaryIO, limit: int) -> Iterator[bytes]:
    with file, stream:
        while line := stream.readline(limit + 1):
            yield line
            rest = line
            while len(rest) > limit and not rest.endswith(b"\n"):
                rest = stream.readline(limit + 1)


def conversations(lines: Iterable[bytes], rules: Rules = Rules()) -> Iterator[Conversation | Rejected]:
    """The conversations in `lines`, by repository and number, after what was wrong with the lines themselves.

    lines: GitHub Archive's events of 2015 and later, one JSON object a line, of any number of files in any order (the
    `lines` of several are chained by the caller), or what these print, compact or indented:

        gh issue list --json number,title,body,author,createdAt,updatedAt,closedAt,url,comments
        gh pr list --json number,title,body,author,createdAt,updatedAt,closedAt,mergedAt,mergedBy,url,comments,reviews

    Other events are passed over. The same event twice is told once. An issue that began before the archive is told from
    what later events repeat of it. A line that is no event and an archive that breaks off are Rejected, and the rest
    goes on. Memory: the texts of all issues and pull requests in `lines`, and about 1 KB an event: a day, not a year.
    """
    threads: dict[tuple[str, int], _Thread] = {}
    for number, record in _records(lines, rules):
        if isinstance(record, Rejected):
            yield record
            continue
        try:
            _add(threads, record)
        except _MalformedError as error:
            yield Rejected(None, None, "malformed", f"line {number}: {error}")
    for key in sorted(threads):
        yield _told(key, threads.pop(key), rules)


def is_bot(login: str) -> bool:
    """Whether a user name is a bot's by StarCoder's lists, which take some people's names for one ("abbot")."""
    name = login.lower()
    return name in BOT_NAMES or name.endswith(BOT_SUFFIXES) or any(keyword in name for keyword in BOT_KEYWORDS)


def replace_usernames(users: Sequence[str]) -> Callable[[str], str]:
    """A function that puts `username_0` for users[0] and so on, wherever the name stands as a whole word.

    A word is letters, digits, underscores and single hyphens between them, and capitals do not count, as in user names.
    The time is linear in the text, however many users there are.
    """
    names = {user.lower(): f"username_{number}" for number, user in enumerate(users)}
    unusual = sorted((user for user in users if not _NAME.fullmatch(user)), key=len, reverse=True)
    either = [f"{_NAME_START}(?:{'|'.join(map(re.escape, unusual))}){_NAME_END}"] if unusual else []
    pattern = re.compile("|".join([*either, _NAME.pattern]), re.ASCII | re.IGNORECASE)

    def hide(text: str) -> str:
        # Most texts name nobody, which a look at their words tells in half the time of a replacement.
        if names.keys().isdisjoint(map(str.lower, pattern.findall(text))):
            return text
        return pattern.sub(lambda word: names.get(word[0].lower(), word[0]), text)

    return hide


def strip_email(text: str) -> str:
    """A comment without what a mail program adds to a reply: header, quoted mail, GitHub's footer, signed-off lines."""
    lines = text.strip().split("\n")
    footers = [i for i, line in enumerate(lines) if "Reply to this email directly" in line]
    marks = [i for i, line in enumerate(lines) if "notifications@github.com" in line or _is_mail_date(line)]
    if footers:
        marks += [footers[0], *(i for i, line in enumerate(lines[: footers[-1]]) if line.startswith("From:"))]
    if marks:
        start, end = min(marks), max([min(marks), *footers]) + 1
        if lines[end - 1].endswith(":") and footers:
            end += 1  # the address stands in a line of its own
        lines = lines[:start] + [line for line in lines[end:] if not line.lstrip().startswith(">")]
    return _PAGE_BREAK.sub("", "\n".join(line for line in lines if not _is_signed_off(line))).strip()


def _is_mail_date(line: str) -> bool:
    found = _MAIL_DATE.search(line)
    return found is not None and "wrote" in line[found.end() :]


def _is_signed_off(line: str) -> bool:
    return line.startswith("Signed-off-by: ") and "<" in line and line.rstrip().endswith(">")


def _shortened(text: str, max_lines: int, tail: int) -> str:
    lines = text.split("\n")
    if len(lines) <= max_lines:
        return text
    return "\n".join([*lines[: max_lines - tail], "[Truncated]", *lines[-tail:]])


# Reading


def _records(lines: Iterable[bytes], rules: Rules) -> Iterator[tuple[int, object]]:
    """Each JSON value with its line's number, the elements of an array one by one; Rejected for what is none."""
    read = _numbered(lines, rules)
    for number, line in read:
        if isinstance(line, Rejected):
            yield number, line
        elif number == 1 and line.strip() in {b"[", b"{"}:
            # An indented export: the rest of the lines belongs to it.
            whole, size = [line], len(line)
            for _, more in read:
                if isinstance(more, Rejected):
                    yield number, more
                elif size <= rules.max_line_bytes:
                    whole.append(more)
                    size += len(more)
            yield from _values(number, b"".join(whole), rules)
        elif line.strip():
            yield from _values(number, line, rules)


def _numbered(lines: Iterable[bytes], rules: Rules) -> Iterator[tuple[int, bytes | Rejected]]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield number, line
    except EOFError as error:
        yield number, Rejected(None, None, "truncated", f"after line {number}: {error}")
    except (OSError, zlib.error) as error:
        yield number, Rejected(None, None, "unreadable", f"after line {number}: {error}")


def _values(number: int, line: bytes, rules: Rules) -> Iterator[tuple[int, object]]:
    if len(line) > rules.max_line_bytes:
        size = f"line {number}: more than {rules.max_line_bytes} bytes"
        yield number, Rejected(None, None, "too-long", size, str(rules.max_line_bytes))
        return
    try:
        value = json.loads(line)
    except RecursionError:
        yield number, Rejected(None, None, "malformed", f"line {number}: nested too deeply")
    except ValueError as error:
        yield number, Rejected(None, None, "malformed", f"line {number}: {error}")
    else:
        yield from ((number, item) for item in value) if isinstance(value, list) else [(number, value)]


def _get(value: object, *path: str) -> object:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _text(value: object, *path: str) -> str:
    found = _get(value, *path)
    if not isinstance(found, str):
        return ""
    if found.isascii() and "\r" not in found:
        return found
    return _SURROGATE.sub("\ufffd", _LINE_BREAK.sub("\n", found))


def _identifier(value: object, *path: str) -> str:
    """A number as digits, or a string as it is; events have both."""
    found = _get(value, *path)
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else _text(found)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 63:
        raise _MalformedError("no number of an issue or pull request")
    return value


def _time(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(value if isinstance(value, str) else "")
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise _MalformedError("no time that can be read") from None


def _add(threads: dict[tuple[str, int], _Thread], record: object) -> None:
    kind = _text(record, "type")
    if kind in _EVENTS:
        _add_event(threads, record)
    elif kind and _get(record, "payload") is not None:
        return  # a push, a star, a fork …
    elif _get(record, "number") is not None:
        _add_export(threads, record)
    else:
        raise _MalformedError("neither an event nor an exported issue")


def _add_event(threads: dict[tuple[str, int], _Thread], record: object) -> None:
    kind, payload, action = _text(record, "type"), _get(record, "payload"), _text(record, "payload", "action")
    repo = _text(record, "repo", "name")
    if not _REPO.fullmatch(repo):
        raise _MalformedError("no name of a repository")
    subject = _get(payload, "issue" if kind.startswith("Issue") else "pull_request")
    number = _number(_get(subject, "number") or _get(payload, "number"))
    at, order = _time(_get(record, "created_at")), _identifier(record, "id")
    version = (at, len(order), order)
    opened = _get(subject, "created_at")
    opening = _said("open", subject, _time(opened) if opened else at, version)
    found = _Thread(f"https://github.com/{repo}", _text(subject, "title"), opening)
    thread = _joined(threads, (repo, number), found)
    thread.pull |= kind.startswith("Pull") or isinstance(_get(subject, "pull_request"), dict)
    if kind in {"IssuesEvent", "PullRequestEvent"}:
        if action in {"closed", "merged", "reopened"}:
            merged = action == "merged" or _get(subject, "merged") is True or bool(_get(subject, "merged_at"))
            login = _text(record, "actor", "login")
            change = "reopen" if action == "reopened" else "close"
            event = _Event(at, version[1:], version, change, login, is_bot(login))
            _keep(thread, event._replace(state="merged" if merged and thread.pull else ""), f"{change} {at} {order}")
        return
    told = {"IssueCommentEvent": "comment", "PullRequestReviewEvent": "review"}.get(kind, "review-comment")
    said = _get(payload, "review" if told == "review" else "comment")
    if not isinstance(said, dict):
        raise _MalformedError(f"no {told}")
    when = said.get("created_at") or said.get("submitted_at")
    event = _said(told, said, _time(when) if when else at, version, _text(record, "actor", "login"))
    _keep(
        thread, event._replace(kind="deleted") if action == "deleted" else event, f"{told} {event.identifier or order}"
    )


def _said(kind: str, said: object, at: datetime, version: tuple[datetime, int, str], actor: str = "") -> _Event:
    """An event from the REST API's object of an issue, pull request, comment or review."""
    login = _text(said, "user", "login") or actor
    line = _identifier(said, "original_position") or _identifier(said, "original_line") or _identifier(said, "line")
    return _Event(
        at=at,
        order=version[1:],
        version=version,
        kind=kind,
        login=login,
        bot=is_bot(login) or _get(said, "user", "type") == "Bot",
        text=_text(said, "body"),
        identifier=_identifier(said, "id"),
        state=_text(said, "state").lower() if kind == "review" else "",
        review=_identifier(said, "pull_request_review_id"),
        reply_to=_identifier(said, "in_reply_to_id"),
        path=_text(said, "path"),
        line=line,
        hunk=_text(said, "diff_hunk"),
    )


def _joined(threads: dict[tuple[str, int], _Thread], key: tuple[str, int], found: _Thread) -> _Thread:
    """The thread at `key`, with the opening of `found` if that is later. Some events repeat only the number of what
    they belong to; those do not replace words with none."""
    thread = threads.setdefault(key, found)
    if (bool(found.title), found.opening.version) >= (bool(thread.title), thread.opening.version):
        thread.title, thread.opening = found.title, found.opening
    return thread


def _keep(thread: _Thread, event: _Event, key: str) -> None:
    if key not in thread.events or event.version >= thread.events[key].version:
        thread.events[key] = event


def _add_export(threads: dict[tuple[str, int], _Thread], item: object) -> None:
    """One element of `gh issue list --json …` or `gh pr list --json …`."""
    number = _number(_get(item, "number"))
    url = _EXPORT_URL.match(_text(item, "url"))
    if url is None:
        raise _MalformedError("no url; add url to the fields of --json")
    opened = _time(_get(item, "createdAt"))
    updated = _get(item, "updatedAt")
    version = (_time(updated) if updated else opened, 0, "")
    found = _Thread(f"{url[1]}/{url[2]}", _text(item, "title"), _exported("open", item, opened, version))
    thread = _joined(threads, (url[2], number), found)
    thread.pull |= url[3] == "pull"
    for field_name, kind, when in (("comments", "comment", "createdAt"), ("reviews", "review", "submittedAt")):
        listed = _get(item, field_name)
        for place, said in enumerate(listed if isinstance(listed, list) else []):
            event = _exported(kind, said, _time(_get(said, when)), version)
            _keep(thread, event._replace(order=(1, f"{place:09}")), f"{kind} {_identifier(said, 'id') or place}")
    if closed := _get(item, "mergedAt") or _get(item, "closedAt"):
        login = _text(item, "mergedBy", "login")
        event = _Event(_time(closed), (2, ""), version, "close", login, is_bot(login))
        _keep(thread, event._replace(state="merged" if _get(item, "mergedAt") else ""), "close")


def _exported(kind: str, said: object, at: datetime, version: tuple[datetime, int, str]) -> _Event:
    login = _text(said, "author", "login")
    bot = is_bot(login) or _get(said, "author", "is_bot") is True
    # The number of a comment is only in its address: …#issuecomment-123
    place = re.search(r"-(\d{1,20})$", _text(said, "url"))
    event = _Event(at, version[1:], version, kind, login, bot, _text(said, "body"), place[1] if place else "")
    return event._replace(state=_text(said, "state").lower()) if kind == "review" else event


# Telling


def _told(key: tuple[str, int], thread: _Thread, rules: Rules) -> Conversation | Rejected:
    later = sorted((e for e in thread.events.values() if e.kind != "deleted"), key=lambda e: (e.at, e.order))
    events = [thread.opening, *later]
    events = [event._replace(text=strip_email(event.text)) for event in events]
    told = [event for event in events if not event.bot]
    if thread.pull:
        told = [event._replace(text=_pull_text(event.text, rules)) for event in told]
        refused = _refused_pull(thread.title, events, told, rules)
    else:
        told = [event._replace(text=_shortened(event.text, rules.max_lines, rules.tail_lines)) for event in told]
        refused = _refused_issue(told, rules)
    if refused is not None:
        return Rejected(key[0], key[1], *refused)
    told = [event for event in told if event.kind not in _COMMENTS or _is_worth_telling(event, thread.pull, rules)]
    users = _users(told)
    hide = replace_usernames(users)
    title = hide(thread.title[: rules.max_title_chars] if thread.pull else thread.title)
    told = [_without_names(event, users, hide) for event in told]
    if thread.pull:
        text = "".join(_pull_part(event, title, hide(key[0]), rules) for event in told)
        if len(text) < rules.min_chars:
            return Rejected(*key, "short", str(len(text)), str(rules.min_chars))
        if len(text) > rules.max_pull_chars:
            return Rejected(*key, "too-long", str(len(text)), str(rules.max_pull_chars))
    else:
        text = f"<issue_start>Title: {title}\n" + "".join(_issue_part(*numbered) for numbered in enumerate(told))
    return Conversation(
        kind="pull-request" if thread.pull else "issue",
        repo_name=key[0],
        repo_url=thread.repo_url,
        number=key[1],
        title=title,
        created_at=thread.opening.at,
        updated_at=max(event.at for event in events),
        text=text,
        num_events=len(told),
        num_comments=sum(event.kind in _COMMENTS for event in told),
        users=users,
    )


def _users(told: list[_Event]) -> tuple[str, ...]:
    """In order of appearance; a deleted account has no name, and counts as nobody."""
    users: dict[str, str] = {}
    for event in told:
        if event.login:
            users.setdefault(event.login.lower(), event.login)
    return tuple(users.values())


def _without_names(event: _Event, users: tuple[str, ...], hide: Callable[[str], str]) -> _Event:
    names = {user.lower(): f"username_{number}" for number, user in enumerate(users)}
    return event._replace(
        login=names.get(event.login.lower(), ""),
        text=hide(event.text),
        path=hide(event.path),
        hunk=hide(event.hunk),
    )


def _is_worth_telling(comment: _Event, pull: bool, rules: Rules) -> bool:
    if not pull:
        return bool(comment.text)
    return comment.kind != "comment" or len(comment.text) >= rules.min_comment_chars


def _refused_issue(told: list[_Event], rules: Rules) -> _Refusal | None:
    size, alone = sum(len(event.text) for event in told), len(_users(told)) < rules.min_users
    many_chars, many_events = size > rules.max_few_users_chars, len(told) > rules.max_few_users_events
    return _first(
        (not told, "bot", "every event is a bot's", None),
        (size < rules.min_chars, "short", str(size), str(rules.min_chars)),
        (alone and many_chars, "one-user", f"{size} characters", str(rules.max_few_users_chars)),
        (alone and many_events, "one-user", f"{len(told)} events", str(rules.max_few_users_events)),
    )


def _refused_pull(title: str, events: list[_Event], told: list[_Event], rules: Rules) -> _Refusal | None:
    opening = events[0]
    title_word = next((word for word in rules.title_words if word in title.lower()), "")
    word = next((word for word in rules.description_words if word in opening.text), "")
    size = len(_pull_text(opening.text, rules))
    return _first(
        (opening.bot, "bot", "opened by a bot", None),
        (len(title) < rules.min_title_chars, "short-title", str(len(title)), str(rules.min_title_chars)),
        (title_word != "", "title-word", title_word, None),
        (size < rules.min_description_chars, "short-description", str(size), str(rules.min_description_chars)),
        (word != "", "description-word", word, None),
        (not any(event.kind in _COMMENTS for event in told), "no-human-comment", "0", "1"),
        (not any(event.state in _AGREED for event in events), "not-approved", "neither approved nor merged", None),
    )


def _first(*checks: tuple[bool, str, str, str | None]) -> _Refusal | None:
    return next(((reason, value, threshold) for failed, reason, value, threshold in checks if failed), None)


def _pull_text(text: str, rules: Rules) -> str:
    shown = _HIDDEN.sub("", text).strip()
    return _shortened(shown, rules.max_pull_lines, rules.tail_lines)[: rules.max_pull_text_chars]


def _issue_part(place: int, event: _Event) -> str:
    if event.kind in {"close", "reopen"}:
        return "<issue_closed>" if event.kind == "close" else ""
    return f"{'<issue_comment>' if place else ''}{event.login}: {event.text}"


def _pull_part(event: _Event, title: str, repo: str, rules: Rules) -> str:
    said = f"{event.login}: {event.text}" if event.text else event.login
    number = f"<pr_event_id>{event.identifier}" if event.identifier else ""
    match event.kind:
        case "open":
            return f"<pr>Title: {title}\n{said}<pr_status>opened<repo_name>{repo}"
        case "close":
            return f"<pr>{event.login}<pr_status>closed<pr_is_merged>{event.state == 'merged'}"
        case "reopen":
            return f"<pr>{event.login}<pr_status>reopened"
        case "comment":
            return f"<pr_comment>{said}{number}"
        case "review":
            return f"<pr_review>{said}{number}<pr_review_state>{event.state}"
    hunk = event.hunk if len(event.hunk) <= rules.max_hunk_chars else "[OMITTED]"
    parts = {
        "<pr_in_reply_to_review_id>": event.review,
        "<pr_in_reply_to_comment_id>": event.reply_to,
        "<pr_file>": event.path,
        "<pr_diff_hunk_comment_line>": event.line,
        "<pr_diff_hunk>": hunk,
    }
    told = "".join(token + value for token, value in parts.items() if value)
    return f"<pr_review_comment>{number}{told}<pr_comment>{said}"
