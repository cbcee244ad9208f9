"""Give up, for good, what this process may do: files, programs, processes, network, memory. Linux only.

Landlock (https://docs.kernel.org/userspace-api/landlock.html) bounds which files can be read and written; seccomp
(https://docs.kernel.org/userspace-api/seccomp_filter.html) refuses system calls; resource limits bound memory, time and
files. All hold for the threads started afterwards, none can be taken back, and none needs a privilege. Landlock covers
opening, making and removing files but not their modes and owners, so seccomp refuses to change those.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

from .errors import CodeLakeError

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38  # linux/prctl.h
_SECCOMP_MODE_FILTER = 2

# linux/landlock.h. Version 3 is the first that refuses to truncate a file.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_VERSION = 3
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALL_ACCESS = (1 << 15) - 1  # what version 3 knows: bits 0 (execute) to 14 (truncate)
_EXECUTE = 1 << 0
_OF_A_FILE = _EXECUTE | 1 << 1 | _READ_FILE | 1 << 14  # execute, write, read, truncate: what a rule on a file may grant

# linux/audit.h: the architecture and the column of its system calls below
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# System calls that are refused, by their numbers on x86_64 and aarch64 (None: it has no such call).
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # programs and processes
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "kill": (62, 129),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "setns": (308, 268), "unshare": (272, 97),
    # network
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    # what is written to a file without opening it, and handles around its path
    "truncate": (76, 45), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # the machine and the kernel
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "swapon": (167, 224),
    "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161), "setdomainname": (171, 162),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "acct": (163, 89), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "move_mount": (429, 429), "fsopen": (430, 430),
    "open_tree": (428, 428), "mount_setattr": (442, 442),
}  # fmt: skip
# Refused too where no file may be written at all.
_WRITES: dict[str, tuple[int | None, int | None]] = {
    "creat": (85, None), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, None),
    "unlinkat": (263, 35), "rmdir": (84, None), "mkdir": (83, None), "mkdirat": (258, 34), "link": (86, None),
    "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33),
}  # fmt: skip
# As if the kernel were older than they are: the C library then calls what can be looked into. io_uring would do
# anything on behalf of the process without a system call.
_UNKNOWN: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435), "openat2": (437, 437), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}  # fmt: skip
_CLONE, _OPEN, _OPENAT, _TGKILL = (56, 220), (2, None), (257, 56), (234, 131)
_CLONE_THREAD = 0x10000

# linux/bpf_common.h, linux/seccomp.h: the offset of the call's number, its architecture, and its arguments
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_KILL, _ALLOW, _ERROR = 0x80000000, 0x7FFF0000, 0x00050000
_X32 = 0x40000000


class ConfinementError(CodeLakeError):
    """This system cannot hold a process back as it should."""


def end_with_parent() -> None:
    """Be killed when the thread that started this process ends, however it ends."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(*, seconds: int, file_bytes: int) -> None:
    """Bound processor time and the size of a file that is written; leave no core file."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_memory(more: int) -> None:
    """Let this process have at most so many bytes more than it has now."""
    stated = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    now = next(int(line.split()[1]) * 1024 for line in stated.splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (now + more, now + more))


def confine(readable: Iterable[str], writable: str | None) -> bool:
    """Hold this process back: it can read `readable` (files and folders) and write in the folder `writable`, no more.

    It can start threads, but no program and no process, reach no network, and signal nobody. Returns whether it can
    write in `writable`; it cannot write at all where Landlock is missing, and can then read what its user can. Call it
    before threads are started. Raises ConfinementError on a system without seccomp filters.
    """
    if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES:
        raise ConfinementError(
            f"untrusted SQL needs Linux on {' or '.join(_ARCHITECTURES)}, whose kernel can hold a process back; "
            f"this is {platform.system()} on {platform.machine()}"
        )
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock = _syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1) >= _LANDLOCK_VERSION
    if landlock:
        _landlock(readable, writable)
    writes = landlock and writable is not None
    _seccomp(writes=writes)
    return writes


def _landlock(readable: Iterable[str], writable: str | None) -> None:
    attributes = struct.pack("=Q", _ALL_ACCESS)
    ruleset = _syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise ConfinementError(f"landlock: {os.strerror(ctypes.get_errno())}")
    grants = [(path, _READ_FILE | _READ_DIR) for path in readable]
    if writable is not None:
        grants.append((writable, _ALL_ACCESS & ~_EXECUTE))
    for path, access in grants:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        allowed = access if Path(path).is_dir() else access & _OF_A_FILE
        # struct landlock_path_beneath_attr is packed
        if _syscall(_LANDLOCK_ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, handle), 0) < 0:
            raise ConfinementError(f"landlock: {path}: {os.strerror(ctypes.get_errno())}")
        os.close(handle)
    if _syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) < 0:
        raise ConfinementError(f"landlock: {os.strerror(ctypes.get_errno())}")
    os.close(ruleset)


def _seccomp(*, writes: bool) -> None:
    architecture, column = _ARCHITECTURES[platform.machine()]
    refused = _ERROR | errno.EPERM
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]

    def answer(calls: Iterable[tuple[int | None, int | None]], result: int) -> None:
        for numbers in calls:
            if (number := numbers[column]) is not None:
                program.extend([(_EQUAL, 0, 1, number), (_RETURN, 0, 0, result)])

    def look(call: tuple[int | None, int | None], argument: int, test: int, value: int, yes: int, no: int) -> None:
        if (number := call[column]) is not None:
            program.extend(
                [
                    (_EQUAL, 0, 4, number),
                    (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),  # the low half: both architectures are little-endian
                    (test, 0, 1, value),
                    (_RETURN, 0, 0, yes),
                    (_RETURN, 0, 0, no),
                ]
            )

    answer(_REFUSED.values(), refused)
    answer(_UNKNOWN.values(), _ERROR | errno.ENOSYS)
    look(_CLONE, 0, _ANY_BIT, _CLONE_THREAD, _ALLOW, refused)
    look(_TGKILL, 0, _EQUAL, os.getpid(), _ALLOW, refused)
    if not writes:
        answer(_WRITES.values(), refused)
        writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        look(_OPEN, 1, _ANY_BIT, writing, refused, _ALLOW)
        look(_OPENAT, 2, _ANY_BIT, writing, refused, _ALLOW)
    program.append((_RETURN, 0, 0, _ALLOW))
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    # struct sock_fprog: a length and, aligned, a pointer
    code = ctypes.create_string_buffer(packed, len(packed))
    filters = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filters, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: object) -> int:
    sized = (ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    return int(_libc().syscall(ctypes.c_long(number), *sized))


def _call(name: str, *arguments: object) -> None:
    sized = (ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments)
    if getattr(_libc(), name)(*sized) != 0:
        raise ConfinementError(f"{name}: {os.strerror(ctypes.get_errno())}: this kernel cannot hold a process back")
