"""Partners are witnesses: a sealed file proves that it is logged, and what one file showed of a log no later one takes back."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bags
import pytest
from pairs import Pair
from sealing import Sender as Partner
from sealing import To, sealed
from their_logs import TheirLog
from vaults import copied, key_file, make_vault, open_vault

from crypto import mldsa, sshsig
from crypto.encoding import canonical_json
from crypto.labels import SignedKind
from crypto.signing import Checkpoint
from vault import Vault, bag, cards, errors, log_showing, schema, witnessing
from vault.archive import ArchiveReader
from vault.confirmations import Confirmation
from vault.errors import SealedFileRefused
from vault.log_proofs import EVIDENCE, MOST_EARLIER, Earlier, LogProofs
from vault.sealed import SealedManifest
from vault.verifying import verify_tags

SENDER = bags.Sender()


# What a file must prove


def judged(manifest: SealedManifest, files: dict[str, bytes]) -> Any:
    data = bags.packed(bags.members_of(manifest, files))
    tags = bag.BagReader(io.BytesIO(data)).read_tags()
    return verify_tags(tags, parse_card=cards.Card.from_bytes, stanza="mlkem768x25519", ours=[bags.TO]).head


def shared(log: TheirLog, manifest: SealedManifest | None = None, **wrong: Any) -> dict[str, bytes]:
    """The tag files of a share that this log has, with wrong parts, signed by its sender all the same."""
    manifest = manifest or bags.share()
    return bags.tags_of(manifest, replaced=log.share(manifest.to_bytes(), manifest.to, **wrong))


def logged(sender: Partner, log: TheirLog, manifest: SealedManifest, to: To) -> bytes:
    """A file for a vault, in a log of its sender's."""
    proofs = log.share(manifest.to_bytes(), manifest.to)
    return sealed(bags.packed(sender.members(manifest, replaced=proofs)), to.hybrid)


def test_what_the_log_has_is_shown_with_nothing_else_of_the_entry() -> None:
    log = TheirLog(SENDER)
    files = shared(log)
    head = judged(bags.share(), files)
    assert (head.generation, head.size, head.root) == (1, 4, log.tree.root().hex())
    assert [name for name, _ in _members(head.evidence)] == list(EVIDENCE)
    fields = json.loads(files[bag.LOG_PROOFS])["share"]["fields"]
    assert [each["name"] for each in fields if "value" in each] == ["act", "digest", "recipients"]
    assert b"Bear" not in files[bag.LOG_PROOFS]


def test_the_first_step_of_a_generation_has_the_certified_key() -> None:
    log = TheirLog(SENDER)
    log.begin_generation()
    files = shared(log)
    assert json.loads(files[bag.LOG_PROOFS])["key"] is None
    assert judged(bags.share(), files).generation == 2


def _members(archive: bytes) -> list[tuple[str, bytes]]:
    return [(each.name, each.read(1 << 20)) for each in ArchiveReader(io.BytesIO(archive))]


def other_log() -> TheirLog:
    return TheirLog(SENDER, vault_id=bytes(32))


def earlier_of(log: TheirLog, **values: Any) -> dict[str, Any]:
    """What it goes on from, with something wrong; the log stands at five entries."""
    log.share(b"another file", bags.TO.hex())
    log.misstated = values
    return {}


def earlier_beyond(log: TheirLog) -> dict[str, Any]:
    """What it goes on from is of the first generation, and named as of the second, which begins there."""
    wrong = earlier_of(log, generation=2)
    log.begin_generation()
    return wrong


def another_beginning(log: TheirLog) -> dict[str, Any]:
    """The second generation begins with a state that is not the one which leads there."""
    earlier_of(log)
    log.begin_generation()
    values = {name: getattr(log.certificates[1], name) for name in ("generation", "first_step", "size", "first_key")}
    return {"generations": (log.certificates[0], log.certified(**values, root=bytes(32)))}


def certified(log: TheirLog, by: bags.Sender | None = None, **values: Any) -> dict[str, Any]:
    now = log.certificates[-1]
    given = {name: getattr(now, name) for name in ("generation", "first_step", "size", "root", "first_key")}
    return {"generations": (log.certified(by, **(given | values)),)}


