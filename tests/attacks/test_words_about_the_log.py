"""What partners say of our log: their word accuses nobody, what our own keys signed does, and each has room for their proof."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opened import opened
from receipts import GENERATION, another_history, packed, receipt, said, shown
from somebody import Somebody
from vaults import make_vault, open_vault

from crypto import mldsa, sshsig
from crypto.encoding import canonical_json
from crypto.labels import SignedKind
from crypto.signing import Checkpoint
from vault import bag, errors, log_proofs, schema
from vault.archive import ArchiveReader
from vault.confirmations import LARGEST_SHOWN_BYTES
from vault.leaves import generation_statement
from vault.tables import Row

BEAR, CRANE = Somebody(1), Somebody(2)


class Ours:
    """A vault that has sealed a file for Bear and one for Crane."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[Somebody, Row] = {}
        self.tags: dict[Somebody, Mapping[str, bytes]] = {}
        self.vault = make_vault(folder / "vault")
        self.vault.cases.new("Harbour Street", code="HARBOUR")
        case = self.vault.cases.get("HARBOUR")
        case.items.add_text("I left of my own will.")
        for name, by in (("Bear", BEAR), ("Crane", CRANE)):
            self.vault.partners.add(name, card=by.card())
            with case.seal(to=name, items="all") as sealing:
                path = sealing.write(folder).path
            self.tags[by] = opened(path, by.hybrid, by.fingerprint).tags.files
            self.rows[by] = next(
                row
                for row in self.vault.keeper.registry.rows(schema.SHARES)
                if row["recipient"] == by.fingerprint.hex()
            )

    def never(self, number: int = 0) -> str:
        """A state that our log never had, as anybody can invent it."""
        return (
            Checkpoint(f"casevault/{self.vault.info().vault_id}/g1", 5, number.to_bytes(32, "big")).to_bytes().decode()
        )

    def take(self, by: Somebody = BEAR, *, proof: bytes | None = None, **values: Any) -> Any:
        content = said(by, self.vault.identity.show().fingerprint, self.rows[by], **({"items": 1} | values))
        path = self.folder / "receipt.age"
        path.write_bytes(receipt(by, self.vault, content, **({} if proof is None else {"shown": proof})))
        return self.vault.take_receipt(path)

    def open_again(self) -> None:
        self.vault.close()
        self.vault = open_vault(self.folder / "vault")


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ours]:
    ours = Ours(tmp_path)
    yield ours
    ours.vault.close()


def test_the_word_of_a_partner_makes_the_vault_accuse_nobody(ours: Ours) -> None:
    for number in range(10):
        with pytest.raises(errors.UnprovenHistory, match="Bear"):
            ours.take(checkpoint=ours.never(number), share_id=f"{number:032x}")
    taken = ours.take(checkpoint=ours.never())
    assert (taken.log, taken.complete) == ("claimed", True), "it says nothing against what came"
    for _ in range(2):
        assert ours.vault.log_status().forks == ()
        assert ours.vault.log_status().confirmed == ()
        assert ours.vault.warnings == ()
        ours.open_again()
    told = [each for each in ours.vault.log() if each.act == "receipt-take" and each.reason == "claimed"]
    assert len(told) == 11
    assert {each.counterparty for each in told} == {"Bear"}


@pytest.mark.parametrize("size", [2**53, 2**63, 2**64 - 1])
def test_a_state_that_is_larger_than_any_log_is_no_receipt_and_harms_nothing(ours: Ours, size: int) -> None:
    named = Checkpoint(f"casevault/{ours.vault.info().vault_id}/g1", size, bytes(32)).to_bytes().decode()
    with pytest.raises(errors.BadReceipt):
        ours.take(checkpoint=named)
    assert ours.vault.check().findings == ()


def test_what_our_own_keys_have_signed_is_the_proof_though_the_file_is_not_known(ours: Ours) -> None:
    named, proof = another_history(ours.vault, ours.tags[BEAR])
    with pytest.raises(errors.OtherHistory, match="Bear"):
        ours.take(checkpoint=named, proof=proof, share_id="ab" * 16)
    (fork,) = ours.vault.log_status().forks
    assert (fork.sender, fork.partner, fork.kind) == (None, "Bear", "not-ours")
    assert ours.take(checkpoint=named, proof=proof).log == "not-ours"
    assert len(ours.vault.log_status().forks) == 1, "the same again is the same proof"
    assert ours.vault.warnings == ("own-log-forked",)
    ours.open_again()
    assert ours.vault.warnings == ("own-log-forked",)


def test_however_many_proofs_one_partner_sends_those_of_others_have_room(ours: Ours) -> None:
    for number in range(12):
        named, proof = another_history(ours.vault, ours.tags[BEAR], number)
        ours.take(checkpoint=named, proof=proof)
    named, proof = another_history(ours.vault, ours.tags[CRANE], 99)
    ours.take(CRANE, checkpoint=named, proof=proof)
    assert [each.partner for each in ours.vault.log_status().forks] == ["Bear"] * 8 + ["Crane"]


def test_a_receipt_may_carry_what_our_log_has(ours: Ours) -> None:
    note = ours.tags[BEAR][bag.LOG_CHECKPOINT].partition(b"\n\n")[0].decode() + "\n"
    assert ours.take(checkpoint=note, proof=shown(ours.tags[BEAR])).log == "confirmed"
    assert ours.take(CRANE, checkpoint=note).log == "confirmed", "and need not"
    assert ours.vault.check().findings == ()


