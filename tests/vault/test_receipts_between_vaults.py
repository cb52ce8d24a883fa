"""Two vaults that know each other: what one seals the other opens and confirms, and the first one knows who has what."""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import Failure, FaultyDisk, every_failure, replaced
from pairs import Pair
from sessions import session
from somebody import Somebody
from vaults import FailingLog, key_file, object_files

from crypto import age
from crypto.padding import padded_size
from vault import Vault, dropping, errors, identity, introductions, receipt_files, schema
from vault.log_requests import LogEntry
from vault.tables import blob
from vault.unsealing import Found

VIDEO = bytes(range(256)) * 3000


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    pair.case.items.add_stream(io.BytesIO(VIDEO), file_name="road.mp4")
    pair.case.items.add_text("She came by the night train.")
    yield pair
    pair.close()


def test_what_was_opened_is_confirmed_and_known_at_the_sender(pair: Pair) -> None:
    sent = pair.seal()
    (before,) = pair.ours.shares()
    assert (before.confirmed, before.arrived, before.complete) == (None, None, None)
    written = pair.confirm(sent.path)
    taken = pair.ours.take_receipt(written.path)
    assert (taken.partner, taken.code, taken.sequence) == ("Bear", "HARBOUR", 1)
    assert (taken.complete, taken.items, taken.again) == (True, 2, False)
    (share,) = pair.ours.shares()
    assert (share.complete, share.arrived_items, share.confirmed) == (True, 2, taken.confirmed)
    assert share.arrived == pair.theirs.keeper.registry.rows(schema.RECEIVED)[0]["happened"]
    assert (share.purpose, share.terms, share.items) == ("hearing", "read only", (1, 2))


def test_nothing_but_the_sender_reads_anything_of_a_receipt(pair: Pair) -> None:
    sent = pair.seal()
    written = pair.confirm(sent.path)
    data = written.path.read_bytes()
    header = age.read_header(io.BytesIO(data))
    assert [each.kind for each in header.stanzas] == [age.HYBRID]
    plain = io.BytesIO()
    seed = blob(pair.ours.keeper.registry.rows(schema.IDENTITY)[0], "hybrid_seed")
    age.decrypt(io.BytesIO(data), plain, [age.HybridIdentity(seed)])
    assert len(plain.getvalue()) == padded_size(len(plain.getvalue())) >= 64 << 10
    for known in ("HARBOUR", "Anna", "Bear", sent.share_id, "receipt", pair.ours.identity.show().fingerprint):
        assert known.encode() not in data
        assert known not in written.path.name
    assert written.path.suffix == ".age"
    assert written.path.name.startswith("sealed-"), "by its name it is a sealed file like any other"
    if sys.platform != "win32":
        assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
    with pair.ours.cases.get("HARBOUR").seal(to="Bear", items=[2]) as sealing:
        assert len(data) == sealing.write(pair.folder).size_bytes, "and so it is by its size"


def test_a_receipt_can_be_written_later_when_the_same_file_comes_again(pair: Pair) -> None:
    sent = pair.seal()
    pair.open(sent.path)
    again = pair.theirs.write_receipt(pair.open(sent.path), pair.out)
    assert pair.ours.take_receipt(again.path).complete
    assert len(pair.theirs.cases.list()) == 1


def test_a_file_that_was_sealed_classically_for_a_card_is_confirmed_too(pair: Pair) -> None:
    pair.ours.partners.get("Bear").remove()
    pair.ours.partners.add("Bear", card=pair.theirs.identity.card(classical=True))
    sent = pair.seal(classical=True)
    assert pair.ours.take_receipt(pair.confirm(sent.path).path).complete


def test_a_file_that_was_not_stored_is_not_confirmed(pair: Pair) -> None:
    found = pair.theirs.inspect_file(pair.seal().path, spoken=lambda: "")
    with pytest.raises(errors.NoReceipt, match="not stored"):
        pair.theirs.write_receipt(found, pair.out)
    assert [(each.phase, each.reason) for each in pair.theirs.log() if each.act == "receipt-make"] == [
        ("intent", None),
        ("failed", "NoReceipt"),
    ]


def refuses(pair: Pair, found: Found, reason: str) -> None:
    with pytest.raises(errors.NoReceipt, match=reason):
        pair.theirs.write_receipt(found, pair.out)
    assert list(pair.out.iterdir()) == []


