"""Programs that ask at a terminal, and at nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

# Answers every question with its first argument, and ends as the program does.
_ANSWERING = """
import os, pty, sys

def read(terminal):
    shown = os.read(terminal, 4096)
    if shown.rstrip().endswith(b":"):
        os.write(terminal, sys.argv[1].encode() + b"\\n")
    return shown

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))
"""


def answering(words: str, *command: str | Path) -> list[str]:
    """A command that runs another one at a terminal of its own, where `words` answer whatever it asks."""
    if sys.platform == "win32":
        pytest.skip("left out: no pseudo-terminals on this system")
    return [sys.executable, "-c", _ANSWERING, words, *map(str, command)]


def run_answering(words: str, *command: str | Path) -> None:
    """Run it, and see that it succeeds."""
    done = subprocess.run(answering(words, *command), stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stdout
