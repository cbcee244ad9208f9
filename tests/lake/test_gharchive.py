"""Issues and pull requests of an event file as texts of the lake."""

import gzip
import json

import pytest

import codelake

BODY = "The parser fails on an empty header line, and the traceback says nothing useful about the file. " * 3


def event(kind, number, login, at, *, action="opened", repo="octo/tools", author=None, **more):
    issue = {
        "number": number,
        "title": "Parser fails on empty header",
        "body": BODY,
        "user": {"login": author or login},
        "html_url": f"https://github.com/{repo}/issues/{number}",
    }
    return {
        "id": f"{number}{at}",
        "type": kind,
        "actor": {"login": login},
        "repo": {"id": 1, "name": repo},
        "payload": {"action": action, "issue": issue} | more,
        "created_at": f"2024-01-01T{at}:00Z",
    }


@pytest.fixture
def events(tmp_path):
    comment = {"comment": {"id": 7, "body": "@alice I see it too, on Windows as well.", "user": {"login": "bob"}}}
    found = [
        event("IssuesEvent", 1, "alice", "10:00"),
        event("IssueCommentEvent", 1, "bob", "10:05", action="created", author="alice", **comment),
        event("IssuesEvent", 2, "renovate[bot]", "11:00"),
        event("IssuesEvent", 3, "carol", "12:00", repo="octo/other"),
    ]
    path = tmp_path / "2024-01-01-10.json.gz"
    lines = [json.dumps(item).encode() for item in found]
    path.write_bytes(gzip.compress(b"\n".join([*lines, b"{broken", b"[]"])))
    return path


def test_conversations_become_texts_of_their_repository(lake, events):
    report = lake.ingest(f"gharchive:{events}")
    rows = lake.sql("SELECT repo_name, repo_url, vcs FROM repos ORDER BY 1").fetchall()
    assert rows[-1] == ("octo/tools", "https://github.com/octo/tools/issues", "forge")
    [(path, language)] = lake.sql("SELECT path, language FROM files WHERE repo_name = 'octo/tools'").fetchall()
    assert (path, language) == ("issues/1.txt", "Text")
    [(text,)] = lake.sql("SELECT content FROM blobs WHERE repo_name = 'octo/tools'").fetchall()
    assert b"username_0" in text
    assert b"alice" not in text
    assert b"bob" not in text
    assert lake.sql("SELECT count(*) FROM drops WHERE reason = 'bot'").fetchall() == [(1,)]
    assert any("cannot be read" in message for _, message in report.failures)


def test_a_truncated_file_gives_what_was_readable(lake, events):
    events.write_bytes(events.read_bytes()[:-30])
    report = lake.ingest(f"gharchive:{events}")
    assert not report.whole
    assert lake.sql("SELECT count(*) FROM drops WHERE reason = 'truncated'").fetchall() == [(1,)]


def test_a_file_that_is_not_there_is_refused(lake, tmp_path):
    with pytest.raises(codelake.SourceError, match="no file"):
        lake.ingest(f"gharchive:{tmp_path}/none.json")