def mismatched(log: TheirLog) -> dict[str, Any]:
    return {"generations": (dataclasses.replace(log.certificates[0], first_step=2),)}


def shrunk(log: TheirLog) -> dict[str, Any]:
    """Later by its step, and before fewer entries."""
    given = {name: getattr(log.certificates[0], name) for name in ("root", "first_key")}
    before = log.certified(**given, generation=0, first_step=0, size=7)
    return {"generations": (before, *log.certificates)}


WRONG: dict[str, Callable[[TheirLog], dict[str, Any]]] = {
    "another file": lambda _: {"fields": {"digest": "00" * 32}},
    "another recipient": lambda _: {"fields": {"recipients": [SENDER.fingerprint.hex()]}},
    "no recipient": lambda _: {"fields": {"recipients": None}},
    "another act": lambda _: {"fields": {"act": "open"}},
    "less shown than needed": lambda _: {"shown": ("act", "digest")},
    "more shown than needed": lambda _: {"shown": ("act", "counterparty", "digest", "recipients")},
    "signed by another key": lambda _: {"seed": bytes(32)},
    "signed by the key of the step before": lambda log: {"seed": log.seed(len(log.leaves))},
    "the entry without its predecessor": lambda _: {"key": None},
    "no generation": lambda _: {"generations": ()},
    "a generation certified by somebody else": lambda log: certified(log, by=bags.Sender(2)),
    "a generation that is not the certified one": mismatched,
    "a generation of later": lambda log: certified(log, first_step=9, size=8),
    "a generation of another number": lambda log: certified(log, generation=2),
    "a generation of fewer entries than the one before": shrunk,
    "a generation twice": lambda log: {"generations": (*log.certificates, *log.certificates)},
    "an earlier state with another root": lambda log: earlier_of(log, root=bytes(32)),
    "an earlier state with another size": lambda log: earlier_of(log, size=3),
    "an earlier state of a generation that is not listed": lambda log: earlier_of(log, generation=999),
    "an earlier state of no generation": lambda log: earlier_of(log, generation=0),
    "an earlier state of the generation after its own": earlier_beyond,
    "a generation that begins with another state": another_beginning,
    "an earlier state of later": lambda log: earlier_of(log, size=9),
    "an earlier state without a proof": lambda log: earlier_of(log, proof=()),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_share_whose_proofs_do_not_hold_is_refused(what: str) -> None:
    log = TheirLog(SENDER)
    assert judged(bags.share(), shared(log)).size == 4
    log = TheirLog(SENDER)
    with pytest.raises(SealedFileRefused):
        judged(bags.share(), shared(log, **WRONG[what](log)))


def test_the_last_state_of_a_generation_is_where_the_next_one_begins() -> None:
    log = TheirLog(SENDER)
    earlier_of(log)
    log.begin_generation()
    assert [each[:2] for each in judged(bags.share(), shared(log)).earlier] == [(1, 4)]


def test_a_share_without_proofs_is_refused() -> None:
    files = bags.tags_of(bags.share())
    for name in (bag.LOG_CHECKPOINT, bag.LOG_PROOFS):
        with pytest.raises((SealedFileRefused, ValueError)):
            judged(bags.share(), {each: data for each, data in files.items() if each != name})
        with pytest.raises(SealedFileRefused):
            judged(bags.share(), bags.tags_of(bags.share(), replaced={name: b""}))


def test_the_proof_of_another_share_or_of_another_log_proves_nothing() -> None:
    log = TheirLog(SENDER)
    of_another = log.share(bags.share(purpose="another").to_bytes(), bags.TO.hex())
    with pytest.raises(SealedFileRefused, match="another file"):
        judged(bags.share(), bags.tags_of(bags.share(), replaced=of_another))
    with pytest.raises(SealedFileRefused, match="certified"):
        judged(bags.share(), shared(other_log()))
    right = TheirLog(SENDER).share(bags.share().to_bytes(), bags.TO.hex())
    later = TheirLog(SENDER)
    later.append({})
    exchanged = right | {bag.LOG_CHECKPOINT: later.share(bags.share().to_bytes(), bags.TO.hex())[bag.LOG_CHECKPOINT]}
    with pytest.raises(SealedFileRefused):
        judged(bags.share(), bags.tags_of(bags.share(), replaced=exchanged))


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note + note.splitlines(keepends=True)[-1],
        lambda note: note[:-1],
        lambda note: note.replace(b"\n\n", b"\nan extension\n\n"),
        lambda note: note.replace(b"/g1", b"/g2"),
        lambda note: b"\n" + note,
    ],
)
def test_a_checkpoint_of_another_form_is_refused(change: Callable[[bytes], bytes]) -> None:
    files = TheirLog(SENDER).share(bags.share().to_bytes(), bags.TO.hex())
    files[bag.LOG_CHECKPOINT] = change(files[bag.LOG_CHECKPOINT])
    with pytest.raises(SealedFileRefused):
        judged(bags.share(), bags.tags_of(bags.share(), replaced=files))