def members(proof: bytes) -> list[tuple[str, bytes]]:
    return [(each.name, each.read(LARGEST_SHOWN_BYTES)) for each in ArchiveReader(io.BytesIO(proof))]


def certified_as(ours: Ours, proof: bytes, *, by: Somebody | None = None, **values: object) -> bytes:
    """The same proof, with another certificate: altered after it was signed, or signed by somebody else."""
    *rest, (name, data) = members(proof)
    now = log_proofs.read_certificate(data)
    given = {each: getattr(now, each) for each in ("generation", "first_step", "size", "root", "first_key")} | values
    signed = {"sshsig": now.sshsig, "mldsa65": now.mldsa65}
    if by is not None:
        statement = generation_statement(bytes.fromhex(ours.vault.info().vault_id), given)
        signed = {
            "sshsig": sshsig.sign(by.ed25519, statement, kind=SignedKind.GENERATION),
            "mldsa65": mldsa.sign(by.mldsa65, statement, kind=SignedKind.GENERATION),
        }
    return packed([*rest, (name, canonical_json(given | signed | {"sshsig": signed["sshsig"].decode()}))])


def test_what_our_keys_have_not_signed_proves_nothing(ours: Ours) -> None:
    named, proof = another_history(ours.vault, ours.tags[BEAR])
    assert certified_as(ours, proof) == proof
    files = dict(ours.tags[BEAR])
    mallory = make_vault(ours.folder / "mallory")
    mallory.identity.card()
    theirs, by_others = another_history(mallory, ours.tags[BEAR])
    mallory.close()
    assert theirs == named
    for what in (
        by_others,
        shown(files),  # of another state
        shown(
            files | {bag.LOG_CHECKPOINT: files[bag.LOG_CHECKPOINT].replace(b"/g1", b"/g2")}
        ),  # that is not in what is signed
        shown(files | {bag.SIGNATURE: b""}),
        shown(files | {bag.MLDSA_SIGNATURE: bytes(3309)}),
        certified_as(ours, proof, first_key=bytes(32)),
        certified_as(ours, proof, generation=2),
        certified_as(ours, proof, by=CRANE),
        certified_as(ours, proof, by=CRANE, first_key=bytes(32)),
        packed(members(proof)[:-1]),
        packed([*members(proof)[:-1], (GENERATION, b"{}")]),
        packed([*members(proof)[:-1], (GENERATION, b"no JSON")]),
        proof[:-512],
        b"",
        bytes(1024),
    ):
        with pytest.raises(errors.BadReceipt):
            ours.take(checkpoint=named, proof=what)
    with pytest.raises(errors.BadReceipt, match="signed by this vault"):
        ours.take(proof=proof)
    with pytest.raises(errors.BadReceipt, match="another log"):
        ours.take(checkpoint=Checkpoint(f"casevault/{'0' * 64}/g1", 5, bytes(32)).to_bytes().decode(), proof=proof)
    assert ours.vault.log_status().forks == ()
    assert ours.vault.shares()[0].confirmed is None


def test_a_receipt_counts_as_many_items_as_the_file_has(ours: Ours) -> None:
    for wrong in ({"items": 99_000}, {"items": 2}, {"items": 2, "complete": False}):
        with pytest.raises(errors.BadReceipt, match="other items"):
            ours.take(**wrong)
    assert ours.take(complete=False, items=0).items == 0
    assert ours.take(complete=False, items=1).again
    assert ours.take().complete


def test_fewer_items_than_went_are_not_all_of_it(ours: Ours) -> None:
    ours.vault.cases.get("HARBOUR").items.add_text("She came by the night train.")
    with ours.vault.cases.get("HARBOUR").seal(to="Bear", items="all") as sealing:
        sealing.write(ours.folder)
    ours.rows[BEAR] = next(row for row in ours.vault.keeper.registry.rows(schema.SHARES) if row["sequence"] == 2)
    with pytest.raises(errors.BadReceipt, match="other items"):
        ours.take(items=1)
    assert ours.take(items=2).complete


def test_a_receipt_by_the_keys_of_the_card_before_counts_for_what_was_sealed_for_it(ours: Ours) -> None:
    after = Somebody(3)
    with pytest.raises(errors.PartnerChanged):
        ours.vault.partners.add("Bear", card=after.card())
    ours.vault.partners.get("Bear").verify(after.reads_out())
    note = ours.tags[BEAR][bag.LOG_CHECKPOINT].partition(b"\n\n")[0].decode() + "\n"
    taken = ours.take(checkpoint=note)
    assert (taken.partner, taken.complete, taken.former_card) == ("Bear", True, True)
    assert [each.partner for each in ours.vault.log_status().confirmed] == ["Bear"]
    assert ours.vault.check().findings == ()
    with ours.vault.cases.get("HARBOUR").seal(to="Bear", items="all") as sealing:
        sealing.write(ours.folder)
    (row,) = (r for r in ours.vault.keeper.registry.rows(schema.SHARES) if r["recipient"] == after.fingerprint.hex())
    ours.rows[after] = row
    assert not ours.take(after).former_card
    # What was sealed for the new card the keys of before do not confirm, nor do those for which nothing was sealed.
    ours.rows[BEAR] = row
    with pytest.raises(errors.BadReceipt, match="somebody else"):
        ours.take()
    stranger = Somebody(4)
    ours.rows[stranger] = row
    with pytest.raises(errors.BadReceipt, match="no partner here"):
        ours.take(stranger)
