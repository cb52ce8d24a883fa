"""Rows of whole commands while a session is open."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from pathlib import Path

from bench.measure import Task, peaks, run, seconds, spread
from bench.rows import Bench, Row, size_text
from bench.workspace import CASE

START_ROUNDS = 21
# The first frame and no more, shown and heard by nobody.
ONE_FRAME = ("--frames=1", "--vo=null", "--ao=null")
FILM = Path("/usr/share/forensics-samples/original-files/movie2/movie-hello.mp4")
SESSION_SECONDS = 0.5


class Sessions(Bench):
    """What a person waits for who works for hours."""

    def session(self) -> None:
        """A list with a session, and what command and agent need together."""
        space = self.workspace
        space.vault_with(self.source)
        with space.session():
            tasks = {
                "ours": Task([*space.program, "items", "BENCH"]),
                "python": Task([sys.executable, "-c", "pass"]),
            }
            costs = self.rounds(tasks, START_ROUNDS)
            work = "items with a session, the whole command : python -c pass"
            self.compare(work, costs["ours"], costs["python"], 8.0, ms=True)
            found = peaks([run([*space.program, "cat", "BENCH/1"], space.environment)])
            agent = json.loads(space.answer([*space.program, "--json", "status"]))["session"]["process"]
            work = f"cat with a session, {size_text(self.size_mib)}: peak memory of the command, and the agent's"
            self.together(work, found[0] if found else 0.0, agent)

    def offset(self) -> None:
        """A byte in the middle, through a session: the whole command."""
        space = self.workspace
        if not self.large_mib or shutil.disk_usage(space.path).free < (self.large_mib << 20) * 5 // 4:
            self.left_out.append(f"offset: no room for {size_text(self.large_mib)}")
            return
        space.new_vault()
        space.answer([*space.program, "add", "BENCH", "--sha256-only", str(space.sparse_file(self.large_mib))])
        middle = str((self.large_mib << 20) // 2 + 12345)
        with space.session():
            task = Task([*space.program, "cat", "BENCH/1", "--offset", middle, "--length", "1"])
            taken = seconds(self.rounds({"cat": task}, START_ROUNDS)["cat"])
        self.rows.append(
            Row(
                f"cat --offset in the middle of {size_text(self.large_mib)}, with a session, the whole command",
                spread(taken, "s"),
                "",
                spread(taken, "s"),
                "<= 0.3s",
                statistics.median(taken) <= 0.3,
            )
        )

    def film(self) -> None:
        """The first frame of a film in `view`, through a session, and of the plain file."""
        space = self.workspace
        if not self.has("film", "mpv"):
            return
        if not FILM.is_file():
            self.left_out.append(f"film: no {FILM} on this machine (Debian's forensics-samples-files)")
            return
        space.new_vault()
        space.answer([*space.program, "add", "BENCH", str(FILM)])
        with space.session():
            tasks = {
                "view": Task(space.direct("first_frame", *ONE_FRAME)),
                "mpv": Task(["mpv", "--no-config", *ONE_FRAME, FILM]),
            }
            costs = self.rounds(tasks, START_ROUNDS)
        more = [a - b for a, b in zip(seconds(costs["view"]), seconds(costs["mpv"]), strict=True)]
        self.rows.append(
            Row(
                "a film in view, first frame, the whole command : mpv on the plain file",
                spread(seconds(costs["view"]), "s"),
                spread(seconds(costs["mpv"]), "s"),
                f"+ {spread(more, 's')}",
                "<= + 0.5s",
                statistics.median(more) <= 0.5,
            )
        )

    def large(self) -> None:
        """A hundred thousand items in a hundred cases, and a session."""
        space = self.workspace
        cases, each = self.large_cases
        large, small = space.new_large_vault("large", cases, each), space.new_large_vault("few", 1, 99)
        work = f"{cases * each:,} items in {cases} cases, session: "
        for program in (small, large):
            space.answer([*program, "unlock"])
        try:
            search = Task([*large, "search", "unrepeatable"])
            for pause in (0, 1, 3):
                space.answer([*large, "lock"])
                space.answer([*large, "unlock"])
                time.sleep(pause)
                first = self.rounds({"first": search}, 1)["first"]
                when = f"{pause} s after unlock" if pause else "right after unlock"
                self.rows.append(Row(f"{work}the first search, {when}", spread(seconds(first), "s"), "", ""))
            process = json.loads(space.answer([*large, "--json", "status"]))["session"]["process"]
            tasks = {
                "items of a case": Task([*large, "items", CASE]),
                "search, one hit": Task([*large, "search", "unrepeatable"]),
                "search in another script, no hit": Task([*large, "search", "Gorbatschow"]),
                "search, a hit in each case": Task([*large, "search", "единственное"]),
            }
            largest = 0.0
            for name, costs in self.rounds(tasks, START_ROUNDS).items():
                self.within(f"{work}{name}", costs, SESSION_SECONDS)
                largest = max((largest, *peaks(costs)))
            self.together(f"{work}peak memory of a command and of the agent", largest, process)
            file = space.path / "small"

            def before() -> None:
                space.small_file()

            added = {
                "large": Task([*large, "add", CASE, file], before),
                "few": Task([*small, "add", CASE, file], before),
            }
            costs = self.rounds(added, START_ROUNDS)
            self.compare(
                f"add 1 kB, session: item {cases * each:,} : item 100", costs["large"], costs["few"], 1.3, ms=True
            )
        finally:
            for program in (small, large):
                space.answer([*program, "lock"])
        space.remove(space.path / "large", space.path / "few")
