"""Issues and pull requests from events of GitHub Archive's shape and from exports of `gh`'s."""

import gzip
import json
import re
from datetime import datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelake.engine.errors import SourceError
from codelake.lake.conversations import (
    Conversation,
    Rejected,
    Rules,
    conversations,
    is_bot,
    open_lines,
    replace_usernames,
    strip_email,
)

LONG = "It stops with an error when the file is empty, and this is how to see it happen again and again. " * 3
TITLE = "Reading an empty file fails"
DEFAULT = Rules()
IDS = count(30_000_000_000)


def user(login, kind="User"):
    return {"login": login, "id": 7, "type": kind, "url": f"https://api.github.com/users/{login}", "site_admin": False}


def event(kind, actor, payload, at="2023-05-01T10:00:00Z", repo="octo/lake", **other):
    return {
        "id": str(next(IDS)),
        "type": kind,
        "actor": {"id": 7, "login": actor, "display_login": actor, "gravatar_id": "", "avatar_url": "https://a/u/7?"},
        "repo": {"id": 9, "name": repo, "url": f"https://api.github.com/repos/{repo}"},
        "payload": payload,
        "public": True,
        "created_at": at,
        **other,
    }


def an_issue(number=1, author="alice", title=TITLE, body=LONG, **other):
    made = {
        "id": 5,
        "number": number,
        "title": title,
        "body": body,
        "user": user(author),
        "state": "open",
        "labels": [],
    }
    return made | {"created_at": "2023-05-01T10:00:00Z", "locked": False, "comments": 0} | other


def a_pull(number=2, author="alice", title=TITLE, body=LONG, merged=False, **other):
    side = {"sha": "0" * 40, "ref": "main", "repo": {"full_name": "octo/lake"}}
    made = an_issue(number, author, title, body) | {"head": side, "base": side, "merged": merged, "merged_at": None}
    return made | {"url": f"https://api.github.com/repos/octo/lake/pulls/{number}"} | other


def opened(issue, **other):
    return event("IssuesEvent", issue["user"]["login"], {"action": "opened", "issue": issue}, **other)


def closed(issue, actor="bob", at="2023-05-03T10:00:00Z", **other):
    return event("IssuesEvent", actor, {"action": "closed", "issue": issue}, at=at, **other)


def comment(issue, author, body, at="2023-05-02T10:00:00Z", action="created", identifier=None, **other):
    said = {"id": identifier or next(IDS), "user": user(author), "body": body, "created_at": at}
    return event("IssueCommentEvent", author, {"action": action, "issue": issue, "comment": said}, at=at, **other)


def pull_event(action, pull, actor="alice", at="2023-05-01T10:00:00Z", **other):
    return event(
        "PullRequestEvent", actor, {"action": action, "number": pull["number"], "pull_request": pull}, at, **other
    )


def review(pull, author, body, state="approved", at="2023-05-02T11:00:00Z"):
    said = {"id": 71, "user": user(author), "body": body, "state": state, "submitted_at": at, "commit_id": "0" * 40}
    return event("PullRequestReviewEvent", author, {"action": "created", "review": said, "pull_request": pull}, at)


def review_comment(pull, author, body, at="2023-05-02T10:30:00Z", **other):
    said = {"id": 72, "user": user(author), "body": body, "created_at": at, "path": "src/alice/read.py"}
    said |= {"diff_hunk": "@@ -1 +1 @@\n-a\n+b", "original_position": 3, "pull_request_review_id": 71} | other
    payload = {"action": "created", "comment": said, "pull_request": pull}
    return event("PullRequestReviewCommentEvent", author, payload, at)


def told(*events, rules=DEFAULT):
    return list(conversations([json.dumps(item).encode() + b"\n" for item in events], rules))


def only(*events, rules=DEFAULT):
    (found,) = told(*events, rules=rules)
    return found


