"""git as a source: every kind of place, every point in time, and repositories that are broken or hostile."""

import os
import shutil
import socket
import subprocess
import threading
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import codelake
from codelake.lake import sources
from codelake.lake.sources import Failure, Request
from codelake.lake.sources.git_repository import parse_commit
from codelake.lake.sources.programs import at_revision

DATES = {"v1": "2019-03-01T12:00:00Z", "v2": "2020-05-17T08:30:00Z", "v3": "2021-11-30T23:59:59Z"}


@pytest.fixture
def repo(tmp_path, git, monkeypatch):
    """Three dated revisions: files changed, renamed and removed, a link, an executable, an odd name, a submodule."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")

    def commit(tag, author="Ada <ada@example.org>"):
        git(root, "add", "-A")
        if tag == "v3":
            git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/sub")
        name, mail = author[:-1].split(" <")
        for who, mailbox in (("AUTHOR", (name, mail)), ("COMMITTER", ("C", "c@example.org"))):
            monkeypatch.setenv(f"GIT_{who}_NAME", mailbox[0])
            monkeypatch.setenv(f"GIT_{who}_EMAIL", mailbox[1])
            monkeypatch.setenv(f"GIT_{who}_DATE", DATES[tag])
        git(root, "commit", "-qm", tag)
        git(root, "tag", "-m", f"release {tag}", tag)

    (root / "a.py").write_text("a = 1\n")
    (root / "old.py").write_text("old = True\n")
    (root / "lib").mkdir()
    (root / "lib" / "tool.c").write_text("int main(void) { return 0; }\n")
    commit("v1")
    (root / "a.py").write_text("a = 2\n")
    (root / "old.py").rename(root / "lib" / "new.py")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("a.py")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.py")).write_text("odd = 1\n")
    commit("v2", "Ødegård <o@example.org>")
    (root / "logo.bin").write_bytes(b"\0" * 10)
    (root / "big.model").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4" * 64 + "\nsize 12345678\n"
    )
    commit("v3")
    return root


def visits(source, tmp_path, **asked):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return list(sources.visits(Request(source=source, rest="", scratch=scratch, cache=tmp_path / "cache", **asked)))


def one(lake, sql):
    return lake.sql(sql).fetchall()[0]


def listed(git, root, revision="HEAD"):
    """path -> (mode, id) as git lists the files."""
    lines = git(root, "ls-tree", "-r", "--full-tree", revision, "-z").split("\0")
    rows = [line.split("\t") for line in lines if line]
    return {path: tuple(head.split()[::2]) for head, path in rows if not head.startswith("160000")}


def stored(lake, where="true"):
    rows = lake.sql(f"SELECT path, mode, blob_id FROM files WHERE {where}").fetchall()
    return {path: (mode, blob) for path, mode, blob in rows}


def test_a_worktree_is_read_as_git_has_it(lake, repo, git):
    (repo / "untracked.py").write_text("not in git\n")
    report = lake.ingest(f"git:{repo}")
    assert stored(lake) == listed(git, repo)
    row = lake.sql("FROM repos").df().iloc[0]
    assert row.revision_id == git(repo, "rev-parse", "HEAD")
    assert row.directory_id == git(repo, "rev-parse", "HEAD^{tree}")
    assert (row.author, row.committer) == ("Ada <ada@example.org>", "C <c@example.org>")
    assert str(row.revision_date) == "2021-11-30 23:59:59"
    assert list(row.parents) == [git(repo, "rev-parse", "HEAD^")]
    assert (row.vcs, row.branch_name, row.repo_name) == ("git", "main", "project")
    assert lake.sql("SELECT path, reason, value FROM drops ORDER BY path").fetchall() == [
        ("big.model", "lfs-pointer", f"sha256:{'4' * 64} 12345678"),
        ("logo.bin", "binary", None),
        ("vendor/sub", "submodule", "1" * 40),
    ]
    assert report.whole
    # An LFS pointer stands for something else: it is no text of the file's language.
    assert one(lake, "SELECT language FROM files WHERE path = 'big.model'") == (None,)
    assert one(lake, "SELECT content FROM blobs WHERE path = 'a.py'") == (b"a = 2\n",)


@pytest.mark.parametrize("kind", ["bare", "bundle", "linked worktree", "git+file", "shallow", "sha256-named file"])
def test_every_kind_of_place_gives_the_same_rows(lake, repo, git, tmp_path, kind):
    place = tmp_path / "place"
    if kind == "bare":
        git(repo, "clone", "-q", "--bare", str(repo), str(place))
        source = f"git:{place}"
    elif kind == "bundle":
        git(repo, "bundle", "create", "-q", str(place.with_suffix(".bundle")), "HEAD", "main", "--tags")
        source = f"git:{place.with_suffix('.bundle')}"
    elif kind == "linked worktree":
        git(repo, "worktree", "add", "-q", str(place), "--detach", "main")
        source = f"git:{place}"
    elif kind == "git+file":
        source = f"git+{repo.as_uri()}@main"
    elif kind == "shallow":
        git(repo, "clone", "-q", "--depth=1", repo.as_uri(), str(place))
        source = f"git:{place}"
    else:
        # A file named like a branch must not be taken for it.
        (repo / "main").write_text("a file\n")
        source = f"git:{repo}@main"
    lake.ingest(source)
    assert one(lake, "SELECT directory_id FROM repos") == (git(repo, "rev-parse", "main^{tree}"),)
    assert one(lake, "SELECT count(*) FROM files") == (len(listed(git, repo)),)


def test_dates_tags_and_periods_are_dated_visits(lake, repo, git):
    lake.ingest(f"git:{repo}", at=["2020-01-01", "v2", "2021-12-25"])
    rows = lake.sql("SELECT visit_date, revision_id, num_files, branch_name FROM repos ORDER BY visit_date").fetchall()
    v1, v2, v3 = (git(repo, "rev-parse", f"{tag}^{{commit}}") for tag in DATES)
    assert rows == [
        (datetime(2020, 1, 1), v1, 3, "main"),
        (datetime(2020, 5, 17, 8, 30), v2, 6, "v2"),
        (datetime(2021, 12, 25), v3, 8, "main"),
    ]
    assert one(lake, f"SELECT release_id FROM repos WHERE revision_id = '{v2}'") == (git(repo, "rev-parse", "v2"),)
    for revision in (v1, v2, v3):
        assert stored(lake, f"revision_id = '{revision}'") == listed(git, repo, revision)


def test_every_period_from_a_year_on(lake, repo):
    lake.ingest(f"git:{repo}", every="quarter", since="2021")
    dates = [str(date)[:10] for (date,) in lake.sql("SELECT visit_date FROM repos ORDER BY 1").fetchall()]
    assert dates[:5] == ["2021-01-01", "2021-04-01", "2021-07-01", "2021-10-01", "2022-01-01"]
    assert one(lake, "SELECT count(DISTINCT revision_id) FROM repos") == (2,)


def test_all_tags_read_each_content_once(lake, repo):
    report = lake.ingest(f"git:{repo}", all_tags=True)
    assert report["visits"] == 3
    assert [a.read_files for a in report.arrivals] == [3, 5, 2]
    assert report["new_blobs"] == one(lake, "SELECT count(DISTINCT blob_id) FROM files")[0]
    assert lake.ingest(f"git:{repo}", all_tags=True)["skipped_visits"] == 3


def test_a_visit_builds_on_one_that_was_skipped(lake, repo, git):
    lake.ingest(f"git:{repo}", all_tags=True)
    lake.ingest(f"git:{repo}")
    (repo / "a.py").write_text("a = 4\n")
    git(repo, "commit", "-qam", "v4")
    git(repo, "tag", "v4")
    report = lake.ingest(f"git:{repo}", all_tags=True)
    assert (report["visits"], report["skipped_visits"], report["read_files"]) == (1, 3, 1)
    assert stored(
        lake, "revision_id = (SELECT max_by(revision_id, visit_date) FROM repos WHERE branch_name = 'v4')"
    ) == (listed(git, repo))


def test_tags_of_the_same_second_stay_apart(lake, repo, git):
    for number in range(3):
        (repo / "a.py").write_text(f"a = {number + 10}\n")
        git(repo, "commit", "-qam", str(number))
        git(repo, "tag", f"w{number}")
    lake.ingest(f"git:{repo}", all_tags=True)
    assert one(lake, "SELECT count(*), count(DISTINCT visit_date), count(DISTINCT revision_id) FROM repos") == (6, 6, 6)


def test_a_second_visit_reads_what_changed_and_has_the_same_rows(lake, repo, git, tmp_path):
    lake.ingest(f"git:{repo}")
    (repo / "a.py").write_text("a = 3\n")
    (repo / "run.sh").unlink()
    (repo / "logo.bin").write_text("text now\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "v4")
    report = lake.ingest(f"git:{repo}")
    assert (report["read_files"], report["new_blobs"]) == (2, 2)
    columns = "* EXCLUDE (visit_date)"
    latest = "visit_date = (SELECT max(visit_date) FROM repos)"
    with codelake.open(tmp_path / "fresh") as fresh:
        fresh.ingest(f"git:{repo}")
        for table in ("files", "drops", "repos"):
            ours = lake.sql(f"SELECT {columns} FROM {table} WHERE {latest} ORDER BY ALL").fetchall()
            assert ours == fresh.sql(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()


def test_nothing_new_is_a_visit_that_reads_nothing(lake, repo):
    lake.ingest(f"git:{repo}")
    report = lake.ingest(f"git:{repo}")
    assert (report["visits"], report["read_files"], report["files"]) == (1, 0, 8)
    assert lake.ingest(f"git:{repo}", new_only=True)["skipped_visits"] == 1


def test_a_rewritten_history_is_read_anew(lake, repo, git):
    lake.ingest(f"git:{repo}")
    git(repo, "reset", "-q", "--hard", "v1")
    git(repo, "tag", "-d", "v2", "v3")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")
    assert lake.ingest(f"git:{repo}")["files"] == 3
    assert set(stored(lake, f"revision_id = '{git(repo, 'rev-parse', 'HEAD')}'")) == {"a.py", "old.py", "lib/tool.c"}


def test_an_empty_repository_is_a_visit_without_files(lake, tmp_path, git):
    git(tmp_path, "init", "-q", "empty")
    report = lake.ingest(f"git:{tmp_path / 'empty'}")
    assert report.whole
    assert one(lake, "SELECT num_files, revision_id FROM repos") == (0, None)


def test_missing_blobs_of_a_partial_clone_are_named_and_never_fetched(lake, repo, git, tmp_path):
    git(repo, "config", "uploadpack.allowFilter", "true")
    place = tmp_path / "partial"
    git(repo, "clone", "-q", "--bare", "--filter=blob:none", repo.as_uri(), str(place))
    before = sorted(place.rglob("*.pack"))
    report = lake.ingest(f"git:{place}")
    assert report.drops["missing"] == len(listed(git, repo))
    assert not report.whole
    assert sorted(place.rglob("*.pack")) == before
    assert one(lake, "SELECT directory_id FROM repos") == (git(repo, "rev-parse", "HEAD^{tree}"),)
    # The next visit tries them again.
    git(place, "fetch", "-q", "--refetch", "--filter=blob:limit=1g", repo.as_uri(), "+refs/heads/*:refs/heads/*")
    assert lake.ingest(f"git:{place}")["new_blobs"] == 8


def _loose(repo, identifier):
    return repo / ".git" / "objects" / identifier[:2] / identifier[2:]


def test_a_corrupt_blob_is_named_and_the_rest_goes_on(lake, repo, git):
    broken = _loose(repo, git(repo, "rev-parse", "HEAD:a.py"))
    broken.chmod(0o644)
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 0xFF
    broken.write_bytes(data)
    gone = _loose(repo, git(repo, "rev-parse", "HEAD:run.sh"))
    gone.unlink()
    report = lake.ingest(f"git:{repo}")
    assert report["files"] == 6
    reasons = dict(lake.sql("SELECT path, reason FROM drops WHERE path IN ('a.py', 'run.sh')").fetchall())
    assert reasons == {"a.py": "corrupt", "run.sh": "missing"}
    assert not report.whole


def test_a_pack_corrupted_in_the_middle(lake, tmp_path, git):
    root = tmp_path / "many"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for number in range(200):
        (root / f"f{number}.txt").write_bytes(os.urandom(300).hex().encode())
    git(root, "add", "-A")
    git(root, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "all")
    git(root, "repack", "-adq")
    [pack] = root.rglob("*.pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = os.urandom(64)
    pack.write_bytes(data)
    report = lake.ingest(f"git:{root}")
    lost = report.drops.get("corrupt", 0) + report.drops.get("missing", 0)
    assert 1 <= lost <= 5
    assert report["files"] == 200 - lost
    for content, blob in lake.sql("SELECT content, blob_id FROM blobs").fetchall():
        assert git(root, "hash-object", "--stdin", data=content) == blob


def test_a_missing_tree_loses_only_what_is_below_it(lake, repo, git):
    _loose(repo, git(repo, "rev-parse", "HEAD:lib")).unlink()
    report = lake.ingest(f"git:{repo}")
    assert report.drops["missing"] == 1
    assert one(lake, "SELECT path FROM drops WHERE reason = 'missing'") == ("lib",)
    assert set(stored(lake)) == {"a.py", "big.model", "caf\\xe9.py", "link", "logo.bin", "run.sh"}


def test_a_repository_cannot_make_us_run_anything(lake, repo, git, tmp_path):
    """Settings of the repository that make git start programs are not honoured."""
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path / 'sprung'}\n")
    trap.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "core.alternateRefsCommand", "diff.external"):
        git(repo, "config", name, str(trap))
    (repo / ".gitattributes").write_text("* filter=evil diff=evil\n")
    git(repo, "config", "filter.evil.smudge", str(trap))
    git(repo, "config", "diff.evil.textconv", str(trap))
    lake.ingest(f"git:{repo}", all_tags=True)
    lake.ingest(f"git:{repo}")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("git:{tmp}/nowhere", "nothing at"),
        ("git:{tmp}", "no git repository"),
        ("git:{tmp}/file", "no git bundle"),
        ("git+gopher://host/x", "not gopher"),
    ],
)
def test_wrong_places_are_refused(lake, tmp_path, source, said):
    (tmp_path / "file").write_text("x")
    with pytest.raises(codelake.SourceError, match=said):
        lake.ingest(source.format(tmp=tmp_path))


def test_a_ref_that_is_not_there_is_a_failure(lake, repo):
    report = lake.ingest(f"git:{repo}@nowhere")
    assert [message for _, message in report.failures] == ["there is no branch, tag or revision nowhere"]
    report = lake.ingest(f"git:{repo}", at=["v9", "1999-01-01", "v1"])
    assert report["visits"] == 1
    assert {message.split(",")[0] for _, message in report.failures} == {
        "there is no tag",
        "nothing is there yet on 1999-01-01",
    }
    assert one(lake, "SELECT count(*) FROM drops WHERE reason = 'absent'") == (3,)


def test_a_truncated_bundle_is_a_failure(lake, repo, git, tmp_path):
    bundle = tmp_path / "x.bundle"
    git(repo, "bundle", "create", "-q", str(bundle), "--all")
    bundle.write_bytes(bundle.read_bytes()[:-200])
    report = lake.ingest(f"git:{bundle}")
    assert "bundle cannot be read" in report.failures[0][1]
    assert one(lake, "SELECT reason FROM drops") == ("corrupt",)


@pytest.fixture
def daemon(repo):
    """The repository over git's own protocol, on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all", f"--base-path={repo.parent}"]
    process = subprocess.Popen([*command, "--reuseaddr", str(repo.parent)], stderr=subprocess.PIPE)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        threading.Event().wait(0.05)
    yield f"git+git://127.0.0.1:{port}/project/.git"
    process.terminate()
    process.wait()


