"""What a person says for the log comes from a terminal, in whatever bytes it had."""

from __future__ import annotations

from pathlib import Path

import pytest
from vaults import make_vault, open_vault

from vault.errors import BadValue

UNDECODABLE = "court \udcff"


def test_a_purpose_without_unicode_form_is_refused_and_nothing_is_shown(tmp_path: Path) -> None:
    with make_vault(tmp_path / "vault") as vault:
        vault.cases.new("Title", code="HARBOUR")
        case = vault.cases.get("HARBOUR")
        case.items.add_text("words")
        entries = vault.info().log_entries
        for show in (case.show, case.items.get(1).show, case.items.get(1).open, case.persons.get(1).show):
            with pytest.raises(BadValue):
                show(purpose=UNDECODABLE)
        assert vault.info().log_entries == entries
    with open_vault(tmp_path / "vault") as vault:
        assert vault.warnings == ()
