"""Secrets and titles: in no argument, variable, message or file that a command leaves."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from program import Program

PASSPHRASE = "meadow-canary-lantern-orbit-thistle"
TITLE = "Canary title"


def test_nothing_that_a_command_leaves_holds_the_passphrase_or_a_title(
    tmp_path: Path, source: Path, home: Path
) -> None:
    program = Program(tmp_path / "work", source)
    program.folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(0o600)
    opening = ("--passphrase-file", secret, "--debug")
    making = program.arguments(*opening, "init", "--no-recovery")
    del making[making.index("--key-file") : making.index("--key-file") + 2]
    subprocess.run(making, cwd=program.folder, env=program.environment, check=True, capture_output=True)

    def run(*arguments: str, stdin: str = "") -> str:
        command = program.arguments(*opening, *arguments)
        del command[command.index("--key-file") : command.index("--key-file") + 2]
        done = subprocess.run(
            command, cwd=program.folder, env=program.environment, input=stdin.encode(), capture_output=True
        )
        return (done.stdout + done.stderr).decode()

    run("case", "new", "-", "--code", "ROAD", stdin=TITLE)
    said = run("note", "ROAD", "-", stdin=TITLE * 100_000) + run("show", "ROAD/7") + run("tag", "ROAD", "-", stdin="")
    said += run("--passphrase-file", str(tmp_path), "case", "list") + run("add", "ROAD", "--text", "-", "--title", "")
    assert TITLE not in said
    assert PASSPHRASE not in said
    for top in (program.folder, home.parent):
        for path in top.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert PASSPHRASE.encode() not in content, path
                assert TITLE.encode() not in content, path


@pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc")
def test_a_running_command_shows_no_title_to_other_programs(casevault: Program) -> None:
    running = subprocess.Popen(
        casevault.arguments("note", "HARBOUR", "-"),
        cwd=casevault.folder,
        env=casevault.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert running.stdin
    running.stdin.write(TITLE.encode())
    running.stdin.flush()
    try:
        time.sleep(1)
        seen = Path(f"/proc/{running.pid}/cmdline").read_bytes()
        # Of a process that must not be dumped the system shows it to root alone.
        with contextlib.suppress(PermissionError):
            seen += Path(f"/proc/{running.pid}/environ").read_bytes()
    finally:
        running.communicate(timeout=60)
    assert b"HARBOUR" in seen
    assert TITLE.encode() not in seen
    assert running.returncode == 0