def test_an_issue():
    issue = an_issue()
    events = [
        opened(issue),
        comment(issue, "bob", "Thanks @Alice, it is the reader.\r\nalice-bot and malice are not her."),
        closed(issue),
        comment(issue, "alice", "Works, thanks @bob", at="2023-05-04T10:00:00Z"),
    ]
    found = only(*events)
    assert found == Conversation(
        kind="issue",
        repo_name="octo/lake",
        repo_url="https://github.com/octo/lake",
        number=1,
        title=TITLE,
        created_at=datetime(2023, 5, 1, 10),
        updated_at=datetime(2023, 5, 4, 10),
        text=(
            f"<issue_start>Title: {TITLE}\nusername_0: {LONG.strip()}"
            "<issue_comment>username_1: Thanks @username_0, it is the reader.\nalice-bot and malice are not her."
            "<issue_closed><issue_comment>username_0: Works, thanks @username_1"
        ),
        num_events=4,
        num_comments=2,
        users=("alice", "bob"),
    )
    assert only(*reversed(events), *events) == found  # in any order, and twice


def test_an_issue_older_than_the_archive_is_told_from_what_later_events_repeat():
    issue = an_issue(created_at="2020-01-01T00:00:00Z")
    found = only(comment(issue, "bob", "Still there"))
    assert found.created_at == datetime(2020, 1, 1)
    assert found.text.endswith(f"username_0: {LONG.strip()}<issue_comment>username_1: Still there")


def test_words_are_told_as_last_edited_and_deleted_comments_are_not():
    issue = an_issue()
    edited = an_issue(title="Reading an empty file fails on Windows")
    found = only(
        opened(issue),
        comment(issue, "bob", "frist", identifier=1),
        comment(issue, "carol", "my phone number", identifier=2),
        comment(issue, "bob", "third"),
        comment(edited, "bob", "first", identifier=1, action="edited", at="2023-05-05T10:00:00Z"),
        comment(edited, "carol", "my phone number", identifier=2, action="deleted", at="2023-05-06T10:00:00Z"),
    )
    assert found.title.endswith("on Windows")
    assert found.users == ("alice", "bob")
    assert "phone" not in found.text and "frist" not in found.text


def test_a_pull_request():
    pull = a_pull(body=f"{LONG}<!-- fill in the template -->")
    on_pull = an_issue(2, body=LONG, pull_request={"url": pull["url"]})
    done = pull | {"merged": True, "merged_at": "2023-05-03T00:00:00Z"}
    found = only(
        pull_event("opened", pull),
        comment(on_pull, "bob", "Please add a test for the empty file", identifier=70),
        comment(on_pull, "bob", "+1"),
        review_comment(pull, "bob", "why?", in_reply_to_id=69),
        review(pull, "bob", ""),
        pull_event("closed", done, "bob", at="2023-05-03T00:00:00Z"),
    )
    assert (found.kind, found.number, found.users, found.num_comments) == ("pull-request", 2, ("alice", "bob"), 3)
    assert found.text == (
        f"<pr>Title: {TITLE}\nusername_0: {LONG.strip()}<pr_status>opened<repo_name>octo/lake"
        "<pr_comment>username_1: Please add a test for the empty file<pr_event_id>70"
        "<pr_review_comment><pr_event_id>72<pr_in_reply_to_review_id>71<pr_in_reply_to_comment_id>69"
        "<pr_file>src/username_0/read.py<pr_diff_hunk_comment_line>3<pr_diff_hunk>@@ -1 +1 @@\n-a\n+b"
        "<pr_comment>username_1: why?"
        "<pr_review>username_1<pr_event_id>71<pr_review_state>approved"
        "<pr>username_1<pr_status>closed<pr_is_merged>True"
    )


def test_a_title_is_not_lost_to_events_that_leave_it_out():
    # Since late 2025 GitHub's pull request events hold little more than a number.
    bare = {"number": 2, "url": "https://api.github.com/repos/octo/lake/pulls/2", "id": 5}
    on_pull = an_issue(2, body=LONG, pull_request={"url": bare["url"]})
    found = only(
        comment(on_pull, "bob", "Please add a test for the empty file"),
        event(
            "PullRequestEvent", "bob", {"action": "merged", "number": 2, "pull_request": bare}, "2023-05-09T00:00:00Z"
        ),
    )
    assert (found.kind, found.title, found.created_at) == ("pull-request", TITLE, datetime(2023, 5, 1, 10))
    assert found.text.endswith("<pr_is_merged>True")


def test_bots_are_left_out():
    issue = an_issue()
    app = comment(issue, "helper", "I am an app")
    app["payload"]["comment"]["user"]["type"] = "Bot"
    found = only(opened(issue), comment(issue, "stale[bot]", "stale"), app, closed(issue, "k8s-ci-robot"))
    assert (found.num_events, found.users) == (1, ("alice",))
    assert only(opened(an_issue(author="dependabot[bot]"))) == Rejected(
        "octo/lake", 1, "bot", "every event is a bot's", None
    )


