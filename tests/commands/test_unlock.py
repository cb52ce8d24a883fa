"""A session as a user has it: unlocked once, used by every command, locked again, and gone when its process is gone."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from commands._places import runtime_folders
from vault import KeyFileUnlocker, Vault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="left out: Unix sockets")

PASSPHRASE = "seven quiet herons over the harbour at dawn"
NEW = "eleven loud cranes under the bridge at noon"


def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Unlocked:
    """A vault with a session; no option tells a secret."""

    def __init__(self, cv: Any) -> None:
        self.cv, self.vault, self.folder = cv, cv.vault, cv.folder
        self.begun = cv("unlock", "--json").json
        self.process = self.begun["session"]["process"]

    def __call__(self, *arguments: str | Path, status: int = 0, **more: Any) -> Any:
        return self.cv.bare("--vault", self.vault, *arguments, status=status, **more)

    def start(self, *arguments: str | Path, **more: Any) -> Any:
        return self.cv.start_bare("--vault", self.vault, *arguments, **more)

    def kill(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        until(lambda: not alive(self.process))


@pytest.fixture
def unlocked(harbour: Any) -> Iterator[Unlocked]:
    session = Unlocked(harbour)
    yield session
    with contextlib.suppress(OSError):
        os.kill(session.process, signal.SIGKILL)


# Every day


def test_while_the_vault_is_unlocked_no_command_asks(unlocked: Unlocked) -> None:
    unlocked.cv.file("film.mp4", os.urandom(200_000))
    assert unlocked("add", "HARBOUR", "film.mp4", "--json").json["stored"][0]["reference"] == "HARBOUR/1"
    unlocked("add", "HARBOUR", "--text", "-", "--title", "Letter", typed="She came by the night train.")
    assert [line[0] for line in unlocked("items", "HARBOUR").lines] == ["HARBOUR/1", "HARBOUR/2"]
    assert unlocked("cat", "HARBOUR/2").stdout == "She came by the night train."
    assert unlocked("cat", "HARBOUR/2", "--offset", "9", "--length", "2").stdout == "by"
    (unlocked.folder / "out").mkdir()
    unlocked("export", "HARBOUR/1", "--to", "out")
    assert next((unlocked.folder / "out").glob("*.mp4")).read_bytes() == (unlocked.folder / "film.mp4").read_bytes()
    unlocked("edit", "HARBOUR/2", "--title", "First letter")
    assert unlocked("search", "train", "--json").json[0]["reference"] == "HARBOUR/2"
    unlocked("person", "add", "HARBOUR", "-", typed="Zaynab")
    unlocked("note", "HARBOUR/1", "-", typed="from her phone")
    assert unlocked("check", "--read-data", "--json").json["objects_read"] == 2
    assert unlocked("items", "NOWHERE", status=14).stdout == ""
    unlocked("lock")
    unlocked("items", "HARBOUR", status=13)
    assert len(unlocked.cv("items", "HARBOUR").lines) == 2


def test_unlock_tells_what_happened_since_the_last_time(cv: Any) -> None:
    wrong = cv.secret("wrong", b"another key file, also 32 bytes!")
    before = cv("status", "--json").json["vault"]
    for _attempt in range(2):
        cv.bare("--vault", cv.vault, "--key-file", wrong, "case", "list", status=12)
    cv.bare("--vault", cv.vault, "--key-file", wrong, "unlock", status=12)
    told = cv("unlock", "--json")
    assert told.json["failed_unlocks"] == 3
    assert told.json["last_unlock"] >= before["created"]
    assert (told.json["last_backup"], told.json["last_check"]) == (None, None)
    cv("lock")
    shown = cv("unlock")
    assert "Failed attempts since: 0" in shown.stdout
    assert "Last backup: never" in shown.stdout
    cv("lock")
    cv("check", "--read-data")
    assert cv("unlock", "--json").json["last_check"]
    cv("lock")


def test_a_count_that_cannot_be_kept_stops_no_unlock(cv: Any, home: Path) -> None:
    state = home / ".local/state/casevault"
    state.parent.mkdir(parents=True)
    state.write_text("a file in the folder's place")
    wrong = cv.secret("wrong", b"another key file, also 32 bytes!")
    cv.bare("--vault", cv.vault, "--key-file", wrong, "case", "list", status=12)
    assert cv("unlock", "--json").json["failed_unlocks"] == 0
    cv("lock")


def test_unlocking_twice_says_so_and_changes_nothing(unlocked: Unlocked) -> None:
    again = unlocked("unlock", "--for", "12h", "--json").json
    assert again["already"]
    assert not unlocked.begun["already"]
    assert again["session"]["process"] == unlocked.process
    assert again["session"]["absolute_seconds"] == 3600
    assert "unlocked already" in unlocked("unlock").stderr


@pytest.mark.parametrize("time_", ["0", "5", "1s", "59s", "13h", "1h1d", "-1h", "", "1 h", "ever", "99999h", "1m1h"])
def test_a_session_of_no_sane_length_is_refused(cv: Any, time_: str) -> None:
    assert "1m to 12h" in cv("unlock", "--for", time_, status=2).stderr
    cv.bare("--vault", cv.vault, "status")


def test_a_session_lasts_as_long_as_was_said(cv: Any) -> None:
    told = cv("unlock", "--for", "1H30m", "--json").json["session"]
    assert (told["absolute_seconds"], told["idle_seconds"]) == (5400, 300)
    cv("lock")
    told = cv("unlock", "--for", "2m", "--json").json["session"]
    assert (told["absolute_seconds"], told["idle_seconds"]) == (120, 120)
    cv("lock")


def test_status_says_how_long_the_session_lasts_and_asks_for_nothing(unlocked: Unlocked) -> None:
    told = unlocked("status", "--json").json
    assert told["state"] == "unlocked"
    assert told["vault"] is None
    assert 0 < told["session"]["idle_left_seconds"] <= 300
    assert 3000 < told["session"]["absolute_left_seconds"] <= 3600
    assert "Unlocked since" in unlocked("status").stdout
    unlocked("lock")
    told = unlocked("status", "--json").json
    assert (told["state"], told["session"]) == ("locked", None)


def test_lock_ends_the_process_and_locking_twice_is_fine(unlocked: Unlocked) -> None:
    assert alive(unlocked.process)
    assert unlocked("lock", "--json").json == {"was_unlocked": True}
    assert not alive(unlocked.process)
    assert unlocked("lock", "--json").json == {"was_unlocked": False}
    assert "already" in unlocked("lock").stdout


def test_an_agent_that_does_not_answer_is_said_so_and_ended_by_lock_all_the_same(unlocked: Unlocked) -> None:
    os.kill(unlocked.process, signal.SIGSTOP)
    assert "does not answer" in unlocked("items", "HARBOUR", status=15).stderr
    assert unlocked("lock", "--json").json == {"was_unlocked": True}
    until(lambda: not alive(unlocked.process))
    assert unlocked.cv("items", "HARBOUR").stdout == ""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"])
def test_a_polite_signal_ends_the_session_in_order(unlocked: Unlocked, name: str) -> None:
    os.kill(unlocked.process, getattr(signal, name))
    until(lambda: not alive(unlocked.process))
    entries = unlocked.cv("log", "--json")
    assert "recovered" not in entries.stderr
    ends = [entry for entry in entries.json if entry["act"] == "lock"]
    assert [(entry["phase"], entry["reason"]) for entry in ends] == [("intent", None), ("done", "signal")]


# Secrets


def test_with_a_session_no_secret_is_read(unlocked: Unlocked) -> None:
    wrong = unlocked.cv.secret("wrong", b"x" * 40)
    assert unlocked("--passphrase-file", "none", "--key-file", "none", "items", "HARBOUR").stdout == ""
    assert unlocked("--key-file", wrong, "items", "HARBOUR").stdout == ""


def test_what_changes_keys_asks_again(unlocked: Unlocked) -> None:
    wrong = unlocked.cv.secret("wrong", b"another key file, also 32 bytes!")
    new = unlocked.cv.secret("new", NEW.encode())
    change = ("passphrase", "change", "--new-passphrase-file", new)
    delete = ("case", "delete", "HARBOUR", "--confirm", "HARBOUR")
    for asking in (change, delete):
        unlocked(*asking, status=13)
        unlocked("--key-file", wrong, *asking, status=12)
    assert len(unlocked("case", "list").lines) == 1
    unlocked("--key-file", unlocked.cv.key_file, *delete)
    assert unlocked("case", "list").stdout == ""
    assert unlocked("--key-file", unlocked.cv.key_file, *change, "--json").json["epoch"] == 3
    unlocked("case", "new", "-", "--code", "BRIDGE", typed="x")
    unlocked("lock")
    opened = unlocked.cv.bare("--vault", unlocked.vault, "--passphrase-file", new, "case", "list")
    assert opened.lines[0][0] == "BRIDGE"


def test_a_passphrase_is_typed_once_for_many_commands(locked: Path, terminal: Callable[..., Any], cv: Any) -> None:
    screen = terminal("--vault", locked, "unlock")
    screen.answer("Passphrase:", "wrong-canary")
    screen.expect("keyboard layout")
    screen.answer("Passphrase:", PASSPHRASE)
    rest = screen.succeed(unseen=(b"herons", b"canary"))
    assert "Failed attempts since" in rest
    cv.bare("--vault", locked, "case", "new", "-", typed="x")
    screen = terminal("--vault", locked, "passphrase", "change")
    screen.answer("Passphrase:", PASSPHRASE)
    screen.answer("New passphrase:", NEW)
    screen.answer("Once more:", NEW)
    status, rest = screen.finish()
    assert status == 0, rest
    assert cv.bare("--vault", locked, "lock", "--json").json == {"was_unlocked": True}


def test_giving_up_at_the_prompt_leaves_no_process(locked: Path, terminal: Callable[..., Any], home: Path) -> None:
    screen = terminal("--vault", locked, "unlock")
    screen.expect("Passphrase:")
    waiting = agents_of(home)
    assert len(waiting) == 1
    time.sleep(0.3)
    screen.interrupt()
    assert screen.finish()[0] == 130
    until(lambda: not agents_of(home))


def agents_of(home: Path) -> list[int]:
    """Agents that were started with this test's own home: they cannot be read from outside, but their command can."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"vault.launch" in (path / "cmdline").read_bytes():
                environment = (path / "environ").read_bytes()
                if not environment or os.fsencode(home) in environment:
                    found.append(int(path.name))
    return found


