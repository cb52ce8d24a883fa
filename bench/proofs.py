"""Rows about the proofs of the log: verifying it, what came since, what an entry costs, disclosing entries."""

from __future__ import annotations

import json
import os
import statistics
import sys

from bench.measure import Task, peaks, seconds, spread
from bench.rows import MEMORY_MIB, Bench, Row
from bench.workspace import ROOT

STEPS = 100_000
DISCLOSED = 1000
SHOWN = 64
WHOLE_COMMANDS = 5


class Proofs(Bench):
    """Verifying and disclosing."""

    @property
    def steps(self) -> int:
        return STEPS if self.size_mib >= 1024 else STEPS // 50

    def log(self) -> None:
        space, steps = self.workspace, self.steps
        space.new_vault()
        size = json.loads(space.answer(space.direct("log", steps)))
        self._verified(steps)
        verify = Task([*space.program, "log", "verify"])
        whole = seconds(self.rounds({"verify": verify}, WHOLE_COMMANDS)["verify"])
        median = sorted(whole)[len(whole) // 2]
        self.rows.append(
            Row("log verify, what came since", spread(whole, "s"), "", f"{median:.2f}s", "<= 0.5s", median <= 0.5)
        )
        self.rows.append(Row("size of an entry of the log", f"{size:.0f} bytes", "", "", "<= 1024 bytes", size <= 1024))
        entries = min(DISCLOSED, steps // 2)
        text = self.workspace.path / "disclosed.jsonl"
        making = json.loads(space.answer(space.direct("disclose", entries, text)))
        verifying = seconds(
            self.rounds({"disclosed": Task([sys.executable, ROOT / "commands/_verify_log.py", text])}, 1)["disclosed"]
        )[0]
        total = making + verifying
        self.rows.append(
            Row(
                f"{entries} entries disclosed, and verified by the stand-alone program",
                f"{making:.2f}s + {verifying:.2f}s",
                "",
                f"{total:.2f}s",
                "<= 1s",
                total <= 1,
            )
        )
        space.remove(text)

    def _verified(self, steps: int) -> None:
        """Rows of a full verification, each in a process of its own."""
        space = self.workspace
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        for cores, target in ((1, 8.0), (2, 5.0)):
            if cores > usable:
                self.left_out.append(
                    f"log verify --full, {steps:,} steps, {cores} of the cores: a process cannot be held to so many here"
                )
                continue
            taken, grown = json.loads(space.answer(space.direct("verify_log", cores)))
            limit = target * steps / STEPS
            self.rows.append(
                Row(
                    f"log verify --full, {steps:,} steps, {cores} of the cores",
                    f"{taken:.2f}s",
                    "",
                    f"{grown:.0f} MiB more memory",
                    f"<= {limit:.4g}s",
                    taken <= limit,
                )
            )

    def long_log(self) -> None:
        """Ten times as many steps: the time must be in proportion, and memory the same. Making them takes minutes."""
        space, steps = self.workspace, 10 * self.steps
        space.new_vault()
        space.answer(space.direct("log", steps))
        self._verified(steps)

    def proofs(self) -> None:
        """What it costs a sealed file to prove itself and what it goes on from, in a log of many steps."""
        space, steps = self.workspace, self.steps
        space.vault_with(space.small_file())
        space.answer(space.direct("seal_often", SHOWN))
        task = space.seal()
        small = self.rounds({"seal": task})["seal"]
        space.answer(space.direct("log", steps))
        large = self.rounds({"seal": task})["seal"]
        before, after = (statistics.median(seconds(each)) for each in (small, large))
        self.rows.append(
            Row(
                f"seal 1 kB, {SHOWN} states shown before, {steps:,} steps : a short log",
                spread(seconds(large), "s"),
                spread(seconds(small), "s"),
                f"+ {after - before:.2f}s",
            )
        )
        most, least = (max(peaks(each), default=0.0) for each in (large, small))
        self.rows.append(
            Row(
                f"peak memory of seal, {steps:,} steps : a short log",
                f"{most:.0f} MiB",
                f"{least:.0f} MiB",
                "",
                f"<= {MEMORY_MIB:.0f} MiB",
                most <= MEMORY_MIB,
            )
        )