@pytest.mark.parametrize("login", ["dependabot[bot]", "Codecov-io", "my-org-ci", "JenkinsX", "x-Service-Account"])
def test_names_of_bots(login):
    assert is_bot(login)


@pytest.mark.parametrize("login", ["alice", "ciaran", "botany", "codecov-ion", ""])
def test_names_of_people(login):
    assert not is_bot(login)


def test_the_published_limits_of_issues():
    def of(size, users=("alice",), events=1):
        issue = an_issue(body="x" * size)
        return only(opened(issue), *(comment(issue, users[i % len(users)], "") for i in range(events - 1)))

    assert of(199) == Rejected("octo/lake", 1, "short", "199", "200")
    assert isinstance(of(200), Conversation)
    assert isinstance(of(7000, events=10), Conversation)
    assert of(7001) == Rejected("octo/lake", 1, "one-user", "7001 characters", "7000")
    assert of(300, events=11) == Rejected("octo/lake", 1, "one-user", "11 events", "10")
    assert isinstance(of(7001, users=("alice", "bob"), events=12), Conversation)


def test_a_long_comment_is_cut_in_its_middle():
    body = "\n".join(f"line {n} of many" for n in range(101))
    lines = only(opened(an_issue(body=body))).text.split("\n")
    assert lines[1:] == [
        "username_0: line 0 of many",
        *(f"line {n} of many" for n in range(1, 80)),
        "[Truncated]",
        *(f"line {n} of many" for n in range(81, 101)),
    ]
    body = body.rpartition("\n")[0]
    assert "[Truncated]" not in only(opened(an_issue(body=body))).text


@pytest.mark.parametrize(
    ("change", "reason", "value", "threshold"),
    [
        ({"title": "Fix read"}, "short-title", "8", "10"),
        ({"title": "Bump the dependency of it"}, "title-word", "depend", None),
        ({"title": "Prepare Release 1.2"}, "title-word", "release", None),
        ({"body": "Fixes it <!-- and hides a lot of words -->"}, "short-description", "8", "20"),
        ({"body": None}, "short-description", "0", "20"),
        ({"body": f"Found by Qwiet. {LONG}"}, "description-word", "Qwiet", None),
        ({"author": "renovate[bot]"}, "bot", "opened by a bot", None),
    ],
)
def test_the_published_limits_of_pull_requests(change, reason, value, threshold):
    pull = a_pull(**change)
    found = only(pull_event("opened", pull, pull["user"]["login"]), review(pull, "bob", "Fine"))
    assert found == Rejected("octo/lake", 2, reason, value, threshold)


def test_a_pull_request_needs_a_person_and_an_agreement():
    pull = a_pull()
    assert only(pull_event("opened", pull), review(pull, "some-bot", "ok")).reason == "no-human-comment"
    assert only(pull_event("opened", pull), review(pull, "bob", "ok", "commented")).reason == "not-approved"
    assert isinstance(only(pull_event("opened", pull), review(pull, "bob", "ok")), Conversation)
    rules = Rules(max_pull_chars=250)
    assert only(pull_event("opened", pull), review(pull, "bob", "ok"), rules=rules).reason == "too-long"


def test_a_large_hunk_is_omitted():
    pull = a_pull()
    found = only(
        pull_event("opened", pull), review_comment(pull, "bob", "why", diff_hunk="+" * 10_001), review(pull, "bob", "")
    )
    assert "<pr_diff_hunk>[OMITTED]<pr_comment>username_1: why" in found.text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("> quoted in markdown\nanswer", "> quoted in markdown\nanswer"),
        (">>> 1 + 1\n2", ">>> 1 + 1\n2"),
        (
            "I agree.\n\nOn Tue, Jan 3, 2023 Bob <notifications@github.com> wrote:\n\n> quoted\n> more\n>\n"
            "> Reply to this email directly, view it on GitHub",
            "I agree.",
        ),
        (
            "Yes\n\nFrom: Bob\nSent: Monday\nwords\nReply to this email directly or view it on GitHub:\nhttps://x\nEnd",
            "Yes\n\nEnd",
        ),
        ("Yes\n1/2/2023 10:00 AM, Bob wrote:\n> quoted\nBelow", "Yes\nBelow"),
        ("Fix\n\nSigned-off-by: Bob <bob@x.org>", "Fix"),
        ("above\n" + "_" * 40 + "\nbelow", "above\n\nbelow"),
        ("From: here to there", "From: here to there"),
    ],
)
def test_what_mail_adds_is_stripped(text, kept):
    assert strip_email(text) == kept