def test_a_remote_is_mirrored_and_brought_up_to_date(lake, repo, git, daemon, tmp_path, monkeypatch):
    monkeypatch.setenv("CODELAKE_CACHE", str(tmp_path / "cache"))
    lake.ingest(daemon)
    [mirror] = (tmp_path / "cache" / "git").glob("*/HEAD")
    # The present needs one commit, not the history.
    assert git(mirror.parent, "rev-list", "--all", "--count") == "1"
    (repo / "a.py").write_text("a = 5\n")
    git(repo, "commit", "-qam", "v4")
    report = lake.ingest(daemon)
    assert (report["read_files"], report["files"]) == (1, 8)
    url, name, host = one(lake, "SELECT repo_url, repo_name, host FROM repos")
    assert (name, host) == ("project", "127.0.0.1")
    assert url == daemon.removeprefix("git+").removesuffix("/.git")
    assert lake.ingest(daemon, at=["2020-01-01", "v2"])["visits"] == 2
    here = visits(f"git:{repo}", tmp_path)[0]
    assert one(lake, "SELECT snapshot_id FROM repos WHERE revision_id = (SELECT max_by(revision_id, visit_date) "
                     "FROM repos)") == (here.snapshot_id,)  # fmt: skip


def test_a_host_that_says_nothing_is_given_up(lake, repo):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        source = f"git+git://127.0.0.1:{deaf.getsockname()[1]}/x.git"
        report = lake.ingest(source, f"git:{repo}", timeout=1)
    assert report["visits"] == 1
    [(name, message)] = report.failures
    assert name == source
    assert "said nothing for 1 s" in message
    assert one(lake, "SELECT repo_name, reason FROM drops WHERE path IS NULL") == (source, "timeout")


