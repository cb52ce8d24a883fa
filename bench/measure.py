"""Running a command and saying what it cost; medians of what ran in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_IDLE, _WAITING = 3, 4  # columns of /proc/stat


@dataclass(frozen=True)
class Cost:
    """What one run of a command took; None where the system does not tell. ``written_mib`` is what went to a disk."""

    seconds: float
    peak_mib: float | None
    written_mib: float | None = None


@dataclass(frozen=True)
class Task:
    """A command as a user types it; `before` and `after` are not measured."""

    argv: Sequence[str | os.PathLike[str]]
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None


def run(argv: Sequence[str | os.PathLike[str]], environment: Mapping[str, str]) -> Cost:
    """Run a command to its end, its output thrown away. Raises RuntimeError with its last words when it fails."""
    os.sync()  # nobody pays for what the one before left to be written
    start = time.perf_counter()
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    with process:
        words = process.stderr.read() if process.stderr else b""
        peak = written = None
        if hasattr(os, "wait4"):
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
            written = used.ru_oublock * 512 / (1 << 20) if sys.platform == "linux" else None
        else:
            process.wait()
        seconds = time.perf_counter() - start
    if process.returncode:
        name = " ".join(str(part) for part in argv[:4])
        raise RuntimeError(f"status {process.returncode} from `{name} …`: {words.decode(errors='replace').strip()}")
    return Cost(seconds, peak, written)


def await_quiet(most_seconds: float) -> None:
    """Wait, at most so long, until other programs leave the cores idle for a moment (where /proc tells)."""
    end = time.monotonic() + most_seconds
    while time.monotonic() < end and Path("/proc/stat").exists():
        before = _processor_times()
        time.sleep(0.5)
        spent = [after - earlier for earlier, after in zip(before, _processor_times(), strict=True)]
        if spent[_IDLE] + spent[_WAITING] >= 0.95 * sum(spent):
            return


def _processor_times() -> list[int]:
    return [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]


def rounds(
    tasks: Mapping[str, Task], count: int, environment: Mapping[str, str], *, most_wait_seconds: float = 0
) -> dict[str, list[Cost]]:
    """Run all tasks once in each round, every second round backwards, so that a slow moment strikes all alike.

    On a machine that others use, each round may wait for a quiet moment to begin; what follows counts, whatever it is.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in tasks}
    for number in range(count):
        await_quiet(most_wait_seconds)
        names = list(tasks) if number % 2 == 0 else list(reversed(tasks))
        for name in names:
            tasks[name].before()
            costs[name].append(run(tasks[name].argv, environment))
            tasks[name].after()
    return costs


def seconds(costs: Sequence[Cost]) -> list[float]:
    return [cost.seconds for cost in costs]


def peaks(costs: Sequence[Cost]) -> list[float]:
    return [cost.peak_mib for cost in costs if cost.peak_mib is not None]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def spread(values: Sequence[float], unit: str = "", *, digits: int = 2) -> str:
    """The median, and the smallest and the largest value."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f}{unit} ({low:.{digits}f}–{high:.{digits}f})"
