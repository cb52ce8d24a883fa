"""A real USB stick's file system, as far as this machine can mount one: exFAT and FAT through FUSE, as root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

Kind = Literal["exfat", "fat"]

_TOOLS = {
    "exfat": ("mkfs.exfat", "losetup", "mount.exfat-fuse", "umount"),
    "fat": ("mkfs.vfat", "fusefat", "umount"),
}
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


class CannotMount(Exception):
    """This machine cannot mount such a stick; the reason is the message, fit for pytest.skip."""


@contextlib.contextmanager
def or_left_out(what: str, disk: contextlib.AbstractContextManager[Path]) -> Iterator[Path]:
    """The root of a disk; where this machine cannot mount one the test is left out, and the summary says ``what`` was."""
    try:
        root = disk.__enter__()
    except CannotMount as reason:
        pytest.skip(f"left out: {what}: {reason}")
    try:
        yield root
    finally:
        disk.__exit__(None, None, None)


@contextlib.contextmanager
def mounted_stick(kind: Kind, *, size_mib: int = 64) -> Iterator[Path]:
    """Yield the root of an empty, freshly made file system; it is unmounted at the end. Raises CannotMount."""
    tools = _tools(kind)
    with tempfile.TemporaryDirectory(prefix="stick-") as folder, contextlib.ExitStack() as undo:
        image, root = Path(folder, "image"), Path(folder, "root")
        root.mkdir()
        with image.open("wb") as file:
            file.truncate(size_mib << 20)
        if kind == "exfat":
            _run(tools["mkfs.exfat"], str(image))
            device = _run(tools["losetup"], "--find", "--show", str(image)).strip()
            undo.callback(_run, tools["losetup"], "--detach", device)
            _run(tools["mount.exfat-fuse"], device, str(root))
        else:
            _run(tools["mkfs.vfat"], str(image))
            _run(tools["fusefat"], "-o", "rw+", str(image), str(root))
        undo.callback(_unmount, tools["umount"], root)
        _wait_until_mounted(root)
        yield root


@contextlib.contextmanager
def small_disk(*, size_kib: int = 0, read_only: bool = False) -> Iterator[Path]:
    """Yield the root of an empty disk in memory that is full soon, or can only be read. Raises CannotMount."""
    umount, mount = shutil.which("umount", path=_PATH), shutil.which("mount", path=_PATH)
    if sys.platform != "linux" or os.geteuid() != 0 or mount is None or umount is None:
        raise CannotMount("a disk in memory is mounted on Linux, as root")
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        _run(mount, "-t", "tmpfs", "-o", f"size={size_kib}k,{'ro' if read_only else 'rw'}", "tmpfs", folder)
        try:
            yield Path(folder)
        finally:
            _unmount(umount, Path(folder))


def _tools(kind: Kind) -> dict[str, str]:
    if sys.platform != "linux":
        raise CannotMount("sticks are mounted on Linux only")
    if os.geteuid() != 0:
        raise CannotMount("mounting a stick needs root")
    if not Path("/dev/fuse").exists():
        raise CannotMount("this machine has no /dev/fuse")
    found = {name: shutil.which(name, path=_PATH) for name in _TOOLS[kind]}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise CannotMount(f"not installed: {', '.join(missing)}")
    return {name: path for name, path in found.items() if path is not None}


def _run(*command: str) -> str:
    # A FUSE driver stays in the background with its outputs open: into a file, or reading a pipe would never end.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=120, check=False)
        output.seek(0)
        text = output.read()
    if done.returncode != 0:
        raise CannotMount(f"{Path(command[0]).name} failed: {' '.join(text.split())[:200]}")
    return text


def _wait_until_mounted(root: Path) -> None:
    deadline = time.monotonic() + 60
    while root.stat().st_dev == root.parent.stat().st_dev:
        if time.monotonic() > deadline:
            raise CannotMount("the file system did not appear within a minute")
        time.sleep(0.01)


def _unmount(umount: str, root: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            _run(umount, str(root))
        except CannotMount:
            # Busy: a child of the test may still be ending.
            if time.monotonic() > deadline:
                _run(umount, "--lazy", str(root))
                raise
            time.sleep(0.1)
        else:
            return
