"""Rows about the proofs of the log: verifying it, what came since, what an entry costs, disclosing entries."""

from __future__ import annotations

import json
import sys

from bench.measure import Task, seconds, spread
from bench.rows import Bench, Row
from bench.workspace import ROOT

STEPS = 100_000
DISCLOSED = 1000
WHOLE_COMMANDS = 5


class Proofs(Bench):
    """Verifying and disclosing."""

    def log(self) -> None:
        space = self.workspace
        steps = STEPS if self.size_mib >= 1024 else STEPS // 50
        space.new_vault()
        found = json.loads(space.answer(space.direct("log", steps)))
        for cores, target in (("1", 8.0), ("2", 5.0)):
            if cores in found["verify"]:
                taken = found["verify"][cores]
                self.rows.append(
                    Row(
                        f"log verify --full, {steps:,} steps, {cores} of the cores",
                        f"{taken:.2f}s",
                        "",
                        f"{found['growth_mib']:.0f} MiB more memory",
                        f"<= {target}s",
                        taken * STEPS / steps <= target,
                    )
                )
        verify = Task([*space.program, "log", "verify"])
        whole = seconds(self.rounds({"verify": verify}, WHOLE_COMMANDS)["verify"])
        median = sorted(whole)[len(whole) // 2]
        self.rows.append(
            Row("log verify, what came since", spread(whole, "s"), "", f"{median:.2f}s", "<= 0.5s", median <= 0.5)
        )
        size = found["bytes_an_entry"]
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
