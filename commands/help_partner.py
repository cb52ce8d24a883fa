"""`casevault help-partner`: how somebody without casevault opens a sealed file. It knows no case and opens no vault."""

from __future__ import annotations

import sys

from commands import _terminal
from commands._options import command


@command("help-partner", example="casevault help-partner > how-to-open.txt")
def help_partner() -> None:
    """Print a page that explains how to open a sealed file without this program.

    It names the lines to type on Windows, macOS and Linux, in English and Russian, and says nothing of any case: it can
    be passed on to whoever will receive a sealed file.
    """
    from vault.guide import help_partner as page

    if _terminal.stdout_is_terminal():
        sys.stdout.write(page())
    else:
        # A file is passed on to other systems: it is in UTF-8 whatever this one prefers.
        sys.stdout.buffer.write(page().encode())
        sys.stdout.buffer.flush()