def test_other_events_are_passed_over_and_bad_lines_are_told():
    push = event("PushEvent", "bob", {"push_id": 1, "commits": []})
    nameless = opened(an_issue()) | {"repo": {"id": 9}}
    undated = comment(an_issue(), "bob", "when?") | {"created_at": "yesterday"}
    lines = [json.dumps(item).encode() for item in (push, nameless, undated)]
    lines += [
        b"{not json",
        b"",
        b"[" * 100_000,
        b'{"id": 3}',
        b"7",
        b'"x"',
        b"\xff",
        json.dumps(opened(an_issue())).encode(),
    ]
    *bad, good = conversations(lines)
    assert good.number == 1
    assert [item.reason for item in bad] == ["malformed"] * 8
    assert [item.value.split(":")[0] for item in bad] == [f"line {n}" for n in (2, 3, 4, 6, 7, 8, 9, 10)]
    assert "no name of a repository" in bad[0].value


def test_issues_and_pull_requests_come_by_repository_and_number():
    found = told(
        opened(an_issue(12)), opened(an_issue(3)), opened(an_issue(5), repo="a/b"), opened(an_issue(4, body="short"))
    )
    assert [(item.repo_name, item.number) for item in found] == [
        *(("a/b", 5), ("octo/lake", 3), ("octo/lake", 4), ("octo/lake", 12))
    ]


def gh_issue(**other):
    return {
        "number": 8,
        "title": TITLE,
        "body": LONG,
        "url": "https://github.com/octo/lake/issues/8",
        "author": {"id": "U_1", "is_bot": False, "login": "alice", "name": "Alice"},
        "createdAt": "2024-01-01T00:00:00Z",
        "updatedAt": "2024-01-04T00:00:00Z",
        "closedAt": "2024-01-03T00:00:00Z",
        "comments": [
            {
                "id": "IC_kw",
                "author": {"login": "bob"},
                "body": "Ask @alice",
                "createdAt": "2024-01-02T00:00:00Z",
                "url": "https://github.com/octo/lake/issues/8#issuecomment-99",
            },
        ],
        **other,
    }


@pytest.mark.parametrize("indent", [None, 2])
def test_what_gh_exports(indent):
    pull = gh_issue(
        number=9,
        url="https://git.example.org/octo/lake/pull/9",
        mergedAt="2024-01-03T00:00:00Z",
        mergedBy={"login": "bob"},
        reviews=[
            {
                "id": "R_1",
                "author": {"login": "bob"},
                "body": "",
                "state": "APPROVED",
                "submittedAt": "2024-01-02T09:00:00Z",
            }
        ],
    )
    pull["comments"][0]["body"] = "Ask @alice before this goes in"
    lines = json.dumps([gh_issue(), pull], indent=indent).encode().splitlines(keepends=True)
    issue, pull = conversations(lines)
    assert issue.text == (
        f"<issue_start>Title: {TITLE}\nusername_0: {LONG.strip()}"
        "<issue_comment>username_1: Ask @username_0<issue_closed>"
    )
    assert pull.repo_url == "https://git.example.org/octo/lake"
    assert pull.text.endswith(
        "<repo_name>octo/lake<pr_comment>username_1: Ask @username_0 before this goes in<pr_event_id>99"
        "<pr_review>username_1<pr_review_state>approved<pr>username_1<pr_status>closed<pr_is_merged>True"
    )


def test_an_export_without_addresses_says_what_to_add():
    assert "add url to the fields of --json" in only(gh_issue(url=None)).value


def test_a_file_is_read_whether_packed_or_not(tmp_path):
    lines = [json.dumps(opened(an_issue(n))).encode() + b"\n" for n in (1, 2)]
    plain, packed = tmp_path / "2023-05-01-10.json", tmp_path / "hour"
    plain.write_bytes(b"".join(lines))
    packed.write_bytes(gzip.compress(lines[0]) + gzip.compress(lines[1]))
    assert list(open_lines(plain)) == list(open_lines(packed)) == lines


