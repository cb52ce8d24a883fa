"""`make bench` runs, says what it measured or why not, and leaves nothing behind. What it finds is not tested."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_bench_prints_a_line_for_each_row_and_removes_its_folder(source: Path, tmp_path: Path) -> None:
    size = ("--size-mib", "1", "--large-mib", "0", "--pairs", "1")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench",
            "--folder",
            tmp_path,
            *size,
            "--only",
            "add",
            "export",
            "seal",
            "open",
            "age",
            "check",
            "memory",
            "read",
            "log",
            "proofs",
        ],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for row in ("add", "export", "seal", "open", "check"):
        assert any(line.startswith((f"{row} ", f"left out: {row}")) for line in done.stdout.splitlines()), row
    assert any(line.startswith(("peak memory of cat, 1 MiB", "left out: memory")) for line in done.stdout.splitlines())
    assert "crypto.age, decrypt, memory to memory" in done.stdout
    assert "show ITEM, the whole command" in done.stdout
    for row in (
        "log verify --full, 2,000 steps, 1 of",
        "log verify, what came since",
        "1000 entries disclosed",
        "seal 1 kB, 64 states",
    ):
        assert any(line.startswith((row, f"left out: {row}")) for line in done.stdout.splitlines()), row
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_bench_removes_its_folder_when_a_command_fails(source: Path, tmp_path: Path) -> None:
    program = tmp_path / "sha256sum"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    place = tmp_path / "place"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--folder", place, "--size-mib", "1", "--pairs", "1", "--only", "check"],
        cwd=source,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "status 3 from `sha256sum" in done.stderr
    assert list(place.iterdir()) == []
