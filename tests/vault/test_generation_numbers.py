"""No number of a generation is given twice on one machine, whichever copy of a vault goes on, or is restored, there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from vaults import copied, key_file, make_vault, open_vault

from vault import Vault, mark


@pytest.fixture
def path(tmp_path: Path, state: Path) -> Path:
    with make_vault(tmp_path / "v", state_dir=state) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.backup(tmp_path / "backup")
    return tmp_path / "v"


def restore(path: Path, name: str, state: Path | None) -> int:
    return Vault.restore(path.parent / "backup", path.parent / name, key_file(), state_dir=state).generation


def accept(older: Path, path: Path, state: Path | None) -> int:
    """An older copy is put in the place of a newer one, accepted, and closed."""
    with open_vault(path, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("later")
    shutil.rmtree(path)
    copied(older, path)
    with Vault.open(path, key_file(), state_dir=state, accept_older=True) as vault:
        return vault.log_status().generations[-1].number


def test_a_backup_that_is_restored_twice_gives_two_numbers(path: Path, state: Path) -> None:
    assert [restore(path, name, state) for name in ("again", "third")] == [2, 3]
    for name, numbers in (("again", [1, 2]), ("third", [1, 3])):
        with open_vault(path.parent / name, state_dir=state) as vault:
            found = vault.verify_log(full=True).generations
            assert [each.number for each in found] == numbers
            assert vault.warnings == ()
            assert vault.check().findings == ()
    with open_vault(path, state_dir=state) as original:
        assert mark.generation(original.keeper.registry) == 1


def test_a_copy_of_a_restored_vault_gets_a_number_that_no_other_has(path: Path, state: Path, tmp_path: Path) -> None:
    restore(path, "again", state)
    with open_vault(tmp_path / "again", state_dir=state) as vault:
        vault.backup(tmp_path / "later")
    assert Vault.restore(tmp_path / "later", tmp_path / "third", key_file(), state_dir=state).generation == 3
    assert restore(path, "fourth", state) == 4


def test_an_older_copy_that_is_accepted_twice_has_two_numbers(path: Path, state: Path, tmp_path: Path) -> None:
    older = copied(path, tmp_path / "older")
    assert [accept(older, path, state) for _ in range(3)] == [2, 3, 4]
    with open_vault(path, state_dir=state) as vault:
        assert vault.verify_log(full=True).generations[-1].number == 4


def test_a_number_counts_though_nothing_of_its_generation_was_kept(
    path: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vault.checking.read_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore(path, "again", state)
    assert not (tmp_path / "again").exists()
    assert restore(path, "again", state) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b"x" * 60),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.unlink(),
    ],
)
def test_without_what_the_machine_remembers_the_vault_counts_for_itself(
    path: Path, state: Path, spoil: Callable[[Path], object]
) -> None:
    marks = set(state.iterdir())
    restore(path, "again", state)
    with open_vault(path.parent / "again") as vault:
        own = vault.keeper.registry.setting(mark.NAME_SETTING).hex()
    (numbers,) = (each for each in set(state.iterdir()) - marks if each.name != own)
    spoil(numbers)
    assert restore(path, "third", state) == 2
    assert restore(path, "fourth", None) == 2
    assert restore(path, "fifth", state) == 3


def test_the_mark_of_another_vault_is_not_taken_for_a_number(path: Path, state: Path, tmp_path: Path) -> None:
    with make_vault(tmp_path / "other", state_dir=state) as vault:
        vault.backup(tmp_path / "others")
    Vault.restore(tmp_path / "others", tmp_path / "copy", key_file(), state_dir=state)
    assert restore(path, "again", state) == 2
