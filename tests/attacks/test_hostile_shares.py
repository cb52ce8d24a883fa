"""Files of a sender who means harm, right in form: what they say changes nothing of ours, and costs no more than it is."""

from __future__ import annotations

import dataclasses
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import bags
import pytest
from sealing import Sender, To, sealed
from vaults import make_vault

from crypto.objects import DRAFT_ID_SIZE
from vault import Vault, bag, errors, intake
from vault.arrivals import PLAIN, Arrival, Claim
from vault.folder import Staging
from vault.objects import write_object
from vault.requests import Circumstances, Description, Note, PersonFields
from vault.sealed import CIRCUMSTANCES, LONGEST_LINE, NAMES, NOTES, TAGS, SealedPerson

ANNA = Sender(0, "Anna")
ACCOUNT = b"I left of my own will."
WRITTEN = "2026-11-22T08:15:00Z"
NOBODY_SAID = dict.fromkeys(Circumstances.__dataclass_fields__)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "vault") as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
        vault.partners.add("Anna", card=ANNA.card_bytes)
        vault.partners.get("Anna").verify(ANNA.reads_out(), in_person=True)
        yield vault


def taken_in(vault: Vault, file: bytes, **named: Any) -> Any:
    path = vault.path.with_name("file.age")
    path.write_bytes(file)
    return vault.open_file(path, **named)[1]


def dropped(vault: Vault, contents: Sequence[bytes], **values: Any) -> bytes:
    """A drop, which needs nothing but our card."""
    to = To(vault)
    manifest = bags.drop(contents, to=to.fingerprint.hex(), **values)
    return sealed(bags.packed(bags.members_of(manifest, bags.tags_of(manifest), contents)), to.hybrid)


def described(content: bytes) -> dict[str, Any]:
    """An item of these bytes, described as it suits somebody."""
    (item,) = bags.items((content,), ("text/plain",))
    told = Circumstances(**(NOBODY_SAID | {"within_reach": "yes", "signed": "no"}))
    described = dataclasses.replace(
        item, circumstances=told, notes=(Note("she withdrew it", WRITTEN),), tags=("withdrawn",)
    )
    return {"items": (described,), "includes": (CIRCUMSTANCES, NOTES, TAGS)}


@pytest.mark.parametrize("signed", [True, False])
def test_nobody_describes_our_own_statement_by_sending_us_its_bytes(vault: Vault, signed: bool) -> None:
    item = vault.cases.get("HARBOUR").items
    item.add_stream(io.BytesIO(ACCOUNT), description=Description(title="Her account", tags=("ours",)))
    item.get(1).circumstances(within_reach="no", signed="by herself")
    item.get(1).note("recorded at the office")
    before = item.get(1).show()
    values = described(ACCOUNT)
    file = ANNA.seal(To(vault), (ACCOUNT,), **values) if signed else dropped(vault, (ACCOUNT,), **values)
    assert taken_in(vault, file, into="HARBOUR").again == ("HARBOUR/1",)
    after = item.get(1).show()
    assert (after.statement, after.summary, after.history) == (before.statement, before.summary, before.history)
    whose = "sealed file from Anna" if signed else "dropped file from somebody unproven"
    assert [each.text for each in after.notes] == ["recorded at the office", f"{whose}: she withdrew it"]
    assert vault.check().findings == ()


def test_what_is_new_here_is_described_as_its_sender_did(vault: Vault) -> None:
    file = ANNA.seal(To(vault), (ACCOUNT,), **described(ACCOUNT))
    taken_in(vault, file, into="HARBOUR")
    found = vault.cases.get("HARBOUR").items.get(1).show()
    assert found.statement is not None
    assert (found.statement.within_reach, found.summary.tags) == ("yes", ("withdrawn",))
    assert [each.text for each in found.notes] == ["she withdrew it"]


def named(**values: Any) -> dict[str, Any]:
    """One item, described with these values."""
    (item,) = bags.items((ACCOUNT,), ("text/plain",))
    empty = {"title": "x", "notes": (), "tags": ()}
    return {"items": (dataclasses.replace(item, **(empty | values)),), "includes": (NAMES, NOTES, TAGS)}


