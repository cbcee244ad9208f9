"""A process that held itself back: what it still can do, told by real attempts."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, os, socket, subprocess, sys, threading
from pathlib import Path
from codelake.engine import confine

folder, writable = Path(sys.argv[1]), sys.argv[2] or None
import codelake.engine
packages = [path for name, module in sys.modules.items() if name.startswith("codelake")
            for path in getattr(module, "__path__", ())]
readable = [*sys.path[1:], *packages, sys.prefix, sys.base_prefix, str(folder / "data"), "/proc/self/status"]
confine.limit(seconds=100, file_bytes=100_000)
writes = confine.confine(readable, writable)

def attempt(action):
    try:
        action()
        return True
    except OSError:
        return False

done = {
    "read data": attempt(lambda: (folder / "data").read_text()),
    "read other": attempt(lambda: (folder / "other").read_text()),
    "read passwd": attempt(lambda: Path("/etc/passwd").read_text()),
    "read environ": attempt(lambda: Path("/proc/self/environ").read_text()),
    "list folder": attempt(lambda: os.listdir(folder)),
    "append data": attempt(lambda: (folder / "data").open("a").write("x")),
    "truncate data": attempt(lambda: os.truncate(folder / "data", 0)),
    "open and truncate data": attempt(lambda: os.open(folder / "data", os.O_RDONLY | os.O_TRUNC)),
    "remove data": attempt(lambda: (folder / "data").unlink()),
    "rename data": attempt(lambda: (folder / "data").rename(folder / "spill" / "data")),
    "link data": attempt(lambda: (folder / "spill" / "link").hardlink_to(folder / "data")),
    "chmod data": attempt(lambda: (folder / "data").chmod(0o777)),
    "touch data": attempt(lambda: os.utime(folder / "data")),
    "write new": attempt(lambda: (folder / "new").write_text("x")),
    "write spill": attempt(lambda: (folder / "spill" / "a").write_text("x")),
    "write much": attempt(lambda: (folder / "spill" / "b").write_bytes(bytes(200_000))),
    "fork": attempt(os.fork),
    "program": attempt(lambda: subprocess.run(["/bin/true"])),
    "connect": attempt(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
    "socket": attempt(socket.socket),
    "signal": attempt(lambda: os.kill(os.getppid(), 0)),
    "thread": attempt(lambda: threading.Thread(target=int).start()),
}
confine.limit_memory(100 << 20)
try:
    bytes(300 << 20)
    done["memory"] = True
except MemoryError:
    done["memory"] = False
print(json.dumps([writes, sorted(name for name, worked in done.items() if worked)]))
"""


def attempts(tmp_path, writable, prelude=""):
    for name in ("data", "other"):
        (tmp_path / name).write_text("text")
    (tmp_path / "spill").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", prelude + SCRIPT, tmp_path, tmp_path / "spill" if writable else ""],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data").read_text() == "text"
    assert not (tmp_path / "new").exists()
    writes, worked = json.loads(done.stdout)
    return writes, set(worked)


def test_it_reads_its_data_and_writes_in_its_folder(tmp_path):
    writes, worked = attempts(tmp_path, writable=True)
    if not writes:
        pytest.skip("this kernel has no Landlock (Linux 5.13 or newer, with landlock in its lsm= list)")
    assert worked == {"read data", "write spill", "thread"}


def test_it_writes_nothing_where_nothing_is_granted(tmp_path):
    writes, worked = attempts(tmp_path, writable=False)
    assert not writes
    assert not {name for name in worked if not name.startswith("read") and name != "list folder"} - {"thread"}


def test_without_landlock_it_can_read_but_not_write(tmp_path):
    absent = "import codelake.engine.confine as c; c._LANDLOCK_VERSION = 1 << 20\n"
    writes, worked = attempts(tmp_path, writable=True, prelude=absent)
    assert not writes
    assert worked == {"read data", "read other", "read passwd", "read environ", "list folder", "thread"}


def test_a_system_that_cannot_is_named(monkeypatch):
    from codelake.engine import confine

    monkeypatch.setattr(confine.platform, "system", lambda: "Darwin")
    with pytest.raises(confine.ConfinementError, match="needs Linux"):
        confine.confine([], None)