def test_nothing_is_confirmed_to_somebody_whom_no_signature_proves(pair: Pair) -> None:
    original = pair.folder / "letter.txt"
    original.write_bytes(b"dropped")
    drop = pair.folder / "drop.age"
    dropping.drop([original], pair.theirs.identity.card(), drop, clock=pair.theirs.keeper.clock)
    refuses(pair, pair.open(drop), "nobody signed")
    plain = pair.folder / "plain.age"
    with plain.open("wb") as file:
        age.encrypt(io.BytesIO(b"a letter"), file, [age.parse_recipient(pair.theirs.identity.show().age_recipient)])
    refuses(pair, pair.open(plain), "nobody signed")


def test_nothing_is_confirmed_that_came_for_a_passphrase_or_an_age_recipient(pair: Pair) -> None:
    spoken = pair.seal(None)
    refuses(pair, pair.open(spoken.path), "passphrase")
    pair.ours.partners.get("Bear").remove()
    pair.ours.partners.add("Bear by age", age=pair.theirs.identity.show().age_recipient)
    refuses(pair, pair.open(pair.seal("Bear by age").path), "age recipient alone")


def test_nothing_is_confirmed_to_somebody_who_is_no_partner_until_they_are_one(pair: Pair) -> None:
    pair.theirs.partners.get("Anna").remove()
    sent = pair.seal()
    found = pair.open(sent.path)
    refuses(pair, found, "not among your partners")
    # Known by an age recipient alone is not known.
    pair.theirs.partners.add("Anna by age", age=pair.ours.identity.show().age_recipient)
    refuses(pair, pair.open(sent.path), "not among your partners")
    pair.theirs.partners.get("Anna by age").remove()
    pair.theirs.partners.add("Anna", card=pair.ours.identity.card())
    assert pair.ours.take_receipt(pair.confirm(sent.path).path).complete


def test_nothing_is_confirmed_while_another_card_of_the_sender_waits(pair: Pair) -> None:
    sent = pair.seal()
    found = pair.open(sent.path)
    with pytest.raises(errors.PartnerChanged):
        pair.theirs.partners.add("Anna", card=Somebody(7).card())
    with pytest.raises(errors.PartnerChanged):
        pair.theirs.write_receipt(found, pair.out)


def cut(path: Path, to: Path, at: int) -> Path:
    to.write_bytes(path.read_bytes()[:at])
    return to


def test_the_sender_learns_that_a_file_did_not_come_whole_and_then_that_it_did(pair: Pair) -> None:
    sent = pair.seal()
    objects = object_files(pair.theirs.path)
    told: list[tuple[Found, int]] = []
    part = cut(sent.path, pair.folder / "part.age", sent.path.stat().st_size - 30_000)
    with pytest.raises(errors.SealedFileRefused):
        pair.theirs.open_file(
            part, spoken=lambda: "", accept=lambda _found: True, incomplete=lambda *found: told.append(found)
        )
    ((found, came),) = told
    assert object_files(pair.theirs.path) == objects
    written = pair.theirs.write_receipt(found, pair.out, came=came)
    taken = pair.ours.take_receipt(written.path)
    assert (taken.complete, taken.items) == (False, came)
    (share,) = pair.ours.shares()
    assert (share.complete, share.arrived_items) == (False, came)
    # And then it comes whole.
    assert pair.ours.take_receipt(pair.confirm(sent.path).path).complete
    assert pair.ours.shares()[0].complete
    with pytest.raises(errors.NoReceipt, match="all of this file came"):
        pair.theirs.write_receipt(found, pair.out, came=came)


def test_of_a_file_whose_signatures_do_not_hold_or_whose_sender_is_not_accepted_nothing_is_said(pair: Pair) -> None:
    told: list[object] = []
    sent = pair.seal()
    for wrong in (cut(sent.path, pair.folder / "part.age", 3000), cut(sent.path, pair.folder / "few.age", 2200)):
        with pytest.raises(errors.SealedFileRefused):
            pair.theirs.open_file(
                wrong, spoken=lambda: "", accept=lambda _found: True, incomplete=lambda *found: told.append(found)
            )
    with pytest.raises(errors.SenderUnproven):
        pair.theirs.open_file(
            sent.path, spoken=lambda: "", accept=lambda _found: False, incomplete=lambda *found: told.append(found)
        )
    assert told == []


def test_a_receipt_is_never_taken_in_as_a_file(pair: Pair) -> None:
    written = pair.confirm(pair.seal().path)
    for look in (
        lambda: pair.ours.open_file(written.path, spoken=lambda: "", accept=lambda _found: True),
        lambda: pair.ours.inspect_file(written.path, spoken=lambda: ""),
    ):
        with pytest.raises(errors.Refused, match="this is a receipt"):
            look()
    assert [case.code for case in pair.ours.cases.list()] == ["HARBOUR"]