def test_a_file_that_ends_early_gives_what_was_read(tmp_path):
    lines = [json.dumps(opened(an_issue(n, body=f"{LONG} {IDS}{n}" * 40))).encode() + b"\n" for n in range(1, 1000)]
    whole = gzip.compress(b"".join(lines))
    path = tmp_path / "hour.json.gz"
    path.write_bytes(whole[: len(whole) // 2])
    first, *rest = conversations(open_lines(path))
    assert (first.reason, first.repo_name) == ("truncated", None)
    assert len(rest) > 100 and all(item.repo_name == "octo/lake" for item in rest)
    path.write_bytes(whole[: len(whole) // 2] + bytes(100) + whole[len(whole) // 2 + 100 :])
    assert next(iter(conversations(open_lines(path)))).reason == "unreadable"


def test_a_line_too_long_is_skipped(tmp_path):
    line = json.dumps(opened(an_issue())).encode() + b"\n"
    path = tmp_path / "hour.json"
    path.write_bytes(line + b'{"x": "' + b"y" * 10_000 + b'"}\n' + line)
    rules = Rules(max_line_bytes=5000)
    long, found = conversations(open_lines(path, 5000), rules)
    assert (long.reason, long.threshold) == ("too-long", "5000")
    assert "line 2" in long.value
    assert found.number == 1


def test_a_file_that_is_not_there_is_said_before_anything_is_read(tmp_path):
    with pytest.raises(SourceError, match=r"hour\.json: it cannot be read: No such file"):
        open_lines(tmp_path / "hour.json")


LOGINS = st.from_regex(r"[A-Za-z0-9]{1,4}(-[A-Za-z0-9]{1,3}){0,2}", fullmatch=True)
WORDS = st.lists(
    LOGINS | st.sampled_from(["-", "@", " ", "_", ".", "/", "\n", "é", "İ", "ſ", "<pr>"]), max_size=20
).map("".join)


@given(st.lists(LOGINS, min_size=1, max_size=6, unique_by=str.lower), WORDS)
def test_no_user_name_stays_as_a_whole_word(users, text):
    hide = replace_usernames(users)
    hidden = hide(" ".join([text, *users]) + text)
    for user_name in users:
        whole = rf"(?<![A-Za-z0-9_])(?<![A-Za-z0-9_]-){user_name}(?![A-Za-z0-9_]|-[A-Za-z0-9_])"
        assert not re.search(whole, hidden, re.IGNORECASE | re.ASCII)
    assert hide(hidden) == hidden


def test_unusual_names_are_replaced_too():
    hide = replace_usernames(["a.b", "old-", "É", "b"])
    assert (
        hide("a.b A.B. old- b a.bc old-x É (b)")
        == "username_0 username_0. username_1 username_3 a.bc old-x username_2 (username_3)"
    )


@given(st.lists(LOGINS.filter(lambda login: not is_bot(login)), min_size=2, max_size=4, unique_by=str.lower), WORDS)
def test_no_user_name_stays_in_a_document(users, text):
    author, *others = users
    issue = an_issue(author=author, title=f"{text} {author}", body=f"{LONG} {text} {' '.join(users)}")
    found = only(opened(issue), *(comment(issue, other, f"@{author} {text}") for other in others))
    assert set(found.users) == set(users)
    body = re.sub(r"<issue_start>Title: |<issue_comment>|username_\d+", " ", found.text)
    words = {word.lower() for word in re.findall(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*", body)}
    assert not words & {name.lower() for name in users}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw):
    """A good record with one value somewhere in it replaced."""
    pull = a_pull()
    events = [opened(an_issue()), comment(an_issue(), "bob", "x"), review(pull, "bob", "x")]
    events += [review_comment(pull, "bob", "x"), pull_event("closed", pull), gh_issue(), [gh_issue()]]
    record = draw(st.sampled_from(events))
    record = at = json.loads(json.dumps(record))
    while True:
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
            at = at[key]
        else:
            at[key] = draw(JSON)
            return record


@given(
    st.lists(
        st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode) | damaged().map(json.dumps).map(str.encode),
        max_size=5,
    )
)
def test_any_lines_are_told_or_rejected(lines):
    for item in conversations(lines):
        assert isinstance(item, Conversation | Rejected)
        if isinstance(item, Conversation):
            (item.text + item.title).encode()
