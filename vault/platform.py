"""The one seam to the operating system: what is spelled differently on Linux, macOS and Windows.

Only this module imports fcntl, resource, ctypes or msvcrt, and it imports them inside the functions that need them:
every command pays for what stands at the top of a module.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

_LOCAL_PEERCRED, _LOCAL_PEERPID = 1, 2
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


def hold(descriptor: int) -> None:
    """Mark an open file as one that somebody writes to, until it is closed; where the file system knows no locks, not."""
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether somebody has marked this file by ``hold``. On Windows nobody does: there no open file can be removed.

    Raises OSError.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


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


def usable_cores() -> int:
    """How many processors this process may use at once."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def data_sync(descriptor: int) -> None:
    """`full_sync` for a file that was overwritten in place: its size is as before, its times may be lost. Raises OSError."""
    if sys.platform == "linux":
        os.fdatasync(descriptor)
    else:
        full_sync(descriptor)


def read_from_medium(descriptor: int) -> None:
    """Let what is read from a file come from the medium, as far as the system can be told; a drive may still have a cache.

    What was written to the file must be synced. Never raises.
    """
    try:
        if sys.platform == "linux":
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        elif sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(descriptor, fcntl.F_NOCACHE, 1)
    except OSError:
        return


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
    import socket

    host, port = address
    packed = socket.inet_pton(socket.AF_INET6 if prefix else socket.AF_INET, prefix + host)
    words = [int.from_bytes(packed[start : start + 4], sys.byteorder) for start in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def ending_with_this_process(*, memory_bytes: int | None = None) -> Callable[[], None] | None:
    """Return what a child must call before it executes another program, so that the system kills it when we end, and gives
    it no more memory than ``memory_bytes``.

    None where the system has no such thing. It counts from the thread that starts the child.
    """
    if sys.platform != "linux":
        return None
    import resource

    try:
        prctl = _prctl()
    except (ImportError, OSError, AttributeError):
        return None
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we were bound to it
            os._exit(1)
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    return bind


# Sockets between processes of one user


@dataclass(frozen=True)
class Peer:
    """Who is at the other end of a socket; the process is None where the system does not tell it."""

    user: int
    process: int | None


def can_meet() -> bool:
    """Whether processes of this system can meet at a socket that only one user reaches."""
    return sys.platform != "win32"


def is_private(found: os.stat_result) -> bool:
    """Whether what was found is this user's, and nobody else may do anything with it."""
    if sys.platform == "win32":
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def listen(path: Path) -> socket.socket:
    """A socket at ``path``, which must not exist, for this user alone. Raises OSError."""
    if sys.platform == "win32":
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    import socket

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def connect(path: Path, *, seconds: float) -> socket.socket:
    """A connection to the socket at ``path``, which gives up after so many seconds of silence. Raises OSError."""
    if sys.platform == "win32":
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    import socket

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def peer(connection: socket.socket) -> Peer | None:
    """Who is at the other end, as the kernel says; None where it does not."""
    import socket
    import struct

    try:
        if sys.platform == "linux":
            process, user, _group = struct.unpack(
                "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            )
            return Peer(user, process)
        if sys.platform == "darwin":
            # struct xucred of <sys/ucred.h>: version, user, number of groups, 16 groups. Level 0 is SOL_LOCAL.
            version, user = struct.unpack("II", connection.getsockopt(0, _LOCAL_PEERCRED, 76)[:8])
            (process,) = struct.unpack("i", connection.getsockopt(0, _LOCAL_PEERPID, 4))
            return Peer(user, process) if version == 0 else None
    except (OSError, struct.error):
        return None
    return None


def is_this_user(found: Peer | None) -> bool:
    """Whether the process at the other end belongs to this user."""
    return sys.platform != "win32" and found is not None and found.user == os.geteuid()


def has_ended(connection: socket.socket) -> bool:
    """Whether the other end has closed the connection. Takes nothing of what it has sent."""
    if sys.platform == "win32":
        return True
    import socket

    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True


def leave_parent() -> None:
    """Go on in a child of this process, which ends: nobody waits for it, and it can take no terminal."""
    if sys.platform != "win32" and os.fork():
        os._exit(0)


def kill(process: int) -> None:
    """End a process that does not end by itself, if it is still there."""
    if sys.platform != "win32":
        import signal

        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def process_has_ended(process: int) -> bool:
    """Whether a process has ended, also where whoever should take note of that is slow to."""
    try:
        os.kill(process, 0)
    except OSError:
        return True
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold anything; after it comes the state.
            about = Path(f"/proc/{process}/stat").read_bytes()
            return about.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])
    return False


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