def test_a_receipt_goes_over_nothing_and_not_into_the_vault(pair: Pair) -> None:
    found = pair.open(pair.seal().path)
    there = pair.out / "there.age"
    there.write_bytes(b"mine")
    for target, error in {
        there: errors.AlreadyThere,
        pair.out / "no" / "folder": errors.NoSuchFolder,
        pair.theirs.path / "objects": errors.Refused,
        pair.theirs.path / "x.age": errors.Refused,
    }.items():
        with pytest.raises(error):
            pair.theirs.verify_place(target)
        with pytest.raises(error):
            pair.theirs.write_receipt(found, target)
    assert there.read_bytes() == b"mine"
    assert not [each for each in pair.theirs.log() if each.act == "receipt-make"], "nothing was signed for it"


def test_the_log_names_to_whom_a_receipt_went_and_its_digest(pair: Pair) -> None:
    written = pair.confirm(pair.seal().path)
    intent, signed, done = [each for each in pair.theirs.log() if each.act == "receipt-make"]
    to = (pair.ours.identity.show().fingerprint,)
    assert (intent.phase, intent.counterparty, intent.recipients) == ("intent", "Anna", to)
    for entry, phase in ((signed, "intent"), (done, "done")):
        assert (entry.phase, entry.counterparty, entry.recipients) == (phase, "Anna", to)
        assert (entry.digest, entry.size_bytes) == (written.sha256, written.size_bytes)


def test_the_log_says_that_a_receipt_was_made_when_it_is_on_the_disk_and_not_before(pair: Pair) -> None:
    found = pair.open(pair.seal().path)
    disk = FaultyDisk()

    def check(failure: Failure) -> None:
        added = [each for each in pair.theirs.log() if each.act == "receipt-make"][len(before) :]
        there = list(pair.out.iterdir())
        if failure.raised is None or isinstance(failure.raised, errors.OutcomeUnrecorded):
            assert len(there) == 1
        else:
            assert (there, "done" in [each.phase for each in added]) == ([], False)
            phases.update(each.phase for each in added)

    def prepare() -> None:
        for path in pair.out.iterdir():
            path.unlink()
        before[:] = [each for each in pair.theirs.log() if each.act == "receipt-make"]

    before: list[LogEntry] = []
    phases: set[str] = set()
    every_failure(lambda: pair.theirs.write_receipt(found, pair.out), check, prepare=prepare, kinds=("full",))
    assert phases == {"intent", "failed"}
    prepare()
    with replaced(disk), FailingLog(pair.theirs, 3) as log, pytest.raises(errors.OutcomeUnrecorded):
        pair.theirs.write_receipt(found, pair.out)
    assert log.fired
    disk.lose_unsynced()
    (path,) = pair.out.iterdir()
    assert pair.ours.take_receipt(path).complete