# Several at once


def test_two_commands_at_once_work_with_a_session_and_without_it_one_hears_that_the_vault_is_in_use(
    unlocked: Unlocked,
) -> None:
    waiting = unlocked.start("add", "HARBOUR", "-", "--title", "one")
    waiting.stdin.write(b"x" * 300_000)
    waiting.stdin.flush()
    staging = unlocked.vault / "staging"
    until(lambda: any(path.is_file() for path in staging.rglob("*")))
    unlocked("add", "HARBOUR", "-", "--title", "two", typed="another")
    assert len(unlocked("items", "HARBOUR").lines) == 1
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert len(unlocked("items", "HARBOUR").lines) == 2
    unlocked("lock")
    waiting = unlocked.cv.start("add", "HARBOUR", "-", "--title", "three")
    waiting.stdin.write(b"y" * 300_000)
    waiting.stdin.flush()
    until(lambda: any(path.is_file() for path in staging.rglob("*")))
    unlocked.cv("items", "HARBOUR", status=11)
    unlocked.cv("unlock", status=11)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0


def test_without_the_place_of_the_socket_the_vault_is_in_use_and_nothing_else(
    unlocked: Unlocked, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    elsewhere = {"XDG_RUNTIME_DIR": str(other), "XDG_STATE_HOME": str(other)}
    unlocked.cv("items", "HARBOUR", status=11, **elsewhere)


def test_lock_does_not_say_that_a_vault_is_locked_whose_session_it_cannot_find(
    unlocked: Unlocked,
) -> None:
    """Unlocked at the desk, locked from a terminal, or by a hook at suspend, that has another place for sockets."""
    bare = {"XDG_RUNTIME_DIR": ""}
    done = unlocked("lock", status=11, **bare)
    assert "already" not in done.stdout
    assert alive(unlocked.process)


@pytest.mark.parametrize(
    "variable", [{"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "relative"}, {"XDG_RUNTIME_DIR": "/"}]
)
def test_where_the_system_gives_no_private_folder_we_make_one(cv: Any, variable: dict[str, str], home: Path) -> None:
    if variable["XDG_RUNTIME_DIR"] == "/":
        variable = {"XDG_RUNTIME_DIR": "/tmp"}
    cv("unlock", **variable)
    cv.bare("--vault", cv.vault, "case", "list", **variable)
    folder = home / ".local/state/casevault/run"
    assert folder.lstat().st_mode & 0o777 == 0o700
    assert len(list(folder.iterdir())) == 1
    assert cv.bare("--vault", cv.vault, "case", "list").stdout == "", (
        "found from a terminal that has another folder too"
    )
    cv.bare("--vault", cv.vault, "lock", **variable)
    assert list(folder.iterdir()) == []


# Its process dies


def test_after_the_agent_died_the_next_command_says_so_and_asks(unlocked: Unlocked) -> None:
    unlocked("add", "HARBOUR", "-", "--title", "Letter", typed="stored before")
    unlocked.kill()
    done = unlocked("items", "HARBOUR", status=13)
    assert "The session is over" in done.stderr
    assert "What was stored is whole" in done.stderr
    again = unlocked.cv("items", "HARBOUR")
    assert "The session is over" in again.stderr
    assert len(again.lines) == 1
    unlocked.cv("unlock")
    assert "The session is over" not in unlocked("items", "HARBOUR").stderr
    unlocked("lock")


def test_a_socket_that_a_dead_session_left_hides_no_later_session_with_another_place(unlocked: Unlocked) -> None:
    unlocked.kill()
    unlocked.cv("unlock", XDG_RUNTIME_DIR="")
    assert "The session is over" not in unlocked("items", "HARBOUR").stderr
    assert unlocked("lock", "--json").json == {"was_unlocked": True}


def test_after_the_agent_died_the_command_that_opens_the_vault_removes_its_socket(unlocked: Unlocked) -> None:
    unlocked.kill()
    assert "The session is over" in unlocked.cv("case", "list").stderr
    assert "The session is over" not in unlocked.cv("case", "list").stderr


def test_a_command_whose_agent_dies_says_so_and_the_next_unlock_settles_it(unlocked: Unlocked) -> None:
    running = unlocked.start("add", "HARBOUR", "-", "--title", "letter")
    running.stdin.write(b"x" * 300_000)
    running.stdin.flush()
    staging = unlocked.vault / "staging"
    until(lambda: any(path.is_file() for path in staging.rglob("*")))
    unlocked.kill()
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 13
    assert stdout == b""
    assert b"The session is over" in stderr
    assert b"Traceback" not in stderr
    unlocked.cv("unlock")
    assert unlocked("items", "HARBOUR").stdout == ""
    assert unlocked("check", "--read-data", "--json").json["findings"] == []
    assert list(staging.iterdir()) == []
    unlocked("lock")


def test_a_reader_stops_when_the_session_is_locked(unlocked: Unlocked) -> None:
    """More is read than a pipe holds, so the command is at work when the session ends; nothing of the rest comes."""
    unlocked.cv.file("big.bin", os.urandom(30_000_000))
    unlocked("add", "HARBOUR", "big.bin")
    reading = unlocked.start("cat", "HARBOUR/1")
    head = reading.stdout.read(1_000_000)
    assert len(head) == 1_000_000
    unlocked("lock")
    rest, stderr = reading.communicate(timeout=60)
    assert reading.returncode == 13
    assert b"The session is over" in stderr
    assert len(rest) < 20_000_000
    last = [entry for entry in unlocked.cv("log", "--json").json if entry["act"] == "item-cat"][-1]
    assert (last["phase"], last["reason"]) == ("failed", "connection ended")


def test_adding_stops_at_once_when_the_session_is_locked(unlocked: Unlocked) -> None:
    running = unlocked.start("add", "HARBOUR", "-", "--title", "without end")
    with contextlib.suppress(BrokenPipeError):
        running.stdin.write(b"x" * 3_000_000)
        running.stdin.flush()
        unlocked("lock")
        end = time.monotonic() + 120
        while running.poll() is None and time.monotonic() < end:  # the source goes on for ever
            running.stdin.write(b"x" * 1_000_000)
    assert running.wait(timeout=60) == 13
    running.stdin.close()
    assert b"The session is over" in running.stderr.read()
    running.stderr.close()
    running.stdout.close()
    assert not list((unlocked.vault / "staging").iterdir())


# What it costs


def test_a_list_with_a_session_loads_neither_cryptography_nor_databases(unlocked: Unlocked) -> None:
    program = (
        "import sys\nfrom commands.cli import main\nstatus = main()\n"
        "print('LOADED', *sorted(sys.modules), file=sys.stderr)\nsys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--vault", str(unlocked.vault), "items", "HARBOUR"],
        env=unlocked.cv.environment,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.partition("LOADED")[2].split())
    heavy = {
        *("cryptography", "nacl", "sqlcipher3", "filelock", "rich", "mnemonic", "zxcvbn", "platformdirs", "asyncio"),
        *("hashlib", "secrets", "subprocess", "tempfile", "traceback", "mimetypes", "sqlite3", "crypto"),
        *("vault.keeper", "vault.requests", "vault.folder", "vault.objects", "vault.agent", "vault.launch"),
    }
    assert loaded & heavy == set()
    assert {"vault.client", "vault.wire"} <= loaded


def test_command_and_agent_together_need_little_memory(unlocked: Unlocked) -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("left out: /proc")
    unlocked.cv.file("big.bin", os.urandom(20_000_000))
    unlocked("add", "HARBOUR", "big.bin")
    reading = unlocked.start("cat", "HARBOUR/1")
    reading.stdout.read(1_000_000)
    together = sum(resident_kib(process) for process in (unlocked.process, reading.pid))
    reading.kill()
    reading.communicate()
    assert together < 150 * 1024


def resident_kib(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def test_in_a_session_the_program_alone_names_first_what_waits(harbour: Any, folder: Path) -> None:
    key = KeyFileUnlocker(harbour.key_file.read_bytes())
    with Vault.open(harbour.vault, key) as vault, vault.cases.get("HARBOUR").drafts.begin(text="one"):
        pass
    session = Unlocked(harbour)
    try:
        before = session().stdout
        assert "1 text was begun and not stored" in before
        assert "There is no backup of it yet" in before
        assert before.index("casevault write CASE") < before.index("casevault case new")
        session("backup", folder / "backup")
        with Vault.attach(harbour.vault, runtime_dir=next(runtime_folders())) as vault:
            drafts = vault.cases.get("HARBOUR").drafts
            drafts.discard(drafts.list()[0].draft_id)
        after = session().stdout
        assert "begun" not in after
        assert "backup" not in after
        assert "casevault lock" in after
    finally:
        session("lock")


def test_the_document_of_a_session_is_json_alone(unlocked: Unlocked) -> None:
    assert json.loads(unlocked("status", "--json").stdout)["session"]["process"] == unlocked.process


def test_whoever_mistypes_is_not_warned_of_somebody_else_but_of_earlier_attempts_they_are(
    cv: Any, locked: Path, terminal: Callable[..., Any]
) -> None:
    def unlock() -> str:
        screen = terminal("--vault", locked, "unlock")
        screen.answer("Passphrase:", "something else")
        screen.answer("Passphrase:", PASSPHRASE)
        shown: str = screen.finish()[1]
        cv.bare("--vault", locked, "lock")
        return shown

    shown = unlock()
    assert re.search(r"Failed attempts since +1\b", shown)
    assert "somebody else had this computer" not in shown
    wrong = cv.secret("wrong", b"something else")
    cv.bare("--vault", locked, "--passphrase-file", wrong, "case", "list", status=12)
    assert "somebody else had this computer" in unlock()


def test_a_session_says_why_it_asks_for_the_passphrase_again(unlocked: Unlocked, terminal: Callable[..., Any]) -> None:
    screen = terminal("--vault", unlocked.vault, "passphrase", "change")
    screen.expect("The vault is open, but this needs what opens it once more. Passphrase:")
    screen.interrupt()
    assert screen.finish()[0] == 130
