"""The circumstances of a statement are kept as changes, beside every other account and over none."""

from pathlib import Path

import pytest
from vaults import clear_content, make_vault, open_vault

from vault import Case, PersonFields, Vault, errors


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = make_vault(tmp_path / "v")
    vault.cases.new("Harbour Street", code="HARBOUR")
    return vault


@pytest.fixture
def case(vault: Vault) -> Case:
    case = vault.cases.get("HARBOUR")
    case.persons.add(PersonFields("Anna"))
    case.items.add_text("I left of my own will.")
    case.items.add_text("I have no claims and was not coerced.")
    return case


def test_an_item_of_which_nothing_was_said_has_no_circumstances(case: Case) -> None:
    assert case.items.get(1).show().statement is None
    assert case.items.get(1).circumstances(place="  ").statement is None


def test_every_circumstance_is_kept_and_the_other_account_stays_as_it_is(case: Case) -> None:
    given = {
        "within_reach": "no",
        "person": "HARBOUR/p1",
        "date": "2026-11-20",
        "place": "Тбилиси, кабинет",
        "started": "14:00",
        "ended": "16:30",
        "language": "Chechen",
        "interpreter": "none",
        "present": "Anna, her lawyer",
        "earlier_accounts": "to the police, 2026-11-18",
        "read_back": "yes, in Chechen",
        "signed": "yes, each page",
        "recorded_by": "the lawyer",
    }
    told = case.items.get(1).circumstances(**given).statement
    assert told is not None
    assert {name: getattr(told, name) for name in given} == given
    case.items.get(2).circumstances(within_reach="yes")
    assert case.items.get(1).show().statement == told


def test_what_was_said_before_stays_in_the_history(case: Case) -> None:
    item = case.items.get(1)
    item.circumstances(within_reach="no", place="the flat")
    item.circumstances(within_reach="yes")
    details = item.circumstances(place="")
    assert details.statement is not None
    assert (details.statement.within_reach, details.statement.place) == ("yes", None)
    assert [(each.field, each.before, each.after) for each in details.history] == [
        ("within_reach", "no", "yes"),
        ("place", "the flat", None),
    ]


def test_changes_of_item_and_circumstances_stand_in_their_order(case: Case) -> None:
    item = case.items.get(1)
    item.circumstances(place="the flat")
    item.edit(title="First account")
    item.circumstances(place="the office")
    details = item.edit(title="Second")
    assert [each.field for each in details.history] == ["title", "place", "title"]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"within_reach": "perhaps"}, errors.BadValue),
        ({"person": "HARBOUR/p7"}, errors.NoSuchPerson),
        ({"person": "MEADOW/p1"}, errors.BadValue),
        ({"person": "Anna"}, errors.BadReference),
        ({"item": "2"}, errors.BadValue),
        ({"weather": "rain"}, errors.BadValue),
    ],
)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(
    case: Case, values: dict[str, str], error: type[errors.VaultError]
) -> None:
    with pytest.raises(error):
        case.items.get(1).circumstances(place="the flat", **values)
    assert case.items.get(1).show().statement is None


def test_circumstances_of_an_item_that_is_not_there_are_refused(case: Case) -> None:
    with pytest.raises(errors.NoSuchItem):
        case.items.get(9).circumstances(place="the flat")


def test_search_finds_circumstances_as_they_are_now(vault: Vault, case: Case) -> None:
    case.items.get(1).circumstances(present="Interpreter Zelimkhan", place="Dossor")
    assert [(hit.reference, hit.field) for hit in vault.search("Zelimkhan")] == [("HARBOUR/1", "circumstances")]
    case.items.get(1).circumstances(present="nobody else")
    assert vault.search("Zelimkhan") == ()
    assert [hit.reference for hit in vault.search("Dossor")] == ["HARBOUR/1"]


def test_the_log_has_the_intent_and_what_came_of_it(vault: Vault, case: Case) -> None:
    case.items.get(1).circumstances(place="the flat")
    phases = [(each.phase, each.item) for each in vault.log("HARBOUR") if each.act == "item-statement"]
    assert phases == [(phase, "HARBOUR/1") for phase in ("intent", "intent", "done")]


def test_deleting_an_item_erases_its_circumstances_and_all_that_they_were(vault: Vault, tmp_path: Path) -> None:
    case = vault.cases.get("HARBOUR")
    case.items.add_text("I left of my own will.")
    item = case.items.get(1)
    item.circumstances(place="canary-of-a-place")
    item.circumstances(place="canary-of-another")
    item.delete()
    assert vault.search("canary") == ()
    vault.close()
    assert b"canary" not in clear_content(tmp_path / "v")
    with open_vault(tmp_path / "v") as again:
        assert again.check(read_data=True).findings == ()