LONG = "x" * (LONGEST_LINE + 1)
TOO_MUCH: dict[str, dict[str, Any]] = {
    "a purpose that is kept with every item": {"purpose": LONG},
    "terms": {"terms": LONG},
    "a title that fills every list": named(title=LONG),
    "a tag": named(tags=(LONG,)),
    "a time": named(recorded=LONG),
    "a person": {"persons": (SealedPerson(number=1, name="Anna", addresses=(LONG,)),)},
    "more notes than anybody writes": named(notes=(Note("x", WRITTEN),) * 100_001),
    "more tags": named(tags=tuple(map(str, range(100_001)))),
    "many long tags": named(tags=tuple(f"{number:04096}" for number in range(8200))),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_no_file_costs_more_than_it_is(vault: Vault, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:  # our own program would not write it
        patched.setattr("vault.sealed._has_measure", lambda _manifest: True)
        file = ANNA.seal(To(vault), (ACCOUNT,), **TOO_MUCH[what])
    with pytest.raises(errors.SealedFileRefused, match="larger than any"):
        taken_in(vault, file, into="HARBOUR")
    assert vault.cases.get("HARBOUR").items.list() == ()


def test_a_purpose_is_not_kept_more_often_than_there_is_room(vault: Vault) -> None:
    contents = tuple(number.to_bytes(2, "big") for number in range(8200))
    with pytest.raises(ValueError, match="no sealed"):
        bags.drop(contents, purpose="x" * LONGEST_LINE, items=bags.items(contents)).to_bytes()
    bags.drop(contents, purpose="x" * 1000, items=bags.items(contents)).to_bytes()


def test_what_nobody_would_take_is_not_sealed(vault: Vault) -> None:
    case = vault.cases.get("HARBOUR")
    case.items.add_stream(io.BytesIO(ACCOUNT), description=Description(title=LONG))
    with pytest.raises(errors.Refused, match="too long"):
        case.seal(to="Anna", items="all", includes=(NAMES,))
    with pytest.raises(errors.BadValue, match="purpose"):
        case.seal(to="Anna", items="all", purpose=LONG)
    with case.seal(to="Anna", items="all"):
        pass


def test_what_our_own_reader_refuses_is_not_sealed() -> None:
    manifest = bags.share((ACCOUNT,))
    tags = bags.tags_of(manifest)
    bag.layout(manifest.top, tags, manifest.items)
    for name, size in ((bag.CUSTODY, bag.MAX_MANIFEST_BYTES), (bag.GUIDE, 256 << 10)):
        bag.layout(manifest.top, tags | {name: bytes(size)}, manifest.items)
        with pytest.raises(ValueError, match="not the files of a bag"):
            bag.layout(manifest.top, tags | {name: bytes(size + 1)}, manifest.items)


@pytest.mark.parametrize("name", ["   ", "\N{IDEOGRAPHIC SPACE}"])
def test_a_file_whose_name_is_nothing_is_not_lost(vault: Vault, name: str) -> None:
    (item,) = bags.items((ACCOUNT,))
    item = dataclasses.replace(item, title=name, file_name=name)
    arrived = taken_in(vault, dropped(vault, (ACCOUNT,), items=(item,), includes=(NAMES,)))
    assert [each.title for each in arrived.items] == ["Item 1 of DROP-1"]


@pytest.mark.skipif(sys.platform == "win32", reason="left out: names that are no Unicode")
@pytest.mark.parametrize("name", [b"\xff\xfe.age", b" .age", b".age"])
def test_an_age_file_with_any_name_is_taken_in(vault: Vault, name: bytes) -> None:
    path = vault.path.parent / os.fsdecode(name)
    path.write_bytes(sealed(ACCOUNT, To(vault).hybrid))
    _found, arrived = vault.open_file(path)
    assert len(arrived.items) == 1


@pytest.mark.parametrize(
    "name",
    [
        "Anna",
        "ANNA ",
        "An\N{ZERO WIDTH SPACE}na",
        "\N{RIGHT-TO-LEFT MARK}Anna",
        "\N{FULLWIDTH LATIN CAPITAL LETTER A}nna",
    ],
)
def test_a_stranger_who_looks_called_as_a_partner_is_a_changed_key(vault: Vault, name: str) -> None:
    stranger = Sender(7)
    stranger.card_bytes = stranger.claiming(name=name.strip())
    with pytest.raises(errors.PartnerChanged):
        taken_in(vault, stranger.seal(To(vault), (ACCOUNT,)), accept=lambda _found: True)


def test_whose_persons_stand_beside_ours_stays_known(vault: Vault) -> None:
    case = vault.cases.get("HARBOUR")
    case.persons.add(PersonFields("Amina", phones=("+995 555 010 203",)))
    forged = SealedPerson(number=1, name="Amina", phones=("+7 000 000 000",))
    arrived = taken_in(vault, ANNA.seal(To(vault), (ACCOUNT,), persons=(forged,)), into="HARBOUR")
    assert arrived.persons == ("HARBOUR/p2",)
    assert case.persons.get(1).show().phones == ("+995 555 010 203",)
    assert [each.text for each in case.show().notes] == ["Sealed file HARBOUR-1 from Anna: HARBOUR/p2"]
    more = tuple(dataclasses.replace(forged, number=number) for number in range(3, 6))
    file = ANNA.seal(To(vault), (ACCOUNT,), persons=more, share_id="6b" * 16)
    taken_in(vault, file, into="HARBOUR")
    assert case.show().notes[-1].text == "Sealed file HARBOUR-1 from Anna: HARBOUR/p3 – HARBOUR/p5"


@pytest.mark.parametrize("how", ["opened", "added"])
@pytest.mark.parametrize("whose", ["an object", "a draft"])
def test_a_client_of_a_session_removes_no_object_by_naming_it_as_its_own(vault: Vault, how: str, whose: str) -> None:
    case = vault.cases.get("HARBOUR")
    case.items.add_stream(io.BytesIO(ACCOUNT))
    vault.cases.new("Meadow", code="MEADOW")
    keeper = vault.keeper
    (victim,) = [path for path in (vault.path / "objects").rglob("*") if path.is_file()]
    named = bytes.fromhex(victim.parent.name + victim.stem) if whose == "an object" else bytes(DRAFT_ID_SIZE)
    other = keeper.registry.case("MEADOW").case_id
    staging = Staging(keeper.folder)
    source = intake.SourceFile(vault.path / "header.a")
    with source:
        staged = write_object(source, staging.path, folder_id=keeper.header.folder_id, case_id=other)
    (made,) = staging.path.glob(f"{staged.object_id.hex()}.*")
    made.rename(made.with_name(f"{named.hex()}.0"))
    staged = dataclasses.replace(staged, object_id=named)
    finish: Callable[[], object] = partial(keeper.item_finish_add, "MEADOW", str(staging.path), staged, Description())
    if how == "opened":
        grant = keeper.open_begin(None, into="MEADOW")
        keeper.open_judge(grant.intent, Claim(PLAIN, "00" * 32))
        keeper.open_stage(grant.intent, staged, Arrival(None, None, None))
        finish = partial(keeper.open_finish, grant.intent, str(staging.path))
    with pytest.raises(errors.ReceiptRefused):
        finish()
    staging.close()
    assert victim.exists()
    assert vault.check(read_data=True).findings == ()


def test_a_list_that_came_as_a_file_makes_no_file_known(vault: Vault) -> None:
    """The digest of a drop is that of its list, which anybody can send as the whole content of an age file before."""
    listed = bags.drop((ACCOUNT,), to=To(vault).fingerprint.hex()).to_bytes()
    taken_in(vault, sealed(listed, To(vault).hybrid))
    arrived = taken_in(vault, dropped(vault, (ACCOUNT,)))
    assert not arrived.known
    assert [each.size_bytes for each in arrived.items] == [len(ACCOUNT)]
    assert taken_in(vault, dropped(vault, (ACCOUNT,))).known
    assert vault.check().findings == ()


@pytest.mark.parametrize("signed", [True, False])
def test_nobody_else_makes_a_later_version_of_our_own_statement(vault: Vault, signed: bool) -> None:
    own = vault.cases.get("HARBOUR").items
    own.add_stream(io.BytesIO(ACCOUNT))
    contents = (ACCOUNT, b"I have no claims.", b"I have no claims, again.")
    first, second, third = bags.items(contents)
    later = (first, dataclasses.replace(second, revises=1), dataclasses.replace(third, revises=2))
    file = ANNA.seal(To(vault), contents, items=later) if signed else dropped(vault, contents, items=later)
    taken_in(vault, file, into="HARBOUR")
    assert own.get(1).show().revisions == ()
    assert [each.revises for each in own.list()][:3] == [None, None, "HARBOUR/2"]
    origin = own.get(2).show().receptions[0].origin
    assert origin is not None
    assert origin.revises == ("HARBOUR/1" if signed else "DROP/1")
