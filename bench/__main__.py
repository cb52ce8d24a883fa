"""Measures casevault against other programs and prints a table. `python -m bench --quick` takes a minute."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bench.proofs import Proofs
from bench.rows import table
from bench.sessions import Sessions
from bench.storing import Storing
from bench.workspace import Workspace

QUICK_CASES = (10, 600)
ASKED_FOR = frozenset({"long-log"})  # what takes many minutes runs only where it is named


class All(Storing, Sessions, Proofs):
    """What is measured, in the order of the table."""


ROWS: dict[str, Callable[[All], None]] = {
    "add": All.add,
    "export": All.export,
    "seal": All.seal,
    "open": All.open,
    "age": All.age,
    "check": All.check,
    "passphrase": All.passphrase,
    "backup": All.backup,
    "memory": All.memory,
    "start": All.start,
    "session": All.session,
    "read": All.read,
    "log": All.log,
    "proofs": All.proofs,
    "long-log": All.long_log,
    "large": All.large,
    "offset": All.offset,
    "film": All.film,
}


def machine() -> str:
    """What the figures depend on, and nothing that names the machine."""
    flags: set[str] = set()
    model = platform.machine()
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("flags", "Features"):
                flags = set(value.split())
    known = [flag for flag in ("aes", "vaes", "sha_ni", "sha1", "sha2", "sha512", "avx2", "avx512f") if flag in flags]
    return f"{platform.system()} {model}, {os.cpu_count()} cores ({' '.join(known)}), Python {platform.python_version()}, {load()}"


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="measure on this disk (default: the temporary folder)"
    )
    parser.add_argument("--size-mib", type=int, default=1024, metavar="N", help="size of the file (default 1024)")
    parser.add_argument(
        "--large-mib", type=int, metavar="N", help="size of the sparse file for memory (default: 4 times)"
    )
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="rounds of each comparison (default 5)")
    parser.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="S",
        help="let each round wait up to S seconds until the cores are idle",
    )
    parser.add_argument("--quick", action="store_true", help="64 MiB and 3 rounds: tries the bench, says little")
    usual = [name for name in ROWS if name not in ASKED_FOR]
    parser.add_argument("--only", nargs="+", choices=ROWS, default=usual, metavar="ROWS", help=", ".join(ROWS))
    chosen = parser.parse_args()
    if chosen.folder and not chosen.folder.is_dir():
        parser.error(f"no folder {chosen.folder}")
    if chosen.quick:
        chosen.size_mib, chosen.pairs = 64, min(chosen.pairs, 3)
    if chosen.large_mib is None:
        chosen.large_mib = 4 * chosen.size_mib
    return chosen


def main() -> int:
    chosen = arguments()
    for name in ("SIGTERM", "SIGHUP"):  # so that the folder is removed then too
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: sys.exit(130))
    print(machine(), flush=True)
    waiting = f", each begun when the cores were idle or after {chosen.wait:.0f} s" if chosen.wait else ""
    print(f"{chosen.pairs} rounds{waiting}; medians, the smallest and the largest value in parentheses", flush=True)
    with Workspace(chosen.folder) as workspace:
        bench = All(
            workspace, size_mib=chosen.size_mib, large_mib=chosen.large_mib, pairs=chosen.pairs, wait=chosen.wait
        )
        if chosen.quick:
            bench.large_cases = QUICK_CASES
        for name in chosen.only:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            ROWS[name](bench)
    print(table(bench.rows))
    for reason in bench.left_out:
        print(f"left out: {reason}")
    if chosen.size_mib < 1024:
        print("The targets are for 1 GiB; smaller sizes measure mostly the start of the programs.")
    print(f"at the end: {load()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
