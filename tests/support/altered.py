"""The program as a user runs it, with one thing that happens at the worst moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# The disk of the vault is full when the outcome of an act is to be recorded.
_NO_OUTCOME = """
import sys
from vault import schema
from vault.log import Log
act, real = sys.argv.pop(1), Log.conclude
def conclude(self, number, phase, **said):
    if self._registry.row(schema.UNANSWERED, number)["act"] == act:
        self._registry.store.execute("PRAGMA query_only = ON")
    return real(self, number, phase, **said)
Log.conclude = conclude
from commands.cli import main
sys.exit(main())
"""
# The session is locked just before a request.
_NO_SESSION = """
import subprocess, sys
from vault.client import Client
request, real = sys.argv.pop(1), Client._call
def call(self, name, *given, **named):
    if name == request:
        subprocess.run([sys.executable, "-m", "commands", *sys.argv[1:3], "lock"], check=True, capture_output=True)
    return real(self, name, *given, **named)
Client._call = call
from commands.cli import main
sys.exit(main())
"""


def run_without_outcome(program: Any, act: str, *arguments: str | Path) -> tuple[int, str, str]:
    """Status, result and messages of a command whose outcome of this act finds no room in the log."""
    return _run(program, _NO_OUTCOME, act, *program.options, *arguments)


def run_until_locked(program: Any, request: str, *arguments: str | Path) -> tuple[int, str, str]:
    """As above, of a command in a session that ends just before this request."""
    return _run(program, _NO_SESSION, request, "--vault", program.vault, *arguments)


def _run(program: Any, code: str, *arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(os.fspath, arguments)],
        cwd=program.folder,
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