def test_without_a_log_no_receipt_is_signed_and_none_is_taken_in(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = pair.seal()
    written = pair.confirm(sent.path)
    found = pair.open(sent.path)
    monkeypatch.setattr(identity, "OwnIdentity", lambda *_: pytest.fail("the identity was opened"))
    monkeypatch.setattr(introductions, "OwnIdentity", lambda *_: pytest.fail("the identity was opened"))
    with FailingLog(pair.theirs), pytest.raises(errors.LogUnavailable):
        pair.theirs.write_receipt(found, pair.out)
    with FailingLog(pair.ours), pytest.raises(errors.LogUnavailable):
        pair.ours.take_receipt(written.path)
    monkeypatch.undo()
    with FailingLog(pair.theirs, 2), pytest.raises(errors.LogUnavailable):
        pair.theirs.write_receipt(found, pair.out)
    with FailingLog(pair.ours, 2), pytest.raises(errors.LogUnavailable):
        pair.ours.take_receipt(written.path)
    assert list(pair.out.iterdir()) == [written.path]
    assert pair.ours.shares()[0].confirmed is None
    assert not pair.ours.take_receipt(written.path).again


def test_a_client_that_goes_away_leaves_no_receipt_and_no_open_intent(pair: Pair, home: Path) -> None:
    found = pair.open(pair.seal().path)
    with session(pair.theirs, home.parent / "run" / "b") as served:
        client = served.attach()
        made = client.keeper.receipt_make(receipt_files._request(found, None))
        client.close()
        with served.attach() as other:
            with pytest.raises(errors.ReceiptRefused):
                other.keeper.receipt_end(made.intent, "done")
            phases = [each.phase for each in other.log() if each.act == "receipt-make"]
    assert phases == ["intent", "intent", "failed"]


def test_in_a_session_all_of_it_is_the_same(pair: Pair, home: Path) -> None:
    with (
        session(pair.ours, home.parent / "run" / "a") as at_ours,
        session(pair.theirs, home.parent / "run" / "b") as at_theirs,
        at_ours.attach() as ours,
        at_theirs.attach() as theirs,
    ):
        with ours.cases.get("HARBOUR").seal(to="Bear", items="all") as sealing:
            sent = sealing.write(pair.folder)
        found, _ = theirs.open_file(sent.path, spoken=lambda: "", accept=lambda _found: True)
        written = theirs.write_receipt(found, pair.out)
        assert ours.take_receipt(written.path).complete
        assert ours.take_receipt(written.path).again
        assert ours.shares(case="HARBOUR")[0].complete
        with pytest.raises(errors.BadReceipt):
            ours.take_receipt(cut(written.path, pair.folder / "part", 30_000))
        spoken = pair.folder / "letter.txt"
        spoken.write_bytes(b"dropped")
        dropping.drop([spoken], theirs.identity.card(), pair.folder / "drop.age", clock=pair.theirs.keeper.clock)
        found, _ = theirs.open_file(pair.folder / "drop.age", spoken=lambda: "")
        with pytest.raises(errors.NoReceipt, match="nobody signed"):
            theirs.write_receipt(found, pair.out)


# Who has what


def test_grants_has_an_entry_in_the_log_of_every_case_that_it_tells_of(pair: Pair) -> None:
    pair.ours.cases.new("Nothing was sealed", code="MEADOW")
    pair.seal()
    pair.seal()
    assert len(pair.ours.shares()) == 2
    intent, done, of_case = [each for each in pair.ours.log() if each.act == "grants"]
    assert (intent.case, done.case, of_case.case) == (None, None, "HARBOUR")
    assert of_case.answers == done.answers == intent.number
    assert [each.act for each in pair.ours.log("MEADOW") if each.act == "grants"] == []
    assert pair.ours.shares(case="MEADOW") == ()
    assert [each.phase for each in pair.ours.log("MEADOW") if each.act == "grants"] == ["intent", "done"]


def test_who_was_removed_still_has_what_they_were_sent(pair: Pair) -> None:
    pair.ours.take_receipt(pair.confirm(pair.seal().path).path)
    pair.ours.partners.get("Bear").remove()
    (share,) = pair.ours.shares(partner="Bear")
    assert (share.partner, share.complete, share.state) == ("Bear", True, "sent")
    assert share.removed is not None


def test_what_was_confirmed_stays_so_after_the_case_is_gone_and_after_new_keys(pair: Pair) -> None:
    pair.ours.take_receipt(pair.confirm(pair.seal().path).path)
    pair.ours.change_passphrase(key_file(), key_file(1))
    assert pair.ours.shares()[0].purpose == "hearing"
    pair.ours.cases.get("HARBOUR").delete(key_file(1))
    (share,) = pair.ours.shares()
    assert (share.complete, share.code, share.items, share.purpose) == (True, "HARBOUR", (), None)


def test_a_receipt_for_a_file_of_a_deleted_case_is_still_taken_in(pair: Pair) -> None:
    written = pair.confirm(pair.seal().path)
    pair.ours.cases.get("HARBOUR").delete(key_file())
    assert pair.ours.take_receipt(written.path).complete
    assert pair.ours.check().findings == ()


def test_after_any_failure_of_the_disk_a_receipt_is_whole_or_not_there(pair: Pair) -> None:
    found = pair.open(pair.seal().path)

    def check(failure: Failure) -> None:
        done = failure.raised is None or isinstance(failure.raised, errors.OutcomeUnrecorded)
        assert failure.kind != "full" or len(list(pair.out.iterdir())) == done
        for path in pair.out.iterdir():
            if path.suffix == ".age":
                with path.open("rb") as file:
                    seed = blob(pair.ours.keeper.registry.rows(schema.IDENTITY)[0], "hybrid_seed")
                    age.decrypt(file, io.BytesIO(), [age.HybridIdentity(seed)])
            else:
                assert path.suffix == ".partial"
            path.unlink()

    failures = every_failure(
        lambda: pair.theirs.write_receipt(found, pair.out),
        check,
        prepare=pair.begin_again,
        kinds=("full", "broken", "crash", "power cut"),
    )
    assert failures > 8
    assert isinstance(pair.theirs, Vault)
