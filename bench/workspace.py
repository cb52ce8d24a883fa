"""The folder in which everything is measured: input, keys, vaults and what the commands write. It is always removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType

from bench.measure import Task

ROOT = Path(__file__).resolve().parent.parent
CASE, PARTNER = "BENCH", "Bench"
_BLOCK = 1 << 20
_SEGMENT = 1 << 30
_YEAR_2020 = 1_577_836_800


class Workspace:
    """A context manager. `program` is the command line, from this checkout."""

    def __init__(self, parent: Path | None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="casevault-bench-", dir=parent))
        self.vault, self.out, self.backup = self.path / "vault", self.path / "out", self.path / "backup"
        self.key_file, self.age_key = self.path / "vault.key", self.path / "age.key"
        self.age_file, self.age_out = self.path / "file.age", self.path / "age.out"
        # Nothing of the caller's home or variables: neither another vault nor a remembered one. Modules are compiled
        # once, as an installation has them.
        left_out = ("CASEVAULT_", "PYTHON")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | {
            "HOME": str(self.path),
            "XDG_STATE_HOME": str(self.path / "state"),
            "XDG_RUNTIME_DIR": str(self.path),
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": str(self.path / "compiled"),
        }
        self.program = self.program_for(self.vault)

    def program_for(self, vault: Path) -> list[str]:
        return [sys.executable, str(ROOT / "vault.py"), "--vault", str(vault), "--key-file", str(self.key_file)]

    def __enter__(self) -> Workspace:
        self.key_file.touch(0o600)
        self.key_file.write_bytes(os.urandom(32))
        if shutil.which("age-keygen"):
            subprocess.run(["age-keygen", "-o", self.age_key], check=True, capture_output=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def recipient(self) -> str:
        found = subprocess.run(["age-keygen", "-y", self.age_key], check=True, capture_output=True, text=True)
        return found.stdout.strip()

    def direct(self, what: str, *arguments: object, vault: bool = True) -> list[str]:
        """The command that calls the library."""
        place = [str(self.vault), str(self.key_file)] if vault else []
        return [sys.executable, "-m", "bench.direct", what, *place, *(str(argument) for argument in arguments)]

    def age_files(self, what: str, *arguments: object) -> list[str]:
        """The command that reads and writes age files by the library alone."""
        return [sys.executable, "-m", "bench.age_files", what, *(str(argument) for argument in arguments)]

    def answer(self, argv: list[str]) -> str:
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=self.environment).stdout

    def remove(self, *paths: Path) -> None:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    # Input

    def random_file(self, size_mib: int) -> Path:
        """Bytes that nobody can compress, old enough that their time is trusted, and in the system's cache."""
        path = self.path / "input"
        with path.open("wb") as file:
            for _ in range(size_mib):
                file.write(os.urandom(_BLOCK))
        return self._aged(path)

    def sparse_file(self, size_mib: int) -> Path:
        """A file of zeros that takes no room on the disk."""
        path = self.path / "sparse"
        with path.open("wb") as file:
            file.truncate(size_mib << 20)
        return self._aged(path)

    def _aged(self, path: Path) -> Path:
        os.utime(path, (_YEAR_2020, _YEAR_2020))
        return path

    # Vaults

    def new_vault(self, cases: int = 1) -> None:
        self.remove(self.vault, self.path / "state")
        self.answer(self.direct("make", cases))

    def new_large_vault(self, name: str, cases: int, items_in_each: int) -> list[str]:
        """Another vault, and the program that works with it."""
        vault = self.path / name
        self.answer(
            [
                sys.executable,
                "-m",
                "bench.direct",
                "make_large",
                str(vault),
                str(self.key_file),
                str(cases),
                str(items_in_each),
            ]
        )
        return self.program_for(vault)

    def small_file(self) -> Path:
        """A kilobyte that no vault has, old enough that its time is trusted."""
        path = self.path / "small"
        path.write_bytes(os.urandom(1000))
        return self._aged(path)

    def vault_with(self, source: Path) -> None:
        self.new_vault()
        self.answer([*self.program, "add", CASE, str(source)])
        # What was added is no longer in the cache, and neither program is to pay for that.
        self.warm(*self.objects())

    def warm(self, *paths: Path) -> None:
        """Read files, so that all find them in the system's cache."""
        for path in paths:
            with path.open("rb", buffering=0) as file:
                while file.read(_BLOCK):
                    pass

    def objects(self) -> list[Path]:
        return sorted(path for path in (self.vault / "objects").rglob("*") if path.is_file())

    def objects_state(self) -> list[tuple[object, ...]]:
        """What would change if an object were written, moved or replaced."""
        found = []
        for path in self.objects():
            about = path.stat()
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while part := file.read(_BLOCK):
                    digest.update(part)
            found.append((path.name, about.st_ino, about.st_mtime_ns, about.st_size, digest.hexdigest()))
        return found

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """The vault kept open by an agent, as after `unlock`."""
        self.answer([*self.program, "unlock"])
        try:
            yield
        finally:
            self.answer([*self.program, "lock"])

    # Tasks

    def stand_ins(self, size_mib: int) -> int:
        """Sparse files in the places of stored objects, in the vault and in its backup; returns how many."""
        left, count = size_mib << 20, 0
        while left > 0:
            name = f"{count:032x}"
            for folder in (self.vault, self.backup):
                path = folder / "objects" / name[:2] / f"{name[2:]}.0"
                path.parent.mkdir(exist_ok=True)
                with path.open("wb") as file:
                    file.truncate(min(left, _SEGMENT))
            left, count = left - _SEGMENT, count + 1
        return count

    def back_up(self) -> Task:
        return Task([*self.program, "backup", self.backup, "--yes"])

    def add(self, source: Path) -> Task:
        return Task([*self.program, "add", CASE, source], before=self.new_vault)

    def add_with_sha256_alone(self, source: Path) -> Task:
        return Task([*self.program, "add", CASE, "--sha256-only", source], before=self.new_vault)

    def export(self) -> Task:
        def fresh() -> None:
            self.remove(self.out)
            self.out.mkdir()

        argv = [*self.program, "export", f"{CASE}/1", "--to", self.out]
        return Task(argv, before=fresh, after=lambda: self.remove(self.out))

    def cat(self) -> Task:
        return Task([*self.program, "cat", f"{CASE}/1"])

    def check(self) -> Task:
        return Task([*self.program, "check", "--read-data"])

    def age(self, source: Path, *, synced: bool = False, after: str = "") -> Task:
        """Encryption by age; `after` is a shell command that follows, with the source as its "$3"."""
        line = 'age -r "$1" -o "$2" "$3"' + (' && sync "$2"' if synced else "") + (f" && {after}" if after else "")
        return self._writing(self.age_file, ["/bin/sh", "-c", line, "sh", self.recipient, self.age_file, source])

    def tar_and_age(self, source: Path) -> Task:
        """A plain file packed by tar and encrypted by age, on the medium."""
        line = 'tar -C "$3" -cf - "$4" | age -r "$1" -o "$2" && sync "$2"'
        argv = ["/bin/sh", "-c", line, "sh", self.recipient, self.age_file, source.parent, source.name]
        return self._writing(self.age_file, argv)

    def seal(self) -> Task:
        argv = [*self.program, "seal", CASE, "--all", "--to", PARTNER, "--yes", "-o", self.age_out]
        return self._writing(self.age_out, argv)

    def sealed_for_another(self) -> None:
        """The vault's case sealed for another vault, `receiver`, and the key with which age opens the same file."""
        places = (self.path / "receiver", self.path / "sealed", self.path / "receiver.key")
        self.remove(*places)
        self.answer(self.direct("receiver", *places))
        self.warm(self.path / "sealed")

    def open(self) -> Task:
        """The file opened into a fresh copy of the other vault."""
        vault = self.path / "opened"

        def fresh() -> None:
            self.remove(vault, self.path / "state")
            shutil.copytree(self.path / "receiver", vault)

        argv = [*self.program_for(vault), "open", self.path / "sealed"]
        return Task(argv, before=fresh, after=lambda: self.remove(vault))

    def age_and_tar(self) -> Task:
        """The same file unpacked by age and tar, in the clear, and its digests compared."""
        out, top = self.path / "unpacked", f"{CASE}-1"
        line = 'age -d -i "$1" "$2" | tar -x -C "$3" -f - && cd "$3/$4" && sha256sum -c manifest-sha256.txt'

        def fresh() -> None:
            self.remove(out)
            out.mkdir()

        argv = ["/bin/sh", "-c", line, "sh", self.path / "receiver.key", self.path / "sealed", out, top]
        return Task(argv, before=fresh, after=lambda: self.remove(out))

    def age_decrypt(self) -> Task:
        return self._writing(self.age_out, ["age", "-d", "-i", self.age_key, "-o", self.age_out, self.age_file])

    def _writing(self, target: Path, argv: list[str | os.PathLike[str]]) -> Task:
        remove = partial(self.remove, target)
        return Task(argv, before=remove, after=remove)
