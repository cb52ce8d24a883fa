"""What the machine remembers of a vault after its disk went away."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaults import make_vault, open_vault

from vault.errors import DiskFailed, VaultError
from vault.store import Store


@pytest.mark.parametrize("readable", [0, 3, 6])
def test_a_stick_pulled_while_the_log_is_written_leaves_no_mark_that_locks_the_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: int
) -> None:
    path, state = tmp_path / "vault", tmp_path / "state"
    vault = make_vault(path, state_dir=state)
    vault.cases.new("Title", code="HARBOUR")
    store, execute, stream = vault.keeper.registry.store, Store.execute, Store.stream
    gone, left = False, readable  # how many more tables the library still has in its memory

    def fail(self: Store, *values: object) -> object:
        nonlocal gone
        if self is store and (gone or str(values[0]).startswith("INSERT INTO log_steps")):
            gone = True
            raise DiskFailed(path="vault", reason="I/O")
        return execute(self, *values)

    def fail_reading(self: Store, *values: object) -> object:
        nonlocal left
        if self is store and gone:
            left -= 1
            if left < 0:
                raise DiskFailed(path="vault", reason="I/O")
        return stream(self, *values)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "execute", fail)
        patched.setattr(Store, "stream", fail_reading)
        with pytest.raises(VaultError):
            vault.cases.get("HARBOUR").note("lost")
        vault.close()
    with open_vault(path, state_dir=state) as again:
        again.cases.get("HARBOUR").note("kept")
        assert again.check().findings == ()
