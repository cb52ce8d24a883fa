"""The one seam to the operating system: what is spelled differently on Linux, macOS and Windows.

Only this module imports fcntl, resource, ctypes or msvcrt, and it imports them inside the functions that need them:
every command pays for what stands at the top of a module.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path

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
        import ctypes

        prctl = ctypes.CDLL(None, use_errno=True).prctl
        # prctl takes variadic longs: without explicit types the upper halves of the registers are undefined.
        prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
        prctl.restype = ctypes.c_int
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        return bool(prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


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
