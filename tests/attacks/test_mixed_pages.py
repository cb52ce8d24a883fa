"""Pages of an older copy, put into the current database by somebody without a key."""

from __future__ import annotations

import itertools
from pathlib import Path

from vaults import case_path, changed_pages, copied, make_vault, open_vault, put_page

from vault import PersonFields
from vault.errors import VaultError


def test_older_pages_do_not_bring_back_a_person_who_was_removed(tmp_path: Path) -> None:
    """An erased change and its row lie on pages of their own; both together were as they had been."""
    path = tmp_path / "vault"
    with make_vault(path) as vault:
        vault.cases.new("Title", code="HARBOUR")
        case = vault.cases.get("HARBOUR")
        case.persons.add(PersonFields(name="Removed Person"))
        for number in range(40):
            case.note(f"{number} " + "so that later changes fill further pages " * 4)
        current = case_path(vault, "HARBOUR")
    older = copied(path, tmp_path / "older") / "cases" / current.name
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").persons.get(1).remove()
    newest = current.read_bytes()
    for pages in itertools.combinations(changed_pages(older, current), 2):
        current.write_bytes(newest)
        for page in pages:
            put_page(older, current, page)
        try:
            with open_vault(path) as vault:
                assert vault.cases.get("HARBOUR").persons.list() == ()
        except VaultError:
            continue  # found