def test_a_host_that_refuses_is_a_failure(lake, repo):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        report = lake.ingest(f"git+http://127.0.0.1:{closed.getsockname()[1]}/x.git", f"git:{repo}", timeout=10)
    assert report["visits"] == 1
    assert "cannot be fetched" in report.failures[0][1]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("https://host/o/r.git@v1", ("https://host/o/r.git", "v1")),
        ("https://me@host/o/r.git", ("https://me@host/o/r.git", None)),
        ("https://me@host:8443/o/r@feature/x", ("https://me@host:8443/o/r", "feature/x")),
        ("ssh://git@host/o/r", ("ssh://git@host/o/r", None)),
        ("file:///a/b@1.0", ("file:///a/b", "1.0")),
        ("/a/b@1.0", ("/a/b", "1.0")),
    ],
)
def test_the_grammar_of_urls(rest, expected):
    assert at_revision(rest) == expected


@given(st.binary())
def test_any_bytes_can_be_read_as_a_commit(data):
    parse_commit("0" * 40, data)


def test_an_odd_commit_is_kept_as_far_as_it_goes(lake, repo, git):
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    text = f"tree {tree}\nauthor J\xfcrgen <j@x> 99999999999999999 +0000\ncommitter nobody\nencoding latin-1\n\nx"
    odd = git(repo, "hash-object", "-t", "commit", "--literally", "-w", "--stdin", data=text.encode("latin-1"))
    git(repo, "update-ref", "refs/heads/odd", odd)
    lake.ingest(f"git:{repo}@odd")
    assert one(lake, "SELECT author, committer, revision_date, directory_id FROM repos") == (
        "Jürgen <j@x>",
        "nobody",
        None,
        tree,
    )


