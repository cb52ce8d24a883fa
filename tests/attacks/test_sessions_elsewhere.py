"""What others were broken by: a session whose vault is put in another's place, and two that write the same text."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from pathlib import Path

import pytest
from sessions import Served, session, until
from vaults import make_vault, open_vault

from commands import write
from commands._errors import Stop
from commands._options import Settings
from vault import errors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="left out: Unix sockets")


def replaced(path: Path) -> None:
    """Put a copy in a file's place, as programs do that keep folders the same."""
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.replace(path)


@pytest.mark.parametrize("name", ["vault-1.db", "cases/*-1.db"])
def test_nothing_is_said_to_be_stored_in_a_database_that_was_replaced_under_a_session(
    served: Served, name: str
) -> None:
    with served.attach() as vault:
        assert len(vault.cases.get("HARBOUR").items.list()) == 1
        for path in sorted(served.path.glob(name + "*")):
            replaced(path)
        stored = 1
        try:
            vault.cases.get("HARBOUR").items.add_text("The driver spoke first.")
            stored = 2
        except errors.VaultError:
            pass
    served.stop()
    with open_vault(served.path) as again:
        assert len(again.cases.get("HARBOUR").items.list()) == stored


def test_a_writer_who_was_held_up_does_not_take_away_what_was_written_since(tmp_path: Path, runtime: Path) -> None:
    """The session of the first window ended while its terminal hung; in a second one the text was gone on with."""
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
    with session(open_vault(tmp_path / "v"), runtime) as first:
        window = first.attach()
        held = window.cases.get("HARBOUR").drafts.begin()
        held.save("She came")
    assert held.is_over
    window.close()
    with open_vault(tmp_path / "v") as vault:
        case = vault.cases.get("HARBOUR")
        (known,) = case.drafts.list()
        with case.drafts.resume(known.draft_id) as writing:
            writing.save("She came by")
            writing.save("She came by the night train.")
            newest = writing.draft.text
            desk = write._Desk(held)
            with pytest.raises(errors.Refused):
                desk.save("She came an")
            with pytest.raises(Stop, match="is lost"):
                write._said(Settings(), "HARBOUR", "over", desk)
            assert writing.save(newest + " He did not.")
        with case.drafts.resume(known.draft_id) as writing:
            assert writing.draft.text == newest + " He did not."
            assert not writing.doubtful


def test_a_session_whose_folder_was_exchanged_takes_nothing_from_the_folder_there_now(served: Served) -> None:
    with served.attach() as vault:
        vault.cases.get("HARBOUR").items.add_text("The driver spoke first.")
    served.path.rename(served.path.with_name("old"))
    shutil.copytree(served.path.with_name("old"), served.path)
    until(lambda: served.has_ended)
    with open_vault(served.path) as again:
        assert again.check(read_data=True).findings == ()
        assert len(again.cases.get("HARBOUR").items.list()) == 2


def test_a_session_sees_that_its_folder_is_gone_while_somebody_keeps_it_busy(served: Served) -> None:
    looking = served.look()
    served.path.rename(served.path.with_name("old"))
    end = time.monotonic() + 120
    with contextlib.suppress(errors.VaultError):
        while time.monotonic() < end:
            looking.session()
    looking.close()
    assert time.monotonic() < end, "it went on"
    until(lambda: served.has_ended)
