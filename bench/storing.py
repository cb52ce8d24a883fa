"""Rows of single commands against other programs."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.measure import Task, peaks, run, seconds, spread
from bench.rows import MEMORY_MIB, Bench, Row, size_text
from bench.workspace import ROOT

CASES = 100
START_ROUNDS = 21
READS = 200


class Storing(Bench):
    """Adding, reading and keeping, command by command."""

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

    def seal(self) -> None:
        """A case with one large file, for a partner with a hybrid key, against the plain file for a classical one."""
        space, size = self.workspace, size_text(self.size_mib)
        if not self.has("seal", "tar", "age", "sync"):
            return
        space.vault_with(self.source)
        tasks = {"seal": space.seal(), "tar and age": space.tar_and_age(self.source)}
        costs = self.rounds(tasks)
        self.compare(f"seal {size} : tar | age, sync", costs["seal"], costs["tar and age"], 1.1)

    def open(self) -> None:
        """A sealed file with one large item, verified and stored, against stock tools that unpack it in the clear."""
        space, size = self.workspace, size_text(self.size_mib)
        if not self.has("open", "age", "tar", "sha256sum"):
            return
        space.vault_with(self.source)
        space.sealed_for_another()
        costs = self.rounds({"open": space.open(), "age and tar": space.age_and_tar()})
        self.compare(f"open {size} : age -d | tar x, sha256sum -c", costs["open"], costs["age and tar"], 1.1)
        self.peak("open", self.size_mib, peaks(costs["open"]))

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
        argon2id = json.loads(space.answer(space.direct("argon2id", self.pairs, vault=False)))
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
        tasks["seal"] = space.seal()
        names = {"check": "check --read-data"}
        for name, task in tasks.items():
            task.before()
            found = peaks([run(task.argv, space.environment)])
            if name != "add":  # its vault serves the others
                task.after()
            if not self.peak(names.get(name, name), size_mib, found):
                return

    def peak(self, work: str, size_mib: int, found: list[float]) -> bool:
        """A row of the largest peak; False where the system does not tell."""
        if not found:
            self.left_out.append("memory: this system does not tell a child's peak")
            return False
        largest = max(found)
        target = f"<= {MEMORY_MIB:.0f} MiB"
        shown = f"{largest:.0f} MiB"
        self.rows.append(
            Row(f"peak memory of {work}, {size_text(size_mib)}", shown, "", shown, target, largest <= MEMORY_MIB)
        )
        return True

    def start(self) -> None:
        tasks = {
            "ours": Task([sys.executable, ROOT / "vault.py", "--version"]),
            "python": Task([sys.executable, "-c", "pass"]),
        }
        costs = self.rounds(tasks, START_ROUNDS)
        self.compare("--version : python -c pass", costs["ours"], costs["python"], 8.0, ms=True)

    def read(self) -> None:
        space = self.workspace
        space.new_vault()
        run([*space.program, "add", "BENCH", ROOT / "pyproject.toml"], space.environment)
        inside = json.loads(space.answer(space.direct("show", READS)))
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
