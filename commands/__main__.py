"""The start of the program: `casevault`, `python -m commands` and `vault.py`.

What takes a tenth of a second is felt in every command, so two habits of the interpreter are left out: looking for
garbage while modules are loaded, and taking everything apart at the end, one object after the other.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import NoReturn

# Modules and classes are made once and stay: looking among them for garbage finds none.
gc.set_threshold(50_000)

from commands._errors import INTERRUPTED, OTHER  # noqa: E402 -- the line above is for what is loaded from here on
from commands.cli import main  # noqa: E402 -- as above


def start() -> NoReturn:
    """Run the command line of this process, and end the process."""
    try:
        status = main()
    except KeyboardInterrupt:  # once more, while the first was being reported
        status = INTERRUPTED
    except BaseException:  # noqa: BLE001 -- an error while an error was being reported
        status = OTHER
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    # Nothing is left to be done: `main` has flushed the result, or given it up.
    os._exit(status)


if __name__ == "__main__":
    start()
