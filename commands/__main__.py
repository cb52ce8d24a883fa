"""`python -m commands`: the same as `casevault`."""

from __future__ import annotations

import sys

from commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
