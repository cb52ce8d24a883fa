"""What comes of a sealed file: items with their origin, persons, notes; in one transaction, with a session and without."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import bags
import pytest
from made_up_logs import verified
from sealing import CONTENTS, Sender, To, sealed
from sessions import session, until
from vaults import FailingLog, all_files, copied, key_file, make_vault, open_vault

from crypto import age
from vault import Description, PersonFields, Vault, archive, bag, errors, received_file, schema
from vault.arrivals import Arrived
from vault.requests import Circumstances, Note
from vault.sealed import SealedItem, SealedPerson

ANNA = Sender(0, "Anna")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "vault") as found:
        found.partners.add("Anna", card=ANNA.card_bytes)
        found.partners.get("Anna").verify(ANNA.reads_out(), in_person=True)
        yield found


def nobody() -> str:
    raise AssertionError("the file has no passphrase")


def opened(vault: Vault, data: bytes, **named: object) -> Arrived:
    path = vault.path.with_name("file.age")
    path.write_bytes(data)
    return vault.open_file(path, spoken=nobody, **named)[1]  # type: ignore[arg-type]  # named as the method has them


def numbers(arrived: Arrived) -> list[int]:
    return [int(item.reference.partition("/")[2]) for item in arrived.items]


def told(to: To, **more: object) -> bytes:
    """A file in which everything was named."""
    plain = bags.items(CONTENTS, ("video/mp4", None, "text/plain"))
    statement = Circumstances(within_reach="no", person="HARBOUR/p2", place="Batumi")
    described = [
        {"title": "The road", "file_name": "VID_2041.mp4", "kind": "video", "recorded": "2026-11-20"},
        {"title": "Nothing", "file_name": None, "kind": "other"},
        {
            "title": "Her account",
            "file_name": "account.txt",
            "kind": "statement",
            "revises": 1,
            "received": "2026-11-21",
        },
    ]
    items = tuple(
        SealedItem(
            **{
                **{name: getattr(each, name) for name in SealedItem.__dataclass_fields__},
                "notes": (Note("handle with care", "2026-11-20T10:00:00Z"),),
                "tags": ("urgent",),
                "circumstances": statement if position == 2 else None,
                **described[position],
            }
        )
        for position, each in enumerate(plain)
    )
    persons = (SealedPerson(number=2, name="Мадина", phones=("+995 555 010 203",)),)
    includes = ("circumstances", "names", "notes", "tags")
    manifest = ANNA.share(
        to.fingerprint, items=items, persons=persons, includes=includes, terms="only for court", **more
    )
    return sealed(bags.packed(ANNA.members(manifest)), to.hybrid)


def test_what_was_named_arrives_with_its_origin(vault: Vault) -> None:
    arrived = opened(vault, told(To(vault)))
    assert (arrived.new_case, arrived.again, arrived.persons) == (True, (), (f"{arrived.code}/p1",))
    case = vault.cases.get(arrived.code)
    video, nothing, account = (case.items.get(number).show() for number in numbers(arrived)[:3])
    assert (video.summary.title, video.summary.kind, video.file_name) == ("The road", "video", "VID_2041.mp4")
    assert (video.source, video.via, video.summary.recorded, video.received) == (
        "Anna",
        "sealed file",
        "2026-11-20",
        None,
    )
    assert [note.text for note in video.notes] == ["handle with care"]
    assert video.summary.tags == ("urgent",)
    assert account.summary.revises == video.summary.reference
    assert account.statement == Circumstances(within_reach="no", person=f"{arrived.code}/p1", place="Batumi")
    (reception,) = account.receptions
    origin = reception.origin
    assert (origin.kind, origin.sender, origin.sender_name) == ("share", ANNA.fingerprint.hex(), "Anna")
    assert (origin.grade, origin.share_id, origin.sequence) == ("person", "5a" * 16, 1)
    assert (origin.reference, origin.revises, origin.received) == ("HARBOUR/3", "HARBOUR/1", "2026-11-21")
    assert (origin.added, origin.purpose, origin.terms) == (
        "2026-11-22T08:15:00Z",
        "for the commission",
        "only for court",
    )
    assert account.sha256 == hashlib.sha256(CONTENTS[2]).hexdigest()
    assert case.persons.get(1).show().phones == ("+995 555 010 203",)
    assert [hit.reference for hit in vault.search("свидетеля")] == [account.summary.reference]
    assert nothing.receptions[0].origin.reference == "HARBOUR/2"


def test_the_signatures_are_kept_and_still_verify(vault: Vault, tmp_path: Path, program: Callable[[str], str]) -> None:
    tar = program("tar")
    arrived = opened(vault, told(To(vault)))
    item = vault.cases.get(arrived.code).items.get(int(arrived.proofs.partition("/")[2]))
    with item.open() as reading:
        packed = b"".join(map(bytes, reading))
    found = {member.name: member.read(1 << 20) for member in archive.ArchiveReader(io.BytesIO(packed))}
    assert set(found) == {f"HARBOUR-1/{name}" for name in bag.ORDER}
    assert found[f"HARBOUR-1/{bag.CARD}"] == ANNA.card_bytes
    subprocess.run([tar, "-x", "-C", tmp_path], input=packed, check=True)
    top = tmp_path / "HARBOUR-1"
    subprocess.run([program("sha256sum"), "-c", bag.TAGMANIFEST], cwd=top, check=True, capture_output=True)
    verifying = [
        program("ssh-keygen"),
        "-Y",
        "check-novalidate",
        "-n",
        "casevault-sealed@v1",
        "-s",
        f"{bag.TAGMANIFEST}.sig",
    ]
    done = subprocess.run(verifying, cwd=top, input=(top / bag.TAGMANIFEST).read_bytes(), capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_log_of_a_case_names_no_other_case_that_has_a_file_already(vault: Vault, tmp_path: Path) -> None:
    data = told(To(vault))
    first = opened(vault, data)
    vault.cases.new("Harbour Street", code="HARBOUR")
    assert opened(vault, data, into="HARBOUR").again
    entries = [(entry.phase, entry.case, entry.item) for entry in vault.log("HARBOUR") if entry.act == "open"]
    assert entries == [("intent", "HARBOUR", None), ("done", "HARBOUR", None)]
    last = [entry for entry in vault.log(first.code) if entry.act == "open"][-1]
    assert (last.phase, last.case, last.item, last.reason) == ("done", first.code, f"{first.code}/1", "known")
    assert vault.check().findings == ()
    for code, other in (("HARBOUR", first.code), (first.code, "HARBOUR")):
        vault.disclose_log(tmp_path / code, case=code)
        assert other not in (tmp_path / code).read_text("utf-8")
        status, said, _err = verified(tmp_path / code)
        assert (status, "MISSING" in said) == (0, False), (
            "nothing is missing, and nobody is said to have left out anything"
        )


def test_a_file_goes_into_a_case_that_is_there(vault: Vault) -> None:
    vault.cases.new("Harbour Street", code="HARBOUR")
    case = vault.cases.get("HARBOUR")
    case.items.add_stream(io.BytesIO(CONTENTS[0]), description=Description(title="mine"))
    case.persons.add(PersonFields("Амина"))
    arrived = opened(vault, told(To(vault)), into="HARBOUR")
    assert (arrived.code, arrived.new_case, arrived.again) == ("HARBOUR", False, ("HARBOUR/1",))
    assert arrived.persons == ("HARBOUR/p2",)
    receptions = case.items.get(1).show().receptions
    assert [each.origin and each.origin.reference for each in receptions] == [None, "HARBOUR/1"]
    assert case.items.get(1).show().summary.title == "mine"
    assert vault.check(read_data=True).findings == ()


def test_bytes_that_were_damaged_here_are_healed_by_what_comes(vault: Vault) -> None:
    vault.cases.new("Harbour Street", code="HARBOUR")
    case = vault.cases.get("HARBOUR")
    case.items.add_stream(io.BytesIO(CONTENTS[0]))
    (lost,) = [path for path in (vault.path / "objects").rglob("*") if path.is_file()]
    lost.unlink()
    opened(vault, told(To(vault)), into="HARBOUR")
    assert vault.check(read_data=True).findings == ()
    with case.items.get(1).open() as reading:
        assert b"".join(map(bytes, reading)) == CONTENTS[0]


def test_the_same_bytes_twice_in_one_file_are_one_item(vault: Vault) -> None:
    drop = bags.drop((b"x", b"x"), to=To(vault).fingerprint.hex())
    members = bags.members_of(drop, bags.tags_of(drop), (b"x", b"x"))
    arrived = opened(vault, sealed(bags.packed(members), To(vault).hybrid))
    assert (len(arrived.items), arrived.again) == (1, (f"{arrived.code}/1",))
    assert vault.check(read_data=True).findings == ()


def test_another_code_and_another_case_are_asked_for_by_name(vault: Vault) -> None:
    file = told(To(vault))
    with pytest.raises(errors.NoSuchCase):
        opened(vault, file, into="MEADOW")
    with pytest.raises(errors.BadCode):
        opened(vault, file, code="1")
    assert opened(vault, file, code="MEADOW").code == "MEADOW"
    with pytest.raises(errors.CodeTaken):
        opened(vault, told(To(vault), share_id="6b" * 16), code="MEADOW")


def test_a_case_that_was_made_before_origins_were_known_takes_a_file_in(vault: Vault) -> None:
    vault.cases.new("Harbour Street", code="HARBOUR")
    case = vault.cases.get("HARBOUR")
    case.items.add_text("written before")
    compartment = vault.keeper._open[vault.keeper.registry.case("HARBOUR").case_id]
    compartment.store.execute("DROP TABLE origins")
    vault.close()
    with open_vault(vault.path) as again:
        assert again.cases.get("HARBOUR").items.get(1).show().receptions[0].origin is None
        assert again.check().findings == ()
        path = again.path.with_name("file.age")
        path.write_bytes(told(To(again)))
        with FailingLog(again, 2), pytest.raises(errors.LogUnavailable):
            again.open_file(path, spoken=nobody, into="HARBOUR")
        again.open_file(path, spoken=nobody, into="HARBOUR")
        assert again.cases.get("HARBOUR").items.get(2).show().receptions[0].origin.sender_name == "Anna"
        assert again.check(read_data=True).findings == ()


def test_a_case_may_change_while_a_file_for_it_is_read(vault: Vault) -> None:
    vault.cases.new("Harbour Street", code="HARBOUR")
    case = vault.cases.get("HARBOUR")
    done: list[str] = []

    def meanwhile(_further: int) -> None:
        if not done:
            case.note("somebody else wrote this")
            vault.change_passphrase(key_file(), key_file(1))
            vault.keeper.drop(vault.keeper.registry.case("HARBOUR").case_id)
            done.append("once")

    first = opened(vault, told(To(vault)), into="HARBOUR", progress=meanwhile)
    assert done
    assert len(first.items) == len(CONTENTS) + 1
    assert case.show().notes[0].text == "somebody else wrote this"
    assert vault.check(read_data=True).findings == ()
    assert opened(vault, told(To(vault), share_id="6b" * 16), into="HARBOUR").again


def test_a_case_may_be_made_or_deleted_while_a_file_for_it_is_read(vault: Vault) -> None:
    vault.cases.new("Harbour Street", code="HARBOUR")

    def delete(_further: int) -> None:
        if len(vault.cases.list()) == 1:
            vault.cases.get("HARBOUR").delete(key_file())

    with pytest.raises(errors.NoSuchCase):
        opened(vault, told(To(vault)), into="HARBOUR", progress=delete)

    def make(_further: int) -> None:
        if not vault.cases.list():
            vault.cases.new("Another", code="QUAY")

    with pytest.raises(errors.CodeTaken):
        opened(vault, told(To(vault)), code="QUAY", progress=make)
    assert [(each.code, each.title) for each in vault.cases.list()] == [("QUAY", "Another")]
    assert vault.check(read_data=True).findings == ()
    assert list((vault.path / "staging").iterdir()) == []


def test_a_deleted_item_takes_its_origin_with_it(vault: Vault) -> None:
    arrived = opened(vault, told(To(vault)))
    vault.cases.get(arrived.code).items.get(1).delete()
    compartment = vault.keeper._open[vault.keeper.registry.case(arrived.code).case_id]
    assert {row["item"] for row in compartment.rows(schema.ORIGINS)} == {2, 3, 4}


def test_looking_stores_nothing_and_is_logged(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "file.age"
    path.write_bytes(told(To(vault)))
    before = set(all_files(vault.path))
    found = vault.inspect_file(path, spoken=nobody)
    assert (found.whole, found.verdict.sender.name, found.verdict.sender.grade) == (True, "Anna", "person")
    assert set(all_files(vault.path)) == before
    intent, outcome = [entry for entry in vault.log() if entry.act == "inspect"]
    assert (intent.phase, outcome.phase, outcome.counterparty) == ("intent", "done", "Anna")
    assert (outcome.size_bytes, outcome.purpose) == (sum(map(len, CONTENTS)), "for the commission")


def test_the_log_says_what_was_opened_and_from_whom(vault: Vault) -> None:
    arrived = opened(vault, told(To(vault)))
    intent, _refined, outcome = [entry for entry in vault.log() if entry.act == "open"]
    assert (intent.phase, intent.case) == ("intent", arrived.code)
    assert (outcome.phase, outcome.case, outcome.counterparty) == ("done", arrived.code, "Anna")
    origin = vault.cases.get(arrived.code).items.get(1).show().receptions[0].origin
    assert (outcome.digest, outcome.size_bytes) == (origin.file_digest, arrived.size_bytes)


# Passphrases


def _spoken(words: str) -> bytes:
    manifest = ANNA.share(b"", to_kind="passphrase", sealed_for="scrypt")
    return sealed(bags.packed(ANNA.members(manifest)), age.passphrase_recipient(words, work_factor=10))


def test_a_file_for_a_passphrase_needs_no_identity(tmp_path: Path) -> None:
    path = tmp_path / "file.age"
    path.write_bytes(_spoken("anchor-bicycle-cloud-dance-early-fabric-garage"))
    with make_vault(tmp_path / "v") as vault:
        with pytest.raises(errors.WrongFilePassphrase):
            vault.open_file(path, spoken=lambda: "anchor", accept=lambda _found: True)
        assert vault.log()[-2].reason == "WrongFilePassphrase"
        typed = "anchor bicycle cloud dance early fabric garage"
        _, arrived = vault.open_file(path, spoken=lambda: typed, accept=lambda _found: True)
        assert len(arrived.items) == len(CONTENTS) + 1
        with pytest.raises(errors.NotForUs, match="no card yet"):
            opened(vault, sealed(b"x", age.HybridIdentity.generate().recipient()))


# Names


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\autoexec.bat",
    "nul",
    "COM1.txt",
    "-rf",
    "a\x00b",
    "a\nb\x1b[2J",
    "\u202egpj.exe",
    "x" * 300,
    ".hidden",
    "é",
    "e\u0301",
]


def test_names_from_outside_have_no_power_here(vault: Vault, tmp_path: Path) -> None:
    contents = tuple(f"content {number}".encode() for number in range(len(HOSTILE)))
    items = tuple(
        SealedItem(
            **{
                **{name: getattr(each, name) for name in SealedItem.__dataclass_fields__},
                "title": name,
                "file_name": name,
            }
        )
        for each, name in zip(bags.items(contents, ()), HOSTILE, strict=True)
    )
    manifest = ANNA.share(To(vault).fingerprint, contents, items=items, includes=("names",), persons=())
    file = sealed(bags.packed(ANNA.members(manifest, contents)), To(vault).hybrid)
    arrived = opened(vault, file)
    out = tmp_path / "out"
    out.mkdir()
    for number, content in zip(numbers(arrived), contents, strict=False):
        done = vault.cases.get(arrived.code).items.get(number).export(out)
        assert done.path.parent == out
        assert done.path.name[0].isdigit()
        assert done.path.read_bytes() == content
    assert len(list(out.iterdir())) == 3 * len(contents)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.age", "out", "vault"]


def test_what_no_case_can_hold_is_refused_as_the_file_and_not_as_a_value(vault: Vault) -> None:
    manifest = ANNA.share(To(vault).fingerprint, persons=(SealedPerson(number=1, name="   "),))
    file = sealed(bags.packed(ANNA.members(manifest)), To(vault).hybrid)
    with pytest.raises(errors.SealedFileRefused, match="cannot be stored"):
        opened(vault, file)
    assert vault.cases.list() == ()
    assert vault.check(read_data=True).findings == ()
    assert [path for path in (vault.path / "objects").rglob("*") if path.is_file()] == []


# Sessions


def test_a_session_opens_a_file_as_a_vault_does(vault: Vault, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "file.age"
    path.write_bytes(told(To(vault)))
    with session(vault, home.parent / "run" / "casevault") as served, served.attach() as attached:
        assert attached.inspect_file(path, spoken=nobody).whole
        _, arrived = attached.open_file(path, spoken=nobody)
        assert len(arrived.items) == len(CONTENTS) + 1
        assert attached.cases.get(arrived.code).items.get(1).show().receptions[0].origin.sender_name == "Anna"
        path.write_bytes(_spoken("one"))
        with pytest.raises(errors.WrongFilePassphrase):
            attached.open_file(path, spoken=lambda: "two")
        assert attached.log()[-2].reason == "WrongFilePassphrase"


def test_the_end_of_the_session_ends_an_opening(vault: Vault, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "file.age"
    path.write_bytes(told(To(vault)))
    with session(vault, home.parent / "run" / "casevault") as served:
        attached = served.attach()

        def stop(_further: int) -> None:
            served.agent.end()
            until(lambda: attached.has_ended)

        with pytest.raises(errors.SessionOver):
            attached.open_file(path, spoken=nobody, progress=stop)
    with open_vault(vault.path) as again:
        assert again.cases.list() == ()
        assert list((again.path / "staging").iterdir()) == []
        assert [entry.phase for entry in again.log() if entry.act == "open"] == ["intent", "failed"]


def test_what_one_client_opens_no_other_can_store(vault: Vault, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "file.age"
    path.write_bytes(told(To(vault)))
    with session(vault, home.parent / "run" / "casevault") as served, served.attach() as one, served.attach() as other:
        with received_file.SealedFile(path) as file:
            grant = one.keeper.open_begin(file.header)
        with pytest.raises(errors.ReceiptRefused):
            other.keeper.open_finish(grant.intent, "nowhere")
        with pytest.raises(errors.ReceiptRefused):
            one.keeper.open_finish(grant.intent, "nowhere")
    assert "file_key" not in repr(grant)


def test_an_opening_that_nobody_ends_is_ended_with_the_vault(tmp_path: Path) -> None:
    path = tmp_path / "file.age"
    with make_vault(tmp_path / "v") as vault:
        path.write_bytes(told(To(vault)))
        with received_file.SealedFile(path) as file:
            vault.keeper.open_begin(file.header, into=None)
    with open_vault(copied(vault.path, tmp_path / "w")) as again:
        entries = [entry for entry in again.log() if entry.act == "open"]
        assert [(entry.phase, entry.reason) for entry in entries] == [("intent", None), ("failed", "closed")]
        assert again.warnings == ()


def test_a_file_key_is_given_for_one_intent_and_only_for_what_is_ours(vault: Vault) -> None:
    To(vault)
    stranger = sealed(b"x", age.HybridIdentity.generate().recipient())
    header = age.read_header(io.BytesIO(stranger)).text
    with pytest.raises(errors.NotForUs):
        vault.keeper.open_begin(header)
    assert vault.log()[-2].reason == "NotForUs: its key does not open it"
    with pytest.raises(errors.SealedFileRefused):
        vault.keeper.open_begin(b"no header")


def test_a_text_without_end_is_refused_and_logged(vault: Vault) -> None:
    endless = "x" * (2 << 20)
    to = To(vault)
    (item,) = bags.items(CONTENTS[:1])
    item = dataclasses.replace(item, notes=(Note(endless, "2026-11-22T08:15:00Z"),))
    manifest = ANNA.share(to.fingerprint, CONTENTS[:1], purpose="x" * 5000, items=(item,), includes=("notes",))
    file = sealed(bags.packed(ANNA.members(manifest, CONTENTS[:1])), to.hybrid)
    with pytest.raises(errors.SealedFileRefused):
        opened(vault, file)
    outcome = [entry for entry in vault.log() if entry.act == "open"][-1]
    assert (outcome.phase, outcome.reason) == (
        "failed",
        "SealedFileRefused: what it says of its content cannot be stored",
    )
    assert vault.cases.list() == ()
    vault.inspect_file(vault.path.with_name("file.age"), spoken=nobody)
    assert len([entry for entry in vault.log() if entry.act == "inspect"][-1].purpose or "") == 1000


# The whole way


def test_what_one_vault_seals_another_opens(vault: Vault, tmp_path: Path) -> None:
    vault.cases.new("Harbour Street", code="HARBOUR")
    case = vault.cases.get("HARBOUR")
    case.items.add_stream(io.BytesIO(CONTENTS[0]), file_name="VID_2041.mp4", description=Description(note="from her"))
    case.items.add_text("Слова свидетеля")
    case.items.get(2).circumstances(within_reach="no", place="Batumi")
    case.persons.add(PersonFields("Мадина"))
    with make_vault(tmp_path / "other") as other:
        vault.partners.add("Other", card=other.identity.card(classical=True))
        other.partners.add("Us", card=vault.identity.card())
        other.partners.get("Us").verify(" ".join(vault.identity.show().digits), in_person=True)
        includes = ("names", "notes", "circumstances")
        verdicts = []
        for number, classical in enumerate((False, True), 1):
            path = tmp_path / f"{number}.age"
            with case.seal(
                to="Other", items="all", persons=(1,), includes=includes, purpose="for court", classical=classical
            ) as sealing:
                sealing.write(path)
        for number in (2, 1):
            found, arrived = other.open_file(tmp_path / f"{number}.age", spoken=nobody)
            verdicts.append((found.verdict.gap, found.verdict.late, found.verdict.rival))
            case_there = other.cases.get(arrived.code)
            for position, content in enumerate((CONTENTS[0], "Слова свидетеля".encode()), 1):
                with case_there.items.get(position).open() as reading:
                    assert b"".join(map(bytes, reading)) == content
        assert verdicts == [(True, False, False), (False, True, False)]
        shown = case_there.items.get(2).show()
        assert shown.statement == Circumstances(within_reach="no", place="Batumi")
        assert shown.receptions[0].origin.purpose == "for court"
        assert case_there.items.get(1).show().notes[0].text == "from her"
        assert case_there.persons.get(1).show().name == "Мадина"
        with pytest.raises(errors.NotForUs):
            vault.open_file(tmp_path / "1.age", spoken=nobody)
        # With a passphrase, to anybody who was told it.
        words = "anchor-bicycle-cloud-dance-early-fabric-garage-hotel"
        with case.seal(to=None, items=(2,)) as sealing:
            sealing.write(tmp_path / "3.age", passphrase=words)
        found, arrived = other.open_file(tmp_path / "3.age", spoken=lambda: words)
        assert (found.verdict.gap, found.verdict.late, found.verdict.rival) == (False, False, False)
        assert other.check(read_data=True).findings == ()