@pytest.mark.parametrize("value", [None, True, 2, "text", [], {}, [None] * 65, {"leaf": 1, "proof": []}])
def test_proofs_of_another_form_are_refused(value: object) -> None:
    data = json.loads(TheirLog(SENDER).share(b"file", bags.TO.hex())[bag.LOG_PROOFS])
    allowed = {"earlier": [], "key": None}
    places = [name for name in data if value != allowed.get(name, "")]
    assert len(places) >= 4
    for place in places:
        with pytest.raises(SealedFileRefused):
            LogProofs.from_bytes(canonical_json(data | {place: value}))
    assert LogProofs.from_bytes(canonical_json(data | allowed))


# Two vaults


class Vaults(Pair):
    """Ours can be put back to what it was."""

    def exchange(self, path: Path) -> None:
        """Ours is closed, and another copy lies in its place."""
        self.ours.close()
        shutil.rmtree(self.path)
        copied(path, self.path)
        self.ours = open_vault(self.path)

    def copy(self, name: str) -> Path:
        self.ours.close()
        path = copied(self.path, self.folder / name)
        self.ours = open_vault(self.path)
        return path


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Vaults]:
    pair = Vaults(tmp_path)
    pair.case.items.add_text("She came by the night train.")
    yield pair
    pair.close()


def test_a_receipt_confirms_the_log_up_to_the_file(pair: Vaults) -> None:
    assert pair.ours.log_status().confirmed == ()
    sent = pair.seal()
    (row,) = pair.ours.keeper.registry.rows(schema.SENT_HEADS)
    ((size,),) = pair.ours.keeper.registry.store.execute("SELECT size FROM log_steps WHERE step = ?", (row["step"],))
    taken = pair.ours.take_receipt(pair.confirm(sent.path).path)
    assert taken.log == "confirmed"
    (witness,) = pair.ours.log_status().confirmed
    assert (witness.partner, witness.generation, witness.entries) == ("Bear", 1, size)
    assert pair.ours.log_status().forks == ()


def test_the_log_goes_on_between_files_and_late_ones_are_taken(pair: Vaults) -> None:
    sent = [pair.seal() for _ in range(4)]
    pair.ours.cases.get("HARBOUR").note("between")
    for place in (0, 2, 1, 3):
        assert pair.open(sent[place].path).verdict.new_generation is None
    assert pair.theirs.log_status().forks == ()
    assert len([row for row in pair.theirs.keeper.registry.rows(schema.SEEN_HEADS) if row["evidence"]]) == 1


def restored(pair: Vaults) -> Vault:
    """The partner goes on from their backup."""
    pair.theirs.close()
    Vault.restore(pair.folder / "backup", pair.folder / "restored", key_file())
    return open_vault(pair.folder / "restored")


