"""Many files at once: in processes that a hang, a crash or a closed lake does not stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from codelake.engine.errors import QueryError
from codelake.engine.syntax.match import KINDS, Limits
from codelake.engine.syntax.pool import Job, Pool, arrow_type

CALLS = "(call) @c"
# Takes time exponential in the letters of `aaaa...!`.
CATASTROPHIC = '((identifier) @a (#match? @a "^(a+)+$"))'
SLOW = "a" * 60 + "_"
QUICK = Limits(seconds=0.5)


def ask(pool, job, contents, languages="Python"):
    if isinstance(languages, str):
        languages = [languages] * len(contents)
    return pool.run(job, pa.array(contents), pa.array(languages, pa.string())).to_pylist()


@pytest.fixture
def pool():
    """A pool that parses everything in its processes."""
    with Pool(2, QUICK, here_bytes=0) as made:
        yield made


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_processes_answer_as_this_process_does(pool, kind):
    contents = ["x = f(1)\n" * 10, "é = f('ñ')\n", "", None, "f(", b"\xff f(2)".decode(errors="replace"), "f(1)"]
    text = {"query": CALLS, "count": CALLS, "exists": CALLS, "ast_grep": "f($A)"}.get(kind, "f")
    with Pool() as here:
        expected = ask(here, Job(kind, text), contents)
    assert ask(pool, Job(kind, text), contents) == expected
    assert pool.run(Job(kind, text), pa.array(contents), pa.array(["Python"] * 7)).type == arrow_type(kind)
    assert expected[3] is None
    assert pool.stats()["parsed_files" if kind not in {"regex", "text"} else "files"] >= 5


def test_nothing_gives_nothing(pool):
    assert ask(pool, Job("query", CALLS), []) == []
    assert ask(pool, Job("query", CALLS), [None, "x"], ["Python", None]) == [None, None]


def test_answers_are_in_order_however_files_are_cut(pool):
    contents = [f"f({'x,' * (i % 700)})\n" * (1 + i % 5) for i in range(1500)]
    assert ask(pool, Job("count", CALLS), contents) == [1 + i % 5 for i in range(1500)]


def test_a_content_that_comes_twice_is_parsed_once(pool):
    assert ask(pool, Job("count", CALLS), ["f(1)", "f(2)+f(3)", "f(1)"] * 10) == [1, 2, 1] * 10
    assert ask(pool, Job("count", "(identifier) @a"), ["f"] * 2, ["Python", "Go"]) == [1, 1]
    stats = pool.stats()
    assert (stats["parsed_files"], stats["duplicates"]) == (4, 28)


def test_binary_contents(pool):
    found = pool.run(
        Job("query", "(string) @s"), pa.array([b"f('\xe9')", None, b"\0"], pa.binary()), pa.array(["Python"] * 3)
    )
    assert [[row["text"] for row in rows] if rows is not None else None for rows in found.to_pylist()] == [
        ["'\ufffd'"],
        None,
        [],
    ]


def test_a_mistake_is_told_before_anything_is_read(pool):
    with pytest.raises(QueryError, match="no node cal"):
        ask(pool, Job("query", "(cal) @c"), ["f()"])
    with pytest.raises(QueryError, match="near: Python"):
        ask(pool, Job("query", CALLS), ["f()"], "pyton")
    assert (
        ask(pool, Job("query", CALLS, strict=False), ["f()", "f()", "f()"], ["Text", "Go", "Python"])[:2] == [None] * 2
    )


def test_a_query_of_exponential_states_is_bounded(pool):
    query = "(module " + "[(expression_statement (_)* @a (_)* @b) (_)]* " * 12 + ")"
    assert ask(pool, Job("count", query), ["x=1\n" * 50]) == [None]
    assert pool.stats()["timeouts"] == 1


def test_only_the_file_that_hangs_is_null(pool):
    contents = ["aaa", SLOW, "aab", "b", SLOW + "b"]
    assert ask(pool, Job("count", CATASTROPHIC), contents) == [1, None, 0, 0, None]
    stats = pool.stats()
    assert (stats["timeouts"], stats["restarts"]) == (2, 2)
    assert ask(pool, Job("count", CALLS), ["f()"]) == [1]


def test_a_regular_expression_is_never_tried_in_the_session_itself():
    with Pool(1, QUICK) as pool:
        assert ask(pool, Job("count", CATASTROPHIC), [SLOW, "a"]) == [None, 1]
        assert ask(pool, Job("regex", "(a+)+$"), [SLOW, "a"], "Text")[0] is None


def test_a_query_that_hangs_again_and_again_is_stopped():
    contents = [SLOW + str(i) for i in range(50)] + ["aa"]
    with Pool(2, Limits(seconds=0.5, max_ended=3)) as pool:
        with pytest.raises(QueryError, match=r"3 files in Python took more than 0.5 s"):
            ask(pool, Job("count", CATASTROPHIC), contents)
        assert ask(pool, Job("count", CATASTROPHIC, strict=False), contents)[:50] == [None] * 50
        assert pool.stats()["given_up"] >= 40
        assert ask(pool, Job("count", CALLS), ["f()"]) == [1]


def test_a_crash_costs_one_file(pool, monkeypatch, tmp_path):
    # A kind that crashes on command; the workers find it by their module path, which is ours.
    (tmp_path / "crashing.py").write_text(
        "import os\n"
        "def kind(content, language, text, limits):\n"
        "    if content == b'crash': os.abort()\n"
        "    if content == b'raise': raise ValueError\n"
        "    if content == b'hungry': return len(bytearray(8 << 30))\n"
        "    return len(content)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from codelake.engine.syntax.match import Kind

    monkeypatch.setitem(KINDS, "crashing", Kind("crashing:kind", scalar="BIGINT", any_language=True))
    import codelake.engine.syntax.pool as module

    served = tmp_path / "serving.py"
    served.write_text(
        "from codelake.engine.syntax.match import KINDS, Kind\n"
        "KINDS['crashing'] = Kind('crashing:kind', scalar='BIGINT', any_language=True)\n"
        "from codelake.engine.syntax.worker import serve\n"
    )
    real = module.spawn
    monkeypatch.setattr(module, "spawn", lambda target, *rest, **more: real("serving:serve", *rest, **more))
    contents = ["a", "crash", "bb", "raise", "ccc", "hungry", "dddd"]
    assert ask(pool, Job("crashing"), contents) == [1, None, 2, None, 3, None, 4]
    assert pool.stats()["crashes"] == 3


def test_large_files_and_deep_ones_are_bounded():
    long = "x = 1; " * (50 << 20 >> 3) + "y" * (8 << 20)  # one line of 52 MiB
    deep = "[" * 100_000 + "]" * 100_000
    calls = "f(" * 50_000 + ")" * 50_000
    with Pool(2) as pool:
        for job in (Job("count", "(identifier) @i"), Job("ast_grep", "f($A)"), Job("errors"), Job("parse_ok")):
            answers = ask(pool, job, [long, deep, calls, "\0" * 100_000, "f(1)"])
            assert answers[0] is None
            assert answers[4] is not None
        assert pool.stats()["too_large"] == 4


def test_many_threads_ask_at_once(pool):
    wrong = []

    def asking(number):
        for turn in range(5):
            contents = [f"f({number})\n" * (1 + i) for i in range(20)]
            if ask(pool, Job("count", CALLS), [*contents, "x" * turn]) != [*range(1, 21), 0]:
                wrong.append(number)

    threads = [threading.Thread(target=asking, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_closing_ends_what_is_under_way():
    pool = Pool(1, Limits(seconds=60), here_bytes=0)
    said = []

    def asking():
        try:
            ask(pool, Job("count", CATASTROPHIC), [SLOW])
        except QueryError as error:
            said.append(str(error))

    thread = threading.Thread(target=asking)
    thread.start()
    while not pool._workers:
        time.sleep(0.01)
    [worker] = pool._workers
    pool.close()
    thread.join()
    assert "closed" in said[0]
    assert worker.process.returncode is not None
    with pytest.raises(QueryError, match="closed"):
        ask(pool, Job("count", CALLS), ["f()"])


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


SCRIPT = """
import sys, time
import pyarrow as pa
from codelake.engine.syntax.pool import Job, Pool
pool = Pool(2, here_bytes=0)
print(pool.run(Job("count", "(call) @c"), pa.array(["f()"] * 3), pa.array(["Python"] * 3)).to_pylist())
print(*[worker.process.pid for worker in pool._workers], flush=True)
time.sleep(float(sys.argv[1]))
"""


def test_processes_end_with_the_one_that_asks_and_nothing_is_said():
    done = subprocess.run([sys.executable, "-c", SCRIPT, "0"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[0]) == (0, "", "[1, 1, 1]")
    pids = [int(pid) for pid in done.stdout.splitlines()[1].split()]
    assert not any(map(alive, pids))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks for processes in /proc")
def test_processes_end_when_the_one_that_asks_is_killed():
    with subprocess.Popen([sys.executable, "-c", SCRIPT, "60"], stdout=subprocess.PIPE, text=True) as asking:
        asking.stdout.readline()
        pids = [int(pid) for pid in asking.stdout.readline().split()]
        assert pids
        asking.send_signal(signal.SIGKILL)
        asking.wait()
    until = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def test_ctrl_c_leaves_the_pool_usable():
    script = """
import os, signal, threading, time
import pyarrow as pa
from codelake.engine.syntax.match import Limits
from codelake.engine.syntax.pool import Job, Pool
pool = Pool(1, Limits(seconds=2), here_bytes=0)
def ask(query, contents):
    return pool.run(Job("count", query), pa.array(contents), pa.array(["Python"] * len(contents))).to_pylist()
print(ask("(call) @c", ["f()"]))
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    ask('((identifier) @a (#match? @a "^(a+)+$"))', ["a" * 60 + "_"])
except KeyboardInterrupt:
    print("interrupted")
print(ask("(call) @c", ["f()"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout.splitlines()) == ("", ["[1]", "interrupted", "[1]"])
