"""The one seam to the operating system: what is spelled differently on Linux, macOS and Windows.

Only this module imports fcntl, resource, ctypes or msvcrt, and it imports them inside the functions that need them:
every command pays for what stands at the top of a module.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4

# What a file system answers that knows no such operation: FAT, some network and FUSE file systems.
NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(frozen=True)
class Hardening:
    """What `harden_process` achieved: False where the system has no such thing or refused it."""

    no_core: bool
    not_dumpable: bool


def harden_process() -> Hardening:
    """Forbid this process and its children core dumps, and other programs of the same user to attach to it.

    The second part does not reach children that execute another program. Never raises; what failed is False.
    """
    return Hardening(no_core=_forbid_core(), not_dumpable=_forbid_dump())


def boot_id() -> str | None:
    """Return a name for the time since this machine was started, new at every start; None where there is none."""
    if sys.platform == "linux":
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
        except (OSError, ValueError):
            return None
    if sys.platform == "darwin":
        return _sysctl_text(b"kern.bootsessionuuid")
    return None


def monotonic_ns_including_suspend() -> int:
    """Return nanoseconds of a clock that nobody can set and that runs on while the machine sleeps.

    Its zero has no meaning; values compare only within one `boot_id`.
    """
    if sys.platform == "linux":
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        # time.monotonic stands still during sleep there; this is mach_continuous_time, which does not.
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    return time.monotonic_ns()


def owner_only(path: Path) -> bool:
    """Give a file mode 0600 or a folder 0700, and say whether the file system really keeps it.

    False on FAT and exFAT, which may report success and change nothing, and on Windows, where modes say nothing.
    Raises FileNotFoundError if there is nothing at `path`.
    """
    wanted = 0o700 if stat.S_ISDIR(path.lstat().st_mode) else 0o600
    try:
        path.chmod(wanted)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return stat.S_IMODE(path.lstat().st_mode) == wanted


def full_sync(descriptor: int) -> None:
    """Return only when what was written to the file is on the medium, as far as the system can tell. Raises OSError."""
    if sys.platform == "darwin":
        import fcntl

        # fsync there leaves the data in the drive's own cache.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in NOT_SUPPORTED | {errno.ENOTTY}:
                raise
    os.fsync(descriptor)


# The tables of TCP connections, and how each writes an address of the first kind: bytes of a word come last byte first
# on most machines. A program may reach 127.0.0.1 through a socket of the other kind too.
_CONNECTIONS = (("/proc/net/tcp", ""), ("/proc/net/tcp6", "::ffff:"))
_USER_COLUMN = 7


def loopback_user(connection: socket.socket) -> int | None:
    """Return the user id of whoever is at the other end of a TCP connection over 127.0.0.1.

    None where this system does not tell. Raises LookupError where it does, but not for this connection: it has gone.
    """
    if sys.platform != "linux":
        return None
    # From that end, our end is the remote one.
    mine, theirs = connection.getsockname(), connection.getpeername()
    for table, prefix in _CONNECTIONS:
        wanted = (_hexadecimal(theirs, prefix), _hexadecimal(mine, prefix))
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, ValueError):
            continue
        for line in lines:
            fields = line.split()
            # A socket that nobody holds any more shows user 0 and inode 0.
            if (fields[1], fields[2]) == wanted and fields[9] != "0":
                return int(fields[_USER_COLUMN])
    raise LookupError("no such connection")


def _hexadecimal(address: tuple[str, int], prefix: str) -> str:
    host, port = address
    packed = socket.inet_pton(socket.AF_INET6 if prefix else socket.AF_INET, prefix + host)
    words = [int.from_bytes(packed[start : start + 4], sys.byteorder) for start in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def ending_with_this_process() -> Callable[[], None] | None:
    """Return what a child must call before it executes another program, so that the system kills it when we end.

    None where the system has no such thing. It counts from the thread that starts the child.
    """
    if sys.platform != "linux":
        return None
    try:
        prctl = _prctl()
    except (ImportError, OSError, AttributeError):
        return None
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we were bound to it
            os._exit(1)

    return bind


def _forbid_core() -> bool:
    if sys.platform == "win32":
        return False
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return False
    return True


def _forbid_dump() -> bool:
    if sys.platform != "linux":
        return False
    try:
        prctl = _prctl()
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        return bool(prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def _prctl() -> Callable[[int, int, int, int, int], int]:
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    # prctl takes variadic longs: without explicit types the upper halves of the registers are undefined.
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    prctl.restype = ctypes.c_int
    function: Callable[[int, int, int, int, int], int] = prctl
    return function


def _sysctl_text(name: bytes) -> str | None:
    try:
        import ctypes

        sysctlbyname = ctypes.CDLL(None, use_errno=True).sysctlbyname
        value = ctypes.create_string_buffer(128)
        size = ctypes.c_size_t(len(value))
        if sysctlbyname(name, value, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
            return None
        return value.value.decode("ascii") or None
    except (ImportError, OSError, AttributeError, ValueError):
        return None
