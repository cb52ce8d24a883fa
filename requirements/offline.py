"""Finish a folder for installation without a network: SHA256SUMS and INSTALL.txt beside the wheels.

Started by `make offline`, after the wheels have been put there.
"""

import hashlib
import platform
import sys
from pathlib import Path

INSTALL = """\
Installing casevault without a network
======================================

This folder was made on {machine} with Python {python}, and is for machines of that kind.

1. Check that nothing was changed on the way. Compare the first line with the one that you got by another channel:

       sha256sum SHA256SUMS        (macOS: shasum -a 256 SHA256SUMS)
       sha256sum -c SHA256SUMS     (macOS: shasum -a 256 -c SHA256SUMS)

   Windows: Get-FileHash NAME in PowerShell, for each line of SHA256SUMS.

2. Install from inside this folder, in one of these ways.

   With Python alone:

       python3 -m venv ~/casevault
       ~/casevault/bin/pip install --no-index --find-links . casevault
       ~/casevault/bin/casevault --version

   Windows: py -m venv casevault, then casevault\\Scripts\\pip and casevault\\Scripts\\casevault.

   With pipx:

       pipx install --pip-args="--no-index --find-links $PWD" casevault

   With uv:

       uv tool install --offline --no-index --find-links . casevault

An environment of its own, as each of these makes, keeps other programs' packages away from it.
"""


def main(folder: Path) -> None:
    """Write the two files into the folder."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = " ".join(part for part in (platform.system(), platform.machine(), *platform.libc_ver()) if part)
    text = INSTALL.format(machine=machine, python=python)
    (folder / "INSTALL.txt").write_text(text, encoding="utf-8")
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8", newline="\n")
    sys.stdout.write(f"make: {folder} holds {len(names)} files for {machine}, Python {python}\n")


main(Path(sys.argv[1]))
