"""A vault's whole life on the file systems of USB sticks, with kill -9 in between. The summary says what was left out."""

import os
import random
import shutil
import sys
from pathlib import Path

import pytest
import scenarios
from scenarios import NEW, OLD, RECOVERY, Children, clock, contents
from stick import CannotMount, Kind, mounted_stick

from vault import Vault, errors, inspect_folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exfat", "fat"])
def test_a_vault_lives_on_a_stick_and_survives_kills_there(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        with mounted_stick(kind) as root:
            _verify_driver(root)
            _live(root / "vault", tmp_path)
            _be_killed(root / "killed", tmp_path)
    except CannotMount as reason:
        pytest.skip(f"left out: a vault on a real {kind} stick: {reason}")
    with capsys.disabled():
        sys.stdout.write(f"\na vault lived on a real {kind} stick\n")


def _verify_driver(root: Path) -> None:
    # A driver for FAT outside the kernel is an experiment: what fails here works on every real stick.
    folder, moved = root / "before", root / "after"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    folder.rename(moved)
    if [path.name for path in moved.iterdir()] != ["file"]:
        raise CannotMount("its driver loses what a folder holds when that is renamed")
    with (moved / "file").open("r+b") as file:
        try:
            os.ftruncate(file.fileno(), 4)
        except OSError as error:
            raise CannotMount(f"its driver cannot truncate files ({error.strerror})") from error
    shutil.rmtree(moved)


def _live(path: Path, elsewhere: Path) -> None:
    scenarios.build(path, cases=2)
    letter = elsewhere / "the same letter.txt"
    letter.write_bytes(scenarios.LETTER)
    with Vault.open(path, OLD, clock=clock) as vault:
        assert not vault.owner_only
        assert vault.cases.get("HARBOUR").items.add_file(letter).again
        with pytest.raises(errors.VaultInUse):
            Vault.open(path, OLD, clock=clock)
        vault.change_passphrase(OLD, NEW)
        assert not vault.cases.get("HARBOUR").items.get(1).export(path.parent).owner_only
        before = contents(vault, read=True)
    assert (path.parent / "001-letter.txt").read_bytes() == scenarios.LETTER
    with Vault.open(path, NEW, clock=clock) as vault:
        assert vault.warnings == ()
        assert contents(vault, read=True) == before
        vault.cases.get("HARBOUR").items.get(2).delete()
        vault.cases.get("MEADOW").delete(NEW)
        assert vault.check(read_data=True).findings == ()
    with Vault.open(path, RECOVERY, clock=clock) as vault:
        assert vault.warnings == ()
        assert [case.code for case in vault.cases.list()] == ["HARBOUR"]
    facts = inspect_folder(path)
    assert (facts.compartments, facts.object_files, facts.in_use) == (1, 1, False)


def _be_killed(path: Path, material: Path) -> None:
    scenarios.build(path, cases=2)
    moments = random.Random("on a stick")
    number, inside = 0, 0
    spans = {"add more": 0.1, "change": 0.3}
    with scenarios.small_segments(), Children() as children:
        # A kill that comes too late is no test: the next one comes sooner, and it counts only what landed inside.
        while inside < 8:
            act = tuple(spans)[number % 2]
            killed = children.killed(moments.uniform(0, spans[act]), path, material, act, secret="any", again=1)
            inside += killed
            spans[act] *= 1.1 if killed else 0.8
            number += 1
            assert number < 200, "no kill lands inside"
            with Vault.open(path, RECOVERY, clock=clock) as vault:
                assert set(vault.warnings) <= scenarios.EXPECTED_WARNINGS
                assert vault.check(read_data=True).findings == ()
            scenarios.verify_secret(path)
