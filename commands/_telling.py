"""How a story is told: commands that really run, each in a process of its own, with what they say and what must hold.

The first thing that is not as it should be ends the story with its name and a status that is not 0.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands._errors import OTHER, Stop
from commands._output import Output
from commands._terminal import visible
from commands._text import _

_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from commands.cli import main; sys.exit(main())"


@dataclass
class Result:
    status: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass
class Telling:
    """Steps in a folder, on a computer and with a passphrase that change as the story goes on."""

    folder: Path
    output: Output
    steps: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    unlocked_by: str = ""  # the file that holds the passphrase

    def say(self, text: str) -> None:
        if self.output.json:
            sys.stderr.write(text + "\n")
        else:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def step(self, title: str) -> None:
        self.steps.append(title)
        self.say("")
        self.say(_("{number}. {title}").format(number=len(self.steps), title=title))

    def shown(self, *paths: Path) -> list[str]:
        return [str(path.relative_to(self.folder)) for path in paths]

    def must(self, holds: bool, what: str, *, quiet: bool = False) -> None:
        if not holds:
            raise Stop(
                OTHER,
                _("the demo failed at step {number} ({title}): it does not hold that {what}").format(
                    number=len(self.steps), title=self.steps[-1], what=what
                ),
            )
        if not quiet:
            self.say(_("  ok: {what}").format(what=what))

    def run(self, *arguments: str, typed: str | None = None, by: str | None = "", expect: int = 0) -> Result:
        """Run a command and show it, as typed, with what it says."""
        prefix = f"echo {shlex.quote(typed)} | " if typed is not None else ""
        shown = " ".join(shlex.quote(argument) for argument in arguments)
        file = self.unlocked_by if by == "" else by
        if by:
            shown = f"--passphrase-file {by} {shown}"
        self.say(f"  $ {prefix}casevault {shown}")
        done = self.call(arguments, typed, file)
        for line in (done.stdout + done.stderr).replace("\t", "   ").splitlines():
            self.say(f"    {visible(line)}")
        if done.status != expect:
            raise Stop(
                OTHER,
                _(
                    "the demo failed at step {number} ({title}): `casevault {shown}` ended with {status}, not {expect}"
                ).format(number=len(self.steps), title=self.steps[-1], shown=shown, status=done.status, expect=expect),
            )
        if expect:
            self.say(_("  ok: status {status}").format(status=expect))
        return done

    def run_python(self, program: Path, file: Path, *options: str) -> bool:
        """Run a program that needs nothing of ours, and show it; whether it ended well."""
        self.say(f"  $ python3 -I {' '.join([*self.shown(program, file), *options])}")
        done = subprocess.run(
            [sys.executable, "-I", str(program), str(file), *options],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        for line in (done.stdout + done.stderr).splitlines():
            self.say(f"    {visible(line)}")
        return done.returncode == 0

    def quietly(self, *arguments: str, typed: str | None = None) -> Result:
        """Ask as a program would, for JSON."""
        done = self.call((*arguments, "--json"), typed, self.unlocked_by)
        self.must(done.status == 0, f"casevault {' '.join(arguments)} --json", quiet=True)
        return done

    def call(self, arguments: tuple[str, ...], typed: str | None, passphrase: str | None) -> Result:
        environment = dict(self.environment)
        if passphrase:
            environment["CASEVAULT_PASSPHRASE_FILE"] = passphrase
        root = str(Path(__file__).resolve().parents[1])
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, root, *arguments],
            cwd=self.folder,
            env=environment,
            input=typed or "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(text.encode())


def environment(folder: Path, *, computer: str, vault: str = "vault") -> dict[str, str]:
    """The user's, with every place of ours inside the throw-away folder."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("CASEVAULT_", "XDG_"))}
    state = str(folder / computer)
    return own | {
        "CASEVAULT_VAULT": str(folder / vault),
        "XDG_STATE_HOME": state,
        "HOME": state,
        "WIN_PD_OVERRIDE_LOCAL_APPDATA": state,
        "PYTHONIOENCODING": "utf-8",
    }
