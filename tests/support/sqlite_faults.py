"""Failing writes of SQLCipher, which does not write through `vault.files.disk`: from outside, in a child process.

library = shim(tmp_path_factory.getbasetemp())
environment = fault_environment(library, path=".db", at=3, mode="torn")
subprocess.run([sys.executable, …], env=environment)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

Mode = Literal["enospc", "eio", "kill", "torn"]
MODES: tuple[Mode, ...] = ("enospc", "eio", "kill", "torn")

_SOURCE = Path(__file__).with_name("preload.c")


def shim(folder: Path) -> Path | None:
    """Compile the library that makes writes fail into `folder`, once; None where that cannot work.

    It needs Linux and a C compiler: a caller skips, and says so. Raises CalledProcessError if the source does not compile.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if sys.platform != "linux" or compiler is None:
        return None
    library = folder / "preload.so"
    if not library.exists():
        fresh = folder / f"preload-{os.getpid()}.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(fresh), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        fresh.replace(library)
    return library


def fault_environment(
    library: Path, *, path: str, at: int = 0, mode: Mode = "enospc", count: Path | None = None
) -> dict[str, str]:
    """Return an environment for a child whose writes to files with `path` in their name fail from the `at`-th on.

    With `at` 0 none fails. At a regular exit the number of such calls is written to the file `count`.
    """
    environment = dict(os.environ)
    earlier = environment.get("LD_PRELOAD")
    environment["LD_PRELOAD"] = f"{library} {earlier}" if earlier else str(library)
    environment.update(FAULT_PATH=path, FAULT_AT=str(at), FAULT_MODE=mode, FAULT_COUNT=str(count) if count else "")
    return environment
