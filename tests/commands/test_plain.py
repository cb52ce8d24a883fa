"""``--plain`` on a terminal, for screen readers: no colour, box, bar or tab, and one fact a line, in every command."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from loading import lay_out, story

from commands import cli

# Codes that a terminal obeys, lines and blocks to draw with, dots that turn.
DRAWN = re.compile("[\x1b\r\t\u2500-\u259f\u25a0-\u25ff\u2800-\u28ff]")


# A process of its own, because a session that a command begins outlives it.
TELLER = """
import contextlib, io, json, sys
from commands import _options, _output, _terminal
from commands.cli import main
_output._BAR_AFTER_SECONDS = -1.0
_terminal.stdout_is_terminal = _terminal.stderr_is_terminal = lambda: True
for line in json.load(sys.stdin):
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    _options._said_once.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(line)
    out.flush(), err.flush()
    print(json.dumps([status, out.buffer.getvalue().decode(), err.buffer.getvalue().decode()]), flush=True)
"""


def test_every_command_is_plain_on_a_terminal_when_asked_to(cv: Any, source: Path) -> None:
    lay_out(cv.folder)
    lines = []
    for arguments in story(source):
        unlock = () if "--passphrase-file" in arguments else ("--passphrase-file", "words")
        lines.append(["--vault", "v", "--plain", *unlock, *arguments])
    done = subprocess.run(
        [sys.executable, "-c", TELLER],
        input=json.dumps(lines),
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1]), "LANGUAGE": "en"},
        cwd=cv.folder,
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    checked = 0
    for arguments, told in zip(lines, done.stdout.splitlines(), strict=True):
        status, out, err = json.loads(told)
        assert status == 0, (arguments, err)
        assert not DRAWN.search(out + err), (arguments, out, err)
        for line in out.splitlines():
            assert line == line.strip(), (arguments, line)
        checked += bool(out)
    assert checked >= 20
