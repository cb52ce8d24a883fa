"""Lines of the table, and how they are measured."""

from __future__ import annotations

import contextlib
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Cost, Task, ratios, rounds, run, seconds, spread
from bench.workspace import ROOT, Workspace

MEMORY_MIB = 150.0
LARGE_CASES = (100, 1000)  # cases, and items in each


@dataclass(frozen=True)
class Row:
    """A line of the table. Without a target it is information."""

    work: str
    ours: str
    theirs: str
    result: str
    target: str = ""
    met: bool | None = None


class Bench:
    """What rows need: a workspace, rounds in turn, comparisons."""

    def __init__(self, workspace: Workspace, *, size_mib: int, large_mib: int, pairs: int, wait: float) -> None:
        self.workspace, self.size_mib, self.large_mib, self.pairs = workspace, size_mib, large_mib, pairs
        self.wait = wait
        self.large_cases = LARGE_CASES
        self.rows: list[Row] = []
        self.left_out: list[str] = []
        self._compile()
        self.source = workspace.random_file(size_mib)

    def _compile(self) -> None:
        """Use every command once, so that none is measured while Python compiles its modules."""
        space = self.workspace
        for task in (
            space.add_with_sha256_alone(ROOT / "pyproject.toml"),
            space.export(),
            space.cat(),
            space.check(),
            Task([*space.program, "show", "BENCH/1"]),
            Task([*space.program, "passphrase", "change"]),
        ):
            task.before()
            with contextlib.suppress(RuntimeError):  # without a new passphrase the last one only loads its modules
                run(task.argv, space.environment)
            task.after()

    def has(self, rows: str, *programs: str) -> bool:
        missing = [name for name in programs if shutil.which(name) is None]
        if missing:
            self.left_out.append(f"{rows}: no {', '.join(missing)} on this machine")
        return not missing

    def rounds(self, tasks: dict[str, Task], count: int | None = None) -> dict[str, list[Cost]]:
        return rounds(tasks, count or self.pairs, self.workspace.environment, most_wait_seconds=self.wait)

    def compare(
        self,
        work: str,
        ours: Sequence[Cost],
        theirs: Sequence[Cost],
        target: float | None = None,
        *,
        ms: bool = False,
    ) -> None:
        """A row of paired runs: the result is the median of the ratios of the rounds."""
        unit, scale = ("ms", 1000.0) if ms else ("s", 1.0)
        digits = 0 if ms else 2
        found = ratios(seconds(ours), seconds(theirs))
        self.rows.append(
            Row(
                work,
                spread([each * scale for each in seconds(ours)], unit, digits=digits),
                spread([each * scale for each in seconds(theirs)], unit, digits=digits),
                spread(found),
                "" if target is None else f"<= {target}",
                None if target is None else statistics.median(found) <= target,
            )
        )

    def within(self, work: str, costs: Sequence[Cost], target: float) -> None:
        """A row of whole commands that have a limit in seconds."""
        taken = seconds(costs)
        median = statistics.median(taken)
        self.rows.append(Row(work, spread(taken, "s"), "", f"{median:.2f}s", f"<= {target}s", median <= target))

    def together(self, work: str, command_mib: float, process: int) -> None:
        status = Path(f"/proc/{process}/status")
        if not status.exists() or not command_mib:
            self.left_out.append("memory of the agent: this system does not tell it")
            return
        found = (line.split() for line in status.read_text().splitlines())
        agent_mib = next(int(line[1]) / 1024 for line in found if line[0] == "VmHWM:")
        total = command_mib + agent_mib
        parts = f"{command_mib:.0f} + {agent_mib:.0f} MiB"
        self.rows.append(Row(work, parts, "", f"{total:.0f} MiB", f"<= {MEMORY_MIB:.0f} MiB", total <= MEMORY_MIB))


def size_text(size_mib: int) -> str:
    return f"{size_mib // 1024} GiB" if size_mib % 1024 == 0 else f"{size_mib} MiB"


def table(rows: Sequence[Row]) -> str:
    """Plain text, a line each; the verdict is a word, for readers without colours."""
    head = ("work : other program", "casevault", "other", "ratio or result", "target", "")
    verdicts = {None: "", True: "met", False: "MISSED"}
    lines = [head, *((r.work, r.ours, r.theirs, r.result, r.target, verdicts[r.met]) for r in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
