"""Measures casevault against other programs and prints a table. `python -m bench --quick` takes a minute."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import Cost, Task, peaks, ratios, rounds, run, seconds, spread
from bench.workspace import CASE, ROOT, Workspace

CASES = 100
START_ROUNDS = 21
READS = 200
# The first frame and no more, shown and heard by nobody.
ONE_FRAME = ("--frames=1", "--vo=null", "--ao=null")
FILM = Path("/usr/share/forensics-samples/original-files/movie2/movie-hello.mp4")
MEMORY_MIB = 150.0
LARGE_CASES = (100, 1000)  # cases, and items in each
QUICK_CASES = (10, 600)
SESSION_SECONDS = 0.5


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
    """What is measured, in the order of the table."""

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

    # Rows

    def add(self) -> None:
        space, source = self.workspace, self.source
        if not self.has("add", "age", "sha256sum", "sha512sum", "sync"):
            return
        costs = self.rounds(
            {
                "both": space.add(source),
                "one": space.add_with_sha256_alone(source),
                "age": space.age(source, synced=True),
                "in turn": space.age(source, after='sha256sum "$3" && sha512sum "$3"'),
            }
        )
        size = size_text(self.size_mib)
        self.compare(f"add {size}, both digests : age + sync", costs["both"], costs["age"], 1.5)
        self.compare(f"add {size}, SHA-256 alone : age + sync", costs["one"], costs["age"], 1.0)
        self.compare(
            f"add {size}, both digests : age, sha256sum, sha512sum in turn", costs["both"], costs["in turn"], 0.5
        )

    def export(self) -> None:
        space = self.workspace
        if not self.has("export", "age"):
            return
        space.vault_with(self.source)
        run(space.age(self.source).argv, space.environment)
        space.warm(space.age_file)
        costs = self.rounds({"export": space.export(), "age": space.age_decrypt()})
        space.remove(space.age_file)
        self.compare(f"export {size_text(self.size_mib)} : age -d", costs["export"], costs["age"], 1.0)

    def age(self) -> None:
        space = self.workspace
        memory = json.loads(space.answer(space.age_files("memory", min(256, self.size_mib), self.pairs)))
        for name in ("encrypt", "decrypt"):
            rates, cipher = ([rate / 1e9 for rate in memory[each]] for each in (name, "cipher"))
            self.rows.append(
                Row(
                    f"crypto.age, {name}, memory to memory : ChaCha20-Poly1305 alone, GB/s",
                    spread(rates),
                    spread(cipher),
                    f"{statistics.median(rates):.2f} GB/s",
                    ">= 2 GB/s",
                    statistics.median(rates) >= 2,
                )
            )
        if not self.has("age files in memory", "age"):
            return
        shared = Path("/dev/shm")  # noqa: S108  # files that lie in memory; a folder of its own is made there
        needed = (self.size_mib << 20) * 7 // 2
        if not shared.is_dir() or shutil.disk_usage(shared).free < needed:
            self.left_out.append(f"age files in memory: less than {needed >> 20} MiB free in /dev/shm")
            return
        size = size_text(self.size_mib)
        with tempfile.TemporaryDirectory(prefix="casevault-bench-", dir=shared) as name:
            plain, ours, theirs = (Path(name) / each for each in ("plain", "ours", "theirs"))
            shutil.copyfile(self.source, plain)
            recipient, key = space.recipient, space.age_key
            encrypt = self.rounds(
                {
                    "ours": Task(space.age_files("encrypt", plain, ours, recipient)),
                    "age": Task(["age", "-r", recipient, "-o", theirs, plain]),
                }
            )
            self.compare(f"crypto.age, encrypt {size}, files in memory : age", encrypt["ours"], encrypt["age"], 1.0)
            sealed = theirs.rename(Path(name) / "sealed")
            decrypt = self.rounds(
                {
                    "ours": Task(space.age_files("decrypt", sealed, ours, key)),
                    "age": Task(["age", "-d", "-i", key, "-o", plain, sealed]),
                }
            )
            self.compare(f"crypto.age, decrypt {size}, files in memory : age -d", decrypt["ours"], decrypt["age"], 1.0)

    def check(self) -> None:
        space = self.workspace
        if not self.has("check", "sha256sum"):
            return
        space.vault_with(self.source)
        tasks = {"check": space.check(), "sha256sum": Task(["sha256sum", self.source])}
        if shutil.which("openssl"):
            tasks["openssl"] = Task(["openssl", "dgst", "-sha256", self.source])
        costs = self.rounds(tasks)
        work = f"check --read-data, {size_text(self.size_mib)} : "
        self.compare(f"{work}sha256sum", costs["check"], costs["sha256sum"], 1.2)
        if "openssl" in costs:
            self.compare(f"{work}openssl dgst -sha256", costs["check"], costs["openssl"])

    def passphrase(self) -> None:
        space = self.workspace
        space.new_vault(CASES)
        kept, words = space.path / "kept", space.path / "passphrase"
        shutil.copytree(space.vault, kept)
        words.touch(0o600)
        words.write_text("correct horse battery staple measured\n")
        untouched = []

        def before() -> None:
            space.remove(space.vault, space.path / "state")
            shutil.copytree(kept, space.vault)
            self.objects = space.objects_state()

        def after() -> None:
            untouched.append(len(self.objects) >= CASES - 1 and self.objects == space.objects_state())

        change = Task([*space.program, "passphrase", "change", "--new-passphrase-file", words], before, after)
        taken = seconds(self.rounds({"change": change})["change"])
        argon2id = json.loads(space.answer(space.library("argon2id", self.pairs, vault=False)))
        net = statistics.median(taken) - statistics.median(argon2id)
        self.rows.append(
            Row(
                f"passphrase change, {CASES} cases; besides Argon2id",
                spread(taken, "s"),
                f"Argon2id {spread(argon2id, 's')}",
                f"{net:.2f}s" + (", objects untouched" if all(untouched) else ", OBJECTS CHANGED"),
                "<= 10s",
                net <= 10 and all(untouched),
            )
        )
        space.remove(kept)

    def backup(self) -> None:
        """After a little was added to a lot, and the first one of all beside a plain copy."""
        space = self.workspace
        added_mib, held_mib = max(1, self.size_mib * 3 // 10), 20 * self.size_mib
        space.new_vault()
        run(space.back_up().argv, space.environment)
        space.stand_ins(held_mib)
        addition = space.random_file(added_mib)
        run([*space.program, "add", "BENCH", addition], space.environment)
        cost = run(space.back_up().argv, space.environment)
        space.remove(space.backup)
        work = f"backup after adding {size_text(added_mib)} to {size_text(held_mib)}"
        if not cost.written_mib:
            self.left_out.append(f"{work}: this system or disk does not tell what was written")
        else:
            ratio = cost.written_mib / added_mib
            written = f"{cost.seconds:.2f}s, {cost.written_mib:.1f} MiB written"
            self.rows.append(Row(work, written, "", f"{ratio:.3f} x the addition", "<= 1.1", ratio <= 1.1))
        self.source = space.random_file(self.size_mib)
        space.vault_with(self.source)
        if not self.has("backup : cp -a", "cp", "sync"):
            return
        ours = replace(space.back_up(), before=lambda: space.remove(space.backup))
        line = 'cp -a "$1" "$2" && sync -f "$2"'
        copy = ["/bin/sh", "-c", line, "sh", space.vault, space.out]
        theirs = Task(copy, before=lambda: space.remove(space.out), after=lambda: space.remove(space.out))
        costs = self.rounds({"ours": ours, "theirs": theirs})
        self.compare(
            f"first backup of {size_text(self.size_mib)}, read back : cp -a and sync", costs["ours"], costs["theirs"]
        )
        space.remove(space.backup)

    def memory(self) -> None:
        self._memory(self.source, self.size_mib)
        needed = (self.large_mib << 20) * 5 // 2
        if shutil.disk_usage(self.workspace.path).free < needed:
            self.left_out.append(f"memory at {size_text(self.large_mib)}: less than {needed >> 30} GiB free")
        elif self.large_mib:
            self._memory(self.workspace.sparse_file(self.large_mib), self.large_mib)

    def _memory(self, source: Path, size_mib: int) -> None:
        space = self.workspace
        tasks = {"add": space.add(source), "export": space.export(), "cat": space.cat(), "check": space.check()}
        names = {"check": "check --read-data"}
        for name, task in tasks.items():
            task.before()
            found = peaks([run(task.argv, space.environment)])
            if name != "add":  # its vault serves the others
                task.after()
            if not found:
                self.left_out.append("memory: this system does not tell a child's peak")
                return
            self.rows.append(
                Row(
                    f"peak memory of {names.get(name, name)}, {size_text(size_mib)}",
                    f"{found[0]:.0f} MiB",
                    "",
                    f"{found[0]:.0f} MiB",
                    f"<= {MEMORY_MIB:.0f} MiB",
                    found[0] <= MEMORY_MIB,
                )
            )

    def start(self) -> None:
        tasks = {
            "ours": Task([sys.executable, ROOT / "vault.py", "--version"]),
            "python": Task([sys.executable, "-c", "pass"]),
        }
        costs = self.rounds(tasks, START_ROUNDS)
        self.compare("--version : python -c pass", costs["ours"], costs["python"], 8.0, ms=True)

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
            status = Path(f"/proc/{agent}/status")
            if not found or not status.exists():
                self.left_out.append("memory of an agent: this system does not tell it")
                return
            line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS"))
            together = found[0] + int(line.split()[1]) / 1024
        self.rows.append(
            Row(
                f"cat with a session, {size_text(self.size_mib)}: peak memory of the command, and the agent's",
                f"{found[0]:.0f} + {together - found[0]:.0f} MiB",
                "",
                f"{together:.0f} MiB",
                f"<= {MEMORY_MIB:.0f} MiB",
                together <= MEMORY_MIB,
            )
        )

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
                "view": Task(space.library("first_frame", *ONE_FRAME)),
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

    def read(self) -> None:
        space = self.workspace
        space.new_vault()
        run([*space.program, "add", "BENCH", ROOT / "pyproject.toml"], space.environment)
        inside = json.loads(space.answer(space.library("show", READS)))
        whole = seconds(self.rounds({"show": Task([*space.program, "show", "BENCH/1"])}, START_ROUNDS)["show"])
        inside.sort()
        self.rows.append(
            Row(
                f"a logged read (intent, row, outcome), {READS} times in one process",
                spread(inside, "ms", digits=1),
                "",
                f"95 % below {inside[len(inside) * 95 // 100]:.1f}ms",
            )
        )
        self.rows.append(
            Row("show ITEM, the whole command", spread([1000 * each for each in whole], "ms", digits=0), "", "")
        )

    def large(self) -> None:
        """A hundred thousand items in a hundred cases, and a session."""
        space = self.workspace
        cases, each = self.large_cases
        large, small = space.new_large_vault("large", cases, each), space.new_large_vault("few", 1, 99)
        work = f"{cases * each:,} items in {cases} cases, session: "
        process = 0
        for program in (small, large):
            process = json.loads(space.answer([*program, "unlock", "--json"]))["session"]["process"]
        try:
            first = self.rounds({"first": Task([*large, "search", "unrepeatable"])}, 1)["first"]
            self.rows.append(Row(f"{work}the first search, which opens all cases", spread(seconds(first), "s"), "", ""))
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
            self._together(f"{work}peak memory of a command and of the agent", largest, process)
            file = space.path / "small"
            before: Callable[[], None] = lambda: space.small_file() and None  # noqa: E731
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

    def within(self, work: str, costs: Sequence[Cost], target: float) -> None:
        """A row of whole commands that have a limit in seconds."""
        taken = seconds(costs)
        median = statistics.median(taken)
        self.rows.append(Row(work, spread(taken, "s"), "", f"{median:.2f}s", f"<= {target}s", median <= target))

    def _together(self, work: str, command_mib: float, process: int) -> None:
        status = Path(f"/proc/{process}/status")
        if not status.exists() or not command_mib:
            self.left_out.append("memory of the agent: this system does not tell it")
            return
        found = (line.split() for line in status.read_text().splitlines())
        agent_mib = next(int(line[1]) / 1024 for line in found if line[0] == "VmHWM:")
        total = command_mib + agent_mib
        parts = f"{command_mib:.0f} + {agent_mib:.0f} MiB"
        self.rows.append(Row(work, parts, "", f"{total:.0f} MiB", f"<= {MEMORY_MIB:.0f} MiB", total <= MEMORY_MIB))


ROWS: dict[str, Callable[[Bench], None]] = {
    "add": Bench.add,
    "export": Bench.export,
    "age": Bench.age,
    "check": Bench.check,
    "passphrase": Bench.passphrase,
    "backup": Bench.backup,
    "memory": Bench.memory,
    "start": Bench.start,
    "session": Bench.session,
    "read": Bench.read,
    "large": Bench.large,
    "offset": Bench.offset,
    "film": Bench.film,
}


def size_text(size_mib: int) -> str:
    return f"{size_mib // 1024} GiB" if size_mib % 1024 == 0 else f"{size_mib} MiB"


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


def table(rows: Sequence[Row]) -> str:
    """Plain text, a line each; the verdict is a word, for readers without colours."""
    head = ("work : other program", "casevault", "other", "ratio or result", "target", "")
    verdicts = {None: "", True: "met", False: "MISSED"}
    lines = [head, *((r.work, r.ours, r.theirs, r.result, r.target, verdicts[r.met]) for r in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


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
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROWS", help=", ".join(ROWS))
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
        bench = Bench(
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