def test_a_partner_who_goes_on_from_an_old_backup_is_not_locked_out(pair: Vaults) -> None:
    pair.open(pair.seal().path)
    pair.theirs.backup(pair.folder / "backup")
    for _ in range(10):
        pair.ours.take_receipt(pair.confirm(pair.seal().path).path)
    last = pair.seal()
    pair.theirs = restored(pair)
    pair.open(last.path)
    assert pair.theirs.log_status().forks == ()


def test_of_what_is_proved_the_newest_stays(pair: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_showing, "MOST_EARLIER", 3)
    monkeypatch.setattr(log_showing, "LEAST_WHEN_FULL", 3)
    for _ in range(5):
        pair.seal()
    registry, bear = pair.ours.keeper.registry, pair.theirs.identity.show().fingerprint
    ((newest,),) = registry.store.execute("SELECT max(size) FROM log_steps WHERE step IN (SELECT step FROM sent_heads)")
    found = log_showing._to_prove(registry, bear)
    assert (len(found), found[-1][1]) == (3, newest)


def test_a_backup_older_than_what_is_proved_goes_on_with_the_files_since_then_and_the_suspicion_ends(
    pair: Vaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.open(pair.seal().path)
    pair.theirs.backup(pair.folder / "backup")
    with monkeypatch.context() as patch:  # a sender who proves less than a file has room for
        patch.setattr(log_showing, "MOST_EARLIER", 3)
        patch.setattr(log_showing, "LEAST_WHEN_FULL", 3)
        since = [pair.seal().path for _ in range(6)]
    for path in since:
        pair.ours.take_receipt(pair.confirm(path).path)
    pair.theirs = restored(pair)
    with pytest.raises(SealedFileRefused, match=r"restored from a backup, open the files first that came since then"):
        pair.open(since[-1])
    (fork,) = pair.theirs.log_status().forks
    assert (fork.kind, pair.theirs.warnings[-1]) == (witnessing.UNCONNECTED, "partner-log-forked")
    for path in since:
        pair.open(path)
    assert pair.theirs.log_status().forks == ()
    assert "partner-log-forked" not in pair.theirs.warnings


def test_files_by_other_ways_do_not_break_the_chain(pair: Vaults) -> None:
    first = pair.seal()
    spoken = [pair.seal(to=None), pair.seal(to=None)]
    last = pair.seal()
    for sent in (first, spoken[1], last, spoken[0]):
        pair.open(sent.path)
    assert pair.theirs.log_status().forks == ()


def test_an_older_copy_that_goes_on_is_found_by_the_partner_and_by_the_receipt(pair: Vaults) -> None:
    pair.open(pair.seal().path)
    older = pair.copy("older")
    second = pair.seal()
    receipt = pair.confirm(second.path).path
    pair.exchange(older)
    pair.ours.cases.get("HARBOUR").note("another history")
    rewritten = pair.seal()
    with pytest.raises(SealedFileRefused, match="log"):
        pair.open(rewritten.path)
    (fork,) = pair.theirs.log_status().forks
    assert (fork.partner, fork.sender) == ("Anna", pair.ours.identity.show().fingerprint)
    (row,) = pair.theirs.keeper.registry.rows(schema.FORKS)
    for evidence in (row["first"], row["second"]):
        _verify_evidence(bytes(evidence))
    # The same again is the same proof.
    with pytest.raises(SealedFileRefused):
        pair.theirs.inspect_file(rewritten.path)
    assert len(pair.theirs.log_status().forks) == 1
    pair.theirs.close()
    with open_vault(pair.folder / "theirs") as again:
        assert "partner-log-forked" in again.warnings
        assert again.check().findings == ()
    # The receipt for the file that this history does not know proves it to ourselves.
    with pytest.raises(errors.OtherHistory, match="Bear"):
        pair.ours.take_receipt(receipt)
    (own,) = pair.ours.log_status().forks
    assert (own.kind, own.sender, own.partner) == ("not-ours", None, "Bear")
    assert pair.ours.log_status().confirmed == ()
    pair.ours.close()
    with open_vault(pair.path) as again:
        assert "own-log-forked" in again.warnings
    pair.ours, pair.theirs = open_vault(pair.path), open_vault(pair.folder / "theirs")


def _verify_evidence(archive: bytes) -> None:
    """Anybody can see that the sender's identity has signed this state."""
    files = dict(_members(archive))
    card = cards.Card.from_bytes(files[bag.CARD])
    signed = files[bag.TAGMANIFEST]
    sshsig.verify(card.ed25519, signed, files[bag.SIGNATURE], kind=SignedKind.SEALED_FILE)
    mldsa.verify(card.mldsa65, signed, files[bag.MLDSA_SIGNATURE], kind=SignedKind.SEALED_FILE)
    listed = bag.manifest((name, bags.hashlib.sha256(files[name]).hexdigest()) for name in EVIDENCE[4:])
    assert listed in signed


def test_a_history_that_ends_earlier_is_refused(pair: Vaults) -> None:
    older = pair.copy("older")
    for _ in range(3):
        last = pair.seal()
    pair.open(last.path)
    pair.exchange(older)
    with pytest.raises(SealedFileRefused, match="log"):
        pair.open(pair.seal().path)
    assert len(pair.theirs.log_status().forks) == 1


def test_a_restored_vault_is_said_to_have_a_gap_and_goes_on(pair: Vaults) -> None:
    pair.open(pair.seal().path)
    pair.ours.backup(pair.folder / "backup")
    lost = pair.seal()
    receipt = pair.confirm(lost.path).path
    pair.ours.close()
    Vault.restore(pair.folder / "backup", pair.folder / "again", key_file())
    pair.ours = open_vault(pair.folder / "again")
    again = pair.seal()
    assert pair.open(again.path).verdict.new_generation == 2
    assert pair.theirs.log_status().forks == ()
    assert pair.open(pair.seal().path).verdict.new_generation is None
    # What was confirmed of the lost part is said, and is no fork; the file itself is not known any more.
    with pytest.raises(errors.BadReceipt, match="was restored"):
        pair.ours.take_receipt(receipt)
    assert pair.ours.log_status().forks == ()
    assert pair.ours.take_receipt(pair.theirs.write_receipt(pair.open(again.path), pair.out).path).log


def test_what_a_file_showed_is_remembered_though_it_could_not_be_stored(
    pair: Vaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.open(pair.seal().path)
    pair.ours.backup(pair.folder / "backup")
    pair.open(pair.seal().path)
    pair.ours.close()
    Vault.restore(pair.folder / "backup", pair.folder / "again", key_file())
    pair.ours = open_vault(pair.folder / "again")
    sent = pair.seal()

    def full(*_: object) -> None:
        raise errors.NoSpace(path="the vault")

    with monkeypatch.context() as patch:
        patch.setattr("vault.storing.place", full)
        with pytest.raises(errors.NoSpace):
            pair.open(sent.path)
    assert len(pair.theirs.keeper.registry.rows(schema.RECEIVED)) == 2
    assert {row["generation"] for row in pair.theirs.keeper.registry.rows(schema.SEEN_HEADS)} == {1, 2}
    # Whoever tries again hears of the gap, which nobody may have read before.
    assert pair.open(sent.path).verdict.new_generation == 2
    assert pair.open(pair.seal().path).verdict.new_generation is None


# Partners who confirm nothing, and those who were put back


def compared(pair: Vaults) -> None:
    """Theirs has compared our card, so that nothing else is to be accepted of our files."""
    pair.theirs.partners.get("Anna").verify(" ".join(pair.ours.identity.show().digits), in_person=True)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has room for four earlier states."""
    monkeypatch.setattr(log_showing, "MOST_EARLIER", 4)
    monkeypatch.setattr(log_showing, "LEAST_WHEN_FULL", 4)


def proven(pair: Vaults) -> list[int]:
    """Of which states theirs keeps what proves that they were shown."""
    return [row["size"] for row in pair.theirs.keeper.registry.rows(schema.SEEN_HEADS) if row["evidence"]]


def test_hundreds_of_files_that_nobody_opened_or_confirmed_are_connected(pair: Vaults) -> None:
    compared(pair)
    pair.open(pair.seal().path)
    for _ in range(66):
        last = pair.seal()
    assert pair.open(last.path, accept=False).verdict.unconnected is None
    assert pair.theirs.log_status().forks == ()


def test_all_earlier_states_for_which_there_is_room_fit_into_a_file(pair: Vaults) -> None:
    registry = pair.ours.keeper.registry
    assert log_showing._most_earlier(registry) == MOST_EARLIER == 512
    hashes = (bytes(32),) * 20
    log = TheirLog(SENDER)
    shown = LogProofs.from_bytes(log.share(b"file", "")[bag.LOG_PROOFS])
    long = dataclasses.replace(shown.share, proof=hashes)
    earlier = tuple(Earlier(1, 2**40 + number, bytes(32), hashes) for number in range(MOST_EARLIER))
    for count in (1, 40, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(registry.frontier), "size", 10**6)
            patch.setattr(registry, "rows", lambda _table, count=count: [None] * count)
            room = log_showing._most_earlier(registry)
        assert room >= 64
        generations = shown.generations * count
        found = dataclasses.replace(shown, generations=generations, share=long, key=long, earlier=earlier[:room])
        assert len(found.to_bytes()) <= bag.MAX_PROOFS_BYTES


@pytest.mark.usefixtures("few")
def test_a_partner_who_confirms_nothing_can_go_on_and_is_accused_of_nothing(pair: Vaults) -> None:
    compared(pair)
    first = pair.seal()
    pair.open(first.path)
    (seen,) = proven(pair)
    for _ in range(6):
        last = pair.seal()
    assert pair.theirs.inspect_file(last.path).verdict.unconnected == seen
    with pytest.raises(errors.LogNotConnected):
        pair.open(last.path, accept=False)
    assert len(pair.theirs.cases.list()) == 1
    found = pair.open(last.path)
    assert found.verdict.unconnected == seen
    assert (pair.theirs.log_status().forks, pair.theirs.warnings) == ((), ())
    assert len(proven(pair)) == 2, "what was seen before is not forgotten"
    # Those that follow are connected with it; the first one still is with nothing.
    assert pair.open(pair.seal().path, accept=False).verdict.unconnected is None
    assert proven(pair)[0] == seen
    # The receipt names the state from which no proof leads on: our log has it, and the next file proves it.
    taken = pair.ours.take_receipt(pair.theirs.write_receipt(found, pair.out / "r.age").path)
    assert taken.log == "confirmed"
    assert [each.entries for each in pair.ours.log_status().confirmed] == [seen]
    for _ in range(6):
        last = pair.seal()
    assert pair.theirs.inspect_file(last.path).verdict.unconnected, "so many files later it is too far again"
    opened = pair.open(last.path)
    assert seen not in proven(pair)
    # A late one of those between them is not accused either.
    assert pair.theirs.log_status().forks == ()
    pair.ours.take_receipt(pair.theirs.write_receipt(opened, pair.out / "r2.age").path)
    pair.open(pair.seal().path, accept=False)
    assert len(proven(pair)) == 1


@pytest.mark.usefixtures("few")
def test_with_one_receipt_however_many_files_were_not_opened_nothing_is_asked(pair: Vaults) -> None:
    compared(pair)
    sent = [pair.seal()]
    pair.ours.take_receipt(pair.confirm(sent[0].path).path)
    sent += [pair.seal() for _ in range(8)]
    assert pair.open(sent[-1].path, accept=False).verdict.unconnected is None
    for late in (sent[3], sent[7], sent[1]):
        pair.open(late.path)
    assert pair.theirs.log_status().forks == ()


@pytest.mark.usefixtures("few")
def test_a_history_that_goes_on_from_an_older_copy_is_found_though_a_file_has_no_room_for_all(pair: Vaults) -> None:
    for _ in range(6):
        pair.open(pair.seal().path)
    older = pair.copy("older")
    pair.open(pair.seal().path)
    pair.open(pair.seal().path)
    pair.exchange(older)
    for number in range(
        4
    ):  # the first two have numbers that are taken, the others go on from states that were not shown
        pair.ours.cases.get("HARBOUR").note(f"another history {number}")
        with pytest.raises(SealedFileRefused, match="log"):
            pair.open(pair.seal().path)
    assert pair.theirs.log_status().forks


@pytest.mark.usefixtures("few")
def test_a_partner_restored_from_an_old_backup_can_go_on_and_its_receipt_connects_them_again(pair: Vaults) -> None:
    compared(pair)
    pair.open(pair.seal().path)
    pair.theirs.backup(pair.folder / "backup")
    sent = [pair.seal() for _ in range(12)]
    for each in sent:
        pair.ours.take_receipt(pair.confirm(each.path).path)
    pair.theirs.close()
    shutil.rmtree(pair.folder / "theirs")
    Vault.restore(pair.folder / "backup", pair.folder / "theirs", key_file())
    pair.theirs = open_vault(pair.folder / "theirs")
    next_one = pair.seal()
    with pytest.raises(errors.LogNotConnected):
        pair.open(next_one.path, accept=False)
    found = pair.open(next_one.path)
    assert found.verdict.unconnected
    assert pair.theirs.log_status().forks == ()
    # An old file of before, which came again, is no other history.
    pair.open(sent[1].path)
    assert pair.theirs.log_status().forks == ()
    for number in range(3):
        confirmed = pair.ours.log_status().confirmed
        assert (
            pair.ours.take_receipt(pair.theirs.write_receipt(found, pair.out / f"{number}.age").path).log == "confirmed"
        )
        assert pair.ours.log_status().confirmed[0].entries >= confirmed[0].entries, "what was confirmed before stays"
        found = pair.open(pair.seal().path, accept=False)
        assert found.verdict.unconnected is None
    assert len(proven(pair)) == 1


# Somebody without a vault shows two histories


def test_two_roots_for_one_size_are_kept_as_the_proof_whoever_was_shown_them(tmp_path: Path) -> None:
    anna = Partner(7)
    with make_vault(tmp_path / "v") as vault:
        to = To(vault)
        vault.partners.add("Anna", card=anna.card())
        log = TheirLog(anna)
        other = log.copy("other")

        def file(history: TheirLog, number: int, **values: Any) -> Path:
            manifest = anna.share(to.fingerprint, sequence=number, purpose=f"{history.history}{number}", **values)
            path = tmp_path / f"{history.history}{number}.age"
            path.write_bytes(logged(anna, history, manifest, to))
            return path

        vault.open_file(file(log, 1), accept=lambda _: True)
        with pytest.raises(SealedFileRefused, match="two histories"):
            vault.inspect_file(file(other, 1))
        (fork,) = vault.log_status().forks
        assert fork.kind == witnessing.FORKED
        # Neither is what goes on from the other one taken, nor is a generation with another key.
        with pytest.raises(SealedFileRefused):
            vault.open_file(file(other, 2, previous="00" * 32), accept=lambda _: True)
        vault.open_file(file(log, 2, previous="00" * 32), accept=lambda _: True)
        # However often it is shown, the proofs stay few.
        for number in range(3, 16):
            with pytest.raises(SealedFileRefused):
                vault.inspect_file(file(other, number, previous="00" * 32))
        assert len(vault.log_status().forks) == 8


def test_no_gap_is_hidden_by_an_earlier_state_of_a_generation_that_never_was(tmp_path: Path) -> None:
    anna = Partner(7)
    with make_vault(tmp_path / "v") as vault:
        to = To(vault)
        vault.partners.add("Anna", card=anna.card())

        def file(log: TheirLog, number: int) -> Path:
            manifest = anna.share(to.fingerprint, sequence=number, previous="00" * 32 if number > 1 else None)
            path = tmp_path / f"{number}{len(log.misstated)}.age"
            path.write_bytes(logged(anna, log, manifest, to))
            return path

        log = TheirLog(anna)
        lying = log.copy("")
        lying.sent[to.fingerprint.hex()] = [(1, len(log.leaves), log.tree.root())]
        lying.misstated = {"generation": 999}
        with pytest.raises(SealedFileRefused, match="generations"):
            vault.open_file(file(lying, 1), accept=lambda _: True)
        vault.open_file(file(log, 1), accept=lambda _: True)
        again = TheirLog(anna, history="rewritten")
        again.certificates = list(log.certificates)
        again.begin_generation()
        assert vault.open_file(file(again, 2), accept=lambda _: True)[0].verdict.new_generation == 2


def test_a_state_that_nothing_connects_stays_suspect_while_the_other_history_goes_on(tmp_path: Path) -> None:
    anna = Partner(7)
    with make_vault(tmp_path / "v") as vault:
        to = To(vault)
        vault.partners.add("Anna", card=anna.card())
        log = TheirLog(anna)
        other = log.copy("other")
        for _ in range(3):
            other.append({})

        def file(history: TheirLog, number: int) -> Path:
            manifest = anna.share(
                to.fingerprint, sequence=number, previous=f"{number - 1:064x}" if number > 1 else None
            )
            path = tmp_path / f"{history.history}{number}.age"
            path.write_bytes(logged(anna, history, manifest, to))
            return path

        vault.open_file(file(log, 1), accept=lambda _: True)
        with pytest.raises(SealedFileRefused, match="nothing in it proves"):
            vault.open_file(file(other, 2), accept=lambda _: True)
        for number in range(2, 6):
            vault.open_file(file(log, number), accept=lambda _: True)
        (fork,) = vault.log_status().forks
        assert fork.kind == witnessing.UNCONNECTED


def test_a_stranger_who_names_the_vault_of_a_partner_accuses_nobody(tmp_path: Path) -> None:
    anna, stranger = Partner(7), Partner(8)
    with make_vault(tmp_path / "v") as vault:
        to = To(vault)
        vault.partners.add("Anna", card=anna.card())
        (tmp_path / "1.age").write_bytes(anna.seal(to))
        vault.open_file(tmp_path / "1.age", accept=lambda _: True)
        stranger.card_bytes = stranger.claiming(vault_id=anna.vault_id, name="Anna")
        manifest = stranger.share(to.fingerprint, vault_id=anna.vault_id.hex())
        (tmp_path / "2.age").write_bytes(logged(stranger, TheirLog(stranger, anna.vault_id), manifest, to))
        found = vault.inspect_file(tmp_path / "2.age")
        assert found.verdict.sender.trust == "changed"
        assert vault.log_status().forks == ()


# Receipts


def test_a_receipt_that_names_another_log_is_not_taken(pair: Vaults) -> None:
    sent = pair.seal()
    found = pair.open(sent.path)
    registry = pair.theirs.keeper.registry
    (head,) = registry.rows(schema.SEEN_HEADS)
    for checkpoint in (Checkpoint(f"casevault/{'0' * 64}/g1", 5, bytes(32)), Checkpoint("elsewhere", 5, bytes(32))):
        named = checkpoint.to_bytes().decode()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(witnessing, "to_name", lambda *_, named=named, **__: (named, None))
            written = pair.theirs.write_receipt(found, pair.out).path
        with pytest.raises(errors.BadReceipt, match="another log"):
            pair.ours.take_receipt(written)
    assert pair.ours.log_status().confirmed == ()
    assert head["size"] > 0


@pytest.mark.parametrize("checkpoint", ["", "text", 5, True, "a\n1\n\n", "a\n1\n" + "A" * 44 + "\n", []])
def test_a_receipt_names_a_checkpoint_or_none(checkpoint: object) -> None:
    said = Confirmation(
        by="0" * 64,
        to="1" * 64,
        share_id="2" * 32,
        digest="3" * 64,
        manifest_sha256="4" * 64,
        items=1,
        complete=True,
        arrived="2026-11-22T10:00:00Z",
        made="2026-11-22T10:00:00Z",
        checkpoint=Checkpoint("a", 1, bytes(32)).to_bytes().decode(),
    )
    assert Confirmation.from_bytes(said.to_bytes()) == said
    value = json.loads(said.to_bytes()) | {"checkpoint": checkpoint}
    with pytest.raises(errors.BadReceipt):
        Confirmation.from_bytes(canonical_json(value))
