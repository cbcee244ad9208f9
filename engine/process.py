"""Processes of this program's own: started by command with this interpreter and its module path.

Never by forking (a fork copies locks that other threads hold) and never by importing the caller's main module (a script
without a __main__ guard would start itself again).
"""

import subprocess
import sys
from typing import Any


def spawn(target: str, *descriptors: int, quiet: bool = False, **options: Any) -> "subprocess.Popen[bytes]":
    """A process that calls `target`, "module:function", with `descriptors`, which it inherits.

    quiet: what it writes on standard error is not shown. options: those of subprocess.Popen.
    """
    module, _, function = target.partition(":")
    arguments = ", ".join(map(str, descriptors))
    # Nothing that is imported will be garbage; the function may enable the collector when it has all it needs.
    start = f"import gc, sys; gc.disable(); sys.path[:] = {sys.path!r}"
    code = f"{start}\nfrom {module} import {function}; {function}({arguments})"
    # -I: neither the current folder nor the user's variables change what is imported.
    if quiet:
        options["stderr"] = subprocess.DEVNULL
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-I", "-c", code], pass_fds=descriptors, stdin=subprocess.DEVNULL, **options
    )
    return process
