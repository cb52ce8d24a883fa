"""The program as a user starts it: a process of its own, with a vault that opens by key file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "commands")
_LONGEST_SECONDS = 120


@dataclass(frozen=True)
class Done:
    """What a command left: its status, and what it wrote."""

    status: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)


class Program:
    """Runs commands on one vault, in one folder."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder = folder
        self.vault = folder / "vault"
        self.key_file = folder / "key"
        self.umask = ""
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
        self.environment |= {"PYTHONPATH": str(source), "LANG": "C.UTF-8"}

    def arguments(self, *arguments: object) -> list[str]:
        given = ["--vault", str(self.vault), "--key-file", str(self.key_file)]
        return [*COMMAND, *given, *map(str, arguments)]

    def __call__(
        self,
        *arguments: object,
        stdin: str = "",
        streams: str = "",
        seconds: float = _LONGEST_SECONDS,
        **variables: str,
    ) -> Done:
        """Run a command without a terminal. ``streams`` is appended to it by sh, as in ``2>&-``."""
        command = self.arguments(*arguments)
        if streams or self.umask:
            before = f"umask {self.umask}; " if self.umask else ""
            command = ["sh", "-c", f'{before}exec "$@" {streams}', "sh", *command]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | variables,
            input=stdin.encode(),
            capture_output=True,
            timeout=seconds,
            start_new_session=True,
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def make(self) -> Program:
        """A vault with the case HARBOUR in it."""
        for arguments in (("init", "--no-passphrase", "--no-recovery"), ("case", "new", "Road", "--code", "HARBOUR")):
            done = self(*arguments)
            assert done.status == 0, done.stderr
        return self

    def add(self, content: bytes, name: str = "file.txt", *options: str) -> str:
        """Store bytes; returns the item's reference."""
        path = self.folder / name
        path.write_bytes(content)
        done = self("add", "HARBOUR", path, "--json", *options)
        assert done.status == 0, done.stderr
        return str(done.json()["stored"][0]["reference"])
