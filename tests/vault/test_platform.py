from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import time
import types
import uuid
from pathlib import Path

import pytest
from players import running, wait_until

from vault import platform
from vault.platform import Hardening

ROOT = Path(__file__).parents[2]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="left out: asks the Linux kernel")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="left out: modes of POSIX")


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@linux_only
def test_a_hardened_process_leaves_no_core_and_lets_nobody_attach() -> None:
    code = """if True:
        import ctypes, resource
        from vault.platform import harden_process
        def state():
            return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)
        print(state()[0], harden_process(), state())
    """
    assert python(code) == f"1 {Hardening(no_core=True, not_dumpable=True)} (0, (0, 0))"


@linux_only
@pytest.mark.parametrize("begun", ["Vault.create(Path('vault'), None)", "drop((), b'', None, clock=str)"])
def test_what_makes_a_vault_or_seals_for_a_card_is_hardened_before_it_does_anything(begun: str) -> None:
    code = f"""if True:
        import ctypes
        from pathlib import Path
        from vault import Vault
        from vault.dropping import drop
        try:
            {begun}
        except Exception:
            print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    """
    assert python(code) == "0"


@linux_only
def test_a_system_that_refuses_hardening_is_reported_and_not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes
    import resource

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "refused")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert platform.harden_process() == Hardening(no_core=False, not_dumpable=False)


@linux_only
def test_hardening_is_believed_only_when_the_kernel_confirms_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes
    import resource

    def accept(*args: object, **kwargs: object) -> int:
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: types.SimpleNamespace(prctl=accept))
    monkeypatch.setattr(resource, "setrlimit", accept)
    assert platform.harden_process() == Hardening(no_core=True, not_dumpable=False)


@linux_only
def test_the_boot_id_is_the_same_in_every_process_until_the_next_start() -> None:
    found = platform.boot_id()
    assert found is not None
    assert str(uuid.UUID(found)) == found
    assert python("from vault.platform import boot_id; print(boot_id())") == found


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_a_system_without_boot_id_has_none(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    def missing(*args: object, **kwargs: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(sys, "platform", system)
    assert platform.boot_id() is None


@linux_only
def test_the_clock_counts_the_time_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":  # said again for the type checker
        return
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    now = platform.monotonic_ns_including_suspend()
    assert before <= now <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    slept = {time.CLOCK_BOOTTIME: 8 * 3600 * 10**9}
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: slept.get(clock, 0))
    assert platform.monotonic_ns_including_suspend() == 8 * 3600 * 10**9


@posix_only
def test_a_file_system_that_keeps_modes_gives_files_and_folders_to_the_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o666)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o777)
    assert platform.owner_only(tmp_path / "file")
    assert platform.owner_only(tmp_path / "folder")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700


@posix_only
def test_a_file_system_that_reports_success_and_changes_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o777)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    assert not platform.owner_only(tmp_path / "file")


def test_a_file_system_that_refuses_modes_is_not_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch(mode=0o600)

    def refuse(path: Path, mode: int) -> None:
        raise OSError(errno.ENOSYS, "no modes")

    monkeypatch.setattr(Path, "chmod", refuse)
    assert not platform.owner_only(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        platform.owner_only(tmp_path / "missing")


@pytest.mark.parametrize(
    ("answer", "synced"),
    [(None, ["full"]), (errno.ENOTSUP, ["full", "plain"]), (errno.ENOTTY, ["full", "plain"]), (errno.EIO, ["full"])],
)
def test_on_a_mac_data_goes_past_the_cache_of_the_drive_where_it_can(
    monkeypatch: pytest.MonkeyPatch, answer: int | None, synced: list[str]
) -> None:
    calls = []

    def fcntl(descriptor: int, command: int) -> None:
        calls.append("full")
        if answer is not None:
            raise OSError(answer, os.strerror(answer))

    monkeypatch.setitem(sys.modules, "fcntl", types.SimpleNamespace(fcntl=fcntl, F_FULLFSYNC=51))
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "fsync", lambda _: calls.append("plain"))
    if answer == errno.EIO:
        with pytest.raises(OSError, match="Input/output"):
            platform.full_sync(3)
    else:
        platform.full_sync(3)
    assert calls == synced


def test_importing_the_seams_costs_no_system_module() -> None:
    code = (
        "import sys, vault.files, vault.platform; print({'ctypes', 'fcntl', 'resource', 'msvcrt'} & set(sys.modules))"
    )
    assert python(code) == "set()"


@posix_only
def test_whose_process_is_at_the_other_end_of_a_loopback_connection_is_known_or_said_to_be_unknown() -> None:
    from vault.platform import loopback_user

    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            accepted, _address = server.accept()
            with accepted:
                assert loopback_user(accepted) == (os.geteuid() if sys.platform == "linux" else None)
                assert loopback_user(client) == (os.geteuid() if sys.platform == "linux" else None)
        if sys.platform == "linux":
            client = socket.create_connection(server.getsockname())
            accepted, _address = server.accept()
            with accepted:
                client.close()
                with pytest.raises((LookupError, OSError)):
                    loopback_user(accepted)


@linux_only
def test_a_child_that_was_bound_ends_with_its_parent_however_that_ends() -> None:
    script = (
        "import subprocess, sys, time\nfrom vault import platform\n"
        "child = subprocess.Popen(['sleep', '1000'], preexec_fn=platform.ending_with_this_process())\n"
        "print(child.pid, flush=True)\ntime.sleep(1000)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait(20)
    parent.stdout.close()
    wait_until(lambda: not running(child))


@linux_only
def test_a_process_that_nobody_took_note_of_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not platform.process_has_ended(child.pid)
    child.kill()
    wait_until(lambda: platform.process_has_ended(child.pid))
    child.communicate()
    assert platform.process_has_ended(child.pid), "and now it is not there at all"
