"""A process that makes a backup, or restores one, is killed at random moments: nothing that was whole before is lost."""

import os
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sized
from pathlib import Path

import pytest
import scenarios
from kills import Kills
from scenarios import OLD, Children, clock, contents, sample

from vault import Vault, check_backup, errors

pytestmark = [
    pytest.mark.usefixtures("segments"),
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="left out: kill -9 needs fork"),
]

KILLS = 60


class Work:
    """A vault, the backup of an earlier state of it, and what a killed process left of both."""

    def __init__(self, place: Path, *, with_backup: bool) -> None:
        self.vault, self.material = place / "vault", place / "material"
        self._template = place / "template"
        (self._template / "material").mkdir(parents=True)
        scenarios.build(self._template / "vault", cases=3)
        with Vault.open(self._template / "vault", OLD, clock=clock) as vault:
            if with_backup:
                vault.backup(self._template / "material" / "backup")
            vault.cases.get("HARBOUR").items.add_text("added since")
            vault.cases.get("MEADOW").items.get(1).delete()
            for seed in range(4):
                (place / "film").write_bytes(sample(700_000, seed))
                vault.cases.get("ORCHARD").items.add_file(place / "film")
            self.contents = contents(vault, read=True)

    def prepare(self) -> None:
        for path in (self.vault, self.material):
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(self._template / path.name, path)

    @property
    def backup(self) -> Path:
        return self.material / "backup"

    def items(self) -> int:
        """How many items the backup has, all of them whole."""
        report = check_backup(self.backup, OLD, read_data=True, clock=clock)
        assert report.findings == ()
        return report.items


def killed_now_and_then(work: Work, act: str, seen: Sized) -> Iterator[bool]:
    """Do it again and again, each time killed somewhere; whether it was killed in time. Ends when two states were seen."""
    with Children() as children:
        taken = []
        for _ in range(5):
            work.prepare()
            children.begin(work.vault, work.material, act, again=1)
            started = time.perf_counter()
            assert children.end().error == ""
            taken.append(time.perf_counter() - started)
        kills = Kills(act, KILLS, statistics.median(taken), enough=lambda: len(seen) == 2)
        for moment in kills:
            work.prepare()
            killed = children.killed(moment, work.vault, work.material, act, again=1)
            kills.landed(killed)
            yield killed


@pytest.mark.parametrize("with_backup", [True, False])
def test_a_killed_backup_leaves_the_last_one_or_the_new_one(place: Path, with_backup: bool) -> None:
    work = Work(place, with_backup=with_backup)
    seen: Counter[object] = Counter()
    for killed in killed_now_and_then(work, "backup", seen):
        try:
            items: object = work.items()
        except (errors.BackupIncomplete, errors.NoSuchVault, errors.NotAVault):
            assert not with_backup
            items = "none"
        assert items in ((6, 10) if with_backup else ("none", 10))
        assert killed or items == 10, "what was reported as done is there"
        seen[items] += 1
        with Vault.open(work.vault, OLD, clock=clock) as vault:
            assert set(vault.warnings) <= scenarios.EXPECTED_WARNINGS
            assert vault.check().findings == ()
            vault.backup(work.backup, anew=True)
        assert work.items() == 10
    assert len(seen) == 2, seen


def test_a_killed_restore_leaves_a_whole_vault_or_none_and_the_backup_as_it_was(place: Path) -> None:
    work = Work(place, with_backup=True)
    work.prepare()
    with Vault.open(place / "template" / "vault", OLD, clock=clock) as vault:
        vault.backup(place / "template" / "material" / "backup")
    seen: Counter[str] = Counter()
    target = work.material / "restored"
    for killed in killed_now_and_then(work, "restore", seen):
        seen["whole" if target.exists() else "none"] += 1
        if target.exists():
            with Vault.open(target, OLD, clock=clock) as vault:
                assert vault.warnings == ()
                assert contents(vault, read=True) == work.contents
            shutil.rmtree(target)
        else:
            assert killed
        assert work.items() == 10
        Vault.restore(work.backup, target, OLD, clock=clock)
        assert sorted(path.name for path in work.material.iterdir()) == ["backup", "restored"]
    assert len(seen) == 2, seen