def test_what_a_mirror_held_is_rebuilt_if_it_was_cut_off(lake, daemon, tmp_path, monkeypatch):
    monkeypatch.setenv("CODELAKE_CACHE", str(tmp_path / "cache"))
    lake.ingest(daemon)
    [head] = (tmp_path / "cache" / "git").glob("*/HEAD")
    head.unlink()
    shutil.rmtree(head.parent / "refs")
    assert lake.ingest(daemon).whole
    assert not any(isinstance(item, Failure) for item in visits(daemon, tmp_path))


def test_a_password_in_a_url_is_kept_nowhere(lake, daemon, tmp_path, monkeypatch):
    monkeypatch.setenv("CODELAKE_CACHE", str(tmp_path / "cache"))
    logins = [daemon.replace("git+git://", "git+git://ada:s3cret@"), "git+http://ada:s3cret@127.0.0.1:9/x.git"]
    report = lake.ingest(daemon, *logins, timeout=20)
    assert len(report.failures) == 2
    assert "s3cret" not in repr(report)
    for table in ("repos", "drops"):
        assert "s3cret" not in repr(lake.sql(f"FROM {table}").fetchall())
    assert "s3cret" not in repr(lake.log())
    assert one(lake, "SELECT repo_url FROM repos")[0].startswith("git://127.0.0.1")
