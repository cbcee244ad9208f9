"""Programs that talk to the outside: given up when they say nothing for too long, or when nobody waits any more."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from selectors import EVENT_READ, DefaultSelector
from typing import IO

_LOOK_SECONDS = 0.2
# More than this of what a program says is not kept: progress lines of a long transfer.
_KEPT_BYTES = 64 << 20


class Silent(Exception):
    """A program said nothing for too long, or was stopped. Its text completes "the remote …"."""


def run_watched(
    command: Sequence[str], timeout: float, environment: Mapping[str, str], cancelled: threading.Event
) -> bytes:
    """Run a program and return what it wrote to standard output.

    Anything it writes to either stream is a sign of life. Raises Silent after `timeout` seconds without one, or once
    `cancelled` is set; CalledProcessError if it fails. It and what it started are then killed.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # A group of its own, so that what it starts can be ended with it.
        process_group=0,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    output: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    try:
        with DefaultSelector() as selector:
            for stream, kept in output.items():
                selector.register(stream, EVENT_READ, kept)
            heard = time.monotonic()
            while selector.get_map():
                for key, _ in selector.select(_LOOK_SECONDS):
                    data = os.read(key.fd, 1 << 16)
                    heard = time.monotonic()
                    if not data:
                        selector.unregister(key.fileobj)
                    elif len(key.data) < _KEPT_BYTES:
                        key.data.extend(data)
                if cancelled.is_set():
                    raise Silent("was given up: ingest ended")
                if time.monotonic() - heard > timeout:
                    raise Silent(f"said nothing for {timeout:g} s")
        status = process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stream in output:
            stream.close()
    said, errors = bytes(output[process.stdout]), bytes(output[process.stderr])
    if status:
        raise subprocess.CalledProcessError(status, list(command), said, errors)
    return said
