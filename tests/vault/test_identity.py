"""Our identity: made once, kept through every change of the vault, and shown to nobody but partners."""

from __future__ import annotations

import copy
import io
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from loading import golden_maker
from somebody import Somebody
from vaults import all_files, key_file, make_vault, open_vault, write_rows

from crypto import age, mldsa, sshsig
from crypto.errors import BadSignature, NoMatch
from crypto.labels import SignedKind
from vault import KeyFileUnlocker, Vault, errors, identity, schema
from vault.cards import Card
from vault.identity import OwnIdentity


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        yield found


def own(vault: Vault) -> OwnIdentity:
    """The identity with its keys, as the keeper gets it."""
    return OwnIdentity(vault.keeper.registry, vault.keeper.log.intend("log", grants=("identity",)))


def seeds(vault: Vault) -> list[bytes]:
    (row,) = vault.keeper.registry.rows(schema.IDENTITY)
    return [bytes(row[name]) for name in ("hybrid_seed", "x25519_seed", "ed25519_seed", "mldsa65_seed")]


def test_an_identity_is_made_when_it_is_first_needed_and_then_stays(vault: Vault) -> None:
    assert not vault.info().has_identity
    first = vault.identity.show()
    assert vault.info().has_identity
    assert vault.identity.show() == first
    acts = [(entry.act, entry.phase) for entry in vault.log()][2:-1]
    assert acts == [
        ("identity-make", "intent"),
        ("identity-make", "done"),
        ("log-certify", "intent"),
        ("log-certify", "done"),
        ("identity-show", "intent"),
        ("identity-show", "done"),
        ("identity-show", "intent"),
        ("identity-show", "done"),
    ]
    assert len(set(seeds(vault))) == 4


def test_two_vaults_have_two_identities(vault: Vault, tmp_path: Path) -> None:
    with make_vault(tmp_path / "other") as other:
        ours, theirs = vault.identity.show(), other.identity.show()
    assert ours.fingerprint != theirs.fingerprint
    assert ours.ssh_key != theirs.ssh_key


def test_what_is_shown_is_what_the_card_says(vault: Vault) -> None:
    shown = vault.identity.show()
    data = vault.identity.card()
    card = Card.from_bytes(data)
    assert (card.fingerprint.hex(), card.ssh_fingerprint) == (shown.fingerprint, shown.ssh_fingerprint)
    assert (card.name, card.age_classical, card.age_recipient) == (None, None, shown.age_recipient)
    assert card.vault_id.hex() == vault.info().vault_id
    assert card.date == "2026-11-22"
    done = [entry for entry in vault.log() if entry.act == "identity-card"][-1]
    assert done.size_bytes == len(data)


def test_a_card_names_a_classical_recipient_only_when_asked(vault: Vault) -> None:
    with_it = Card.from_bytes(vault.identity.card(classical=True))
    assert with_it.age_classical is not None
    assert with_it.age_classical.startswith("age1")
    assert Card.from_bytes(vault.identity.card()).age_classical is None


def test_a_name_is_in_the_card_and_not_in_the_fingerprint(vault: Vault) -> None:
    before = vault.identity.show()
    named = vault.identity.rename(" Бюро на Портовой ")
    assert (named.name, named.fingerprint) == ("Бюро на Портовой", before.fingerprint)
    assert Card.from_bytes(vault.identity.card()).name == "Бюро на Портовой"
    assert vault.identity.rename(None).name is None
    assert Card.from_bytes(vault.identity.card()).name is None


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[2Jb", "a\u2028b", "x" * 201, "\udc80"])
def test_a_name_that_no_card_can_carry_is_refused_before_anything_is_logged(vault: Vault, name: str) -> None:
    vault.identity.show()
    size = vault.keeper.registry.frontier.size
    with pytest.raises(errors.BadValue):
        vault.identity.rename(name)
    assert vault.keeper.registry.frontier.size == size


def test_the_private_keys_need_a_receipt_and_each_receipt_serves_once(vault: Vault) -> None:
    vault.identity.show()
    keeper = vault.keeper
    receipt = keeper.log.intend("log", grants=("identity",))
    OwnIdentity(keeper.registry, receipt)
    with pytest.raises(errors.ReceiptRefused):
        OwnIdentity(keeper.registry, receipt)
    with pytest.raises(errors.ReceiptRefused):
        OwnIdentity(keeper.registry, keeper.log.intend("log", grants=("log",)))


def test_both_signatures_are_of_the_keys_on_the_card_and_of_one_kind(vault: Vault) -> None:
    card = Card.from_bytes(vault.identity.card())
    signed = own(vault).sign(SignedKind.SEALED_FILE, b"message")
    sshsig.verify(card.ed25519, b"message", signed.sshsig, kind=SignedKind.SEALED_FILE)
    mldsa.verify(card.mldsa65, b"message", signed.mldsa65, kind=SignedKind.SEALED_FILE)
    with pytest.raises(BadSignature):
        sshsig.verify(card.ed25519, b"message", signed.sshsig, kind=SignedKind.CARD)
    with pytest.raises(BadSignature):
        mldsa.verify(card.mldsa65, b"message", signed.mldsa65, kind=SignedKind.RECEIPT)


def test_files_for_either_recipient_of_the_card_are_ours_to_open(vault: Vault) -> None:
    card = Card.from_bytes(vault.identity.card(classical=True))
    assert card.age_classical is not None
    for recipient in (card.age_recipient, card.age_classical):
        sealed = io.BytesIO()
        age.encrypt(io.BytesIO(b"content"), sealed, [age.parse_recipient(recipient)])
        header = age.read_header(io.BytesIO(sealed.getvalue()))
        file_key = own(vault).unwrap(header.text)
        opened = io.BytesIO()
        sealed.seek(0)
        age.decrypt(sealed, opened, [age.FileKeyIdentity(file_key)])
        assert opened.getvalue() == b"content"
    sealed = io.BytesIO()
    age.encrypt(io.BytesIO(b""), sealed, [age.HybridIdentity.generate().recipient()])
    with pytest.raises(NoMatch):
        own(vault).unwrap(age.read_header(io.BytesIO(sealed.getvalue())).text)


def test_an_identity_with_its_keys_shows_nothing_and_is_not_copied(vault: Vault) -> None:
    vault.identity.show()
    found = own(vault)
    shown = repr(found) + str(found)
    assert shown == "<OwnIdentity><OwnIdentity>"
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(found)


def test_no_seed_is_on_the_disk_or_in_any_answer(vault: Vault) -> None:
    answers = repr((vault.identity.show(), vault.identity.rename("Lena"), vault.info(), vault.log()))
    answers += vault.identity.card(classical=True).decode()
    for seed in seeds(vault):
        assert seed.hex() not in answers
        assert repr(seed) not in answers
        assert all(seed not in content for content in all_files(vault.path).values())


def test_passphrases_change_and_the_identity_stays(vault: Vault) -> None:
    before, kept = vault.identity.show(), seeds(vault)
    vault.change_passphrase(key_file(), key_file(1))
    assert vault.identity.show() == before
    vault.close()
    with open_vault(vault.path, key_file(1)) as again:
        assert again.identity.show() == before
        assert seeds(again) == kept
        assert again.check(read_data=True).findings == ()


def test_a_restored_vault_has_the_identity_and_the_partners(vault: Vault, tmp_path: Path) -> None:
    before = vault.identity.show()
    vault.partners.add("Lena", card=Somebody(1).card())
    vault.partners.get("Lena").verify(Somebody(1).reads_out())
    partners = vault.partners.list()
    vault.backup(tmp_path / "backup")
    Vault.restore(tmp_path / "backup", tmp_path / "restored", key_file())
    with open_vault(tmp_path / "restored") as restored:
        assert restored.identity.show() == before
        assert restored.partners.list() == partners
        assert restored.check().findings == ()


def test_a_vault_of_before_gets_an_identity_and_partners(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source / "tests" / "vaults" / "v1" / "vault", tmp_path / "v")
    unlocker = KeyFileUnlocker(golden_maker(source).KEY)
    with Vault.open(tmp_path / "v", unlocker) as vault:
        tables = {str(name) for (name,) in vault.keeper.registry.store.execute("SELECT name FROM sqlite_master")}
        assert not {"identity", "partners"} & tables
        assert vault.partners.list() == ()
        with pytest.raises(errors.NoSuchPartner):
            vault.partners.get("Lena").show()
        assert vault.check().findings == ()
        shown = vault.identity.show()
        vault.partners.add("Lena", card=Somebody(1).card())
    with Vault.open(tmp_path / "v", unlocker) as vault:
        assert vault.identity.show() == shown
        assert [each.name for each in vault.partners.list()] == ["Lena"]
        assert vault.check(read_data=True).findings == ()


@pytest.mark.parametrize(
    "column",
    ["hybrid_seed", "x25519_seed", "ed25519_seed", "mldsa65_seed", "age_recipient", "age_classical", "mldsa65"],
)
def test_check_finds_seeds_that_are_not_of_the_public_keys_and_nothing_is_signed_with_them(
    vault: Vault, column: str, tmp_path: Path
) -> None:
    vault.identity.show()
    with make_vault(tmp_path / "other") as other:
        other.identity.show()
        (theirs,) = other.keeper.registry.rows(schema.IDENTITY)
    (row,) = vault.keeper.registry.rows(schema.IDENTITY)
    registry = vault.keeper.registry
    write_rows(registry, lambda: registry.put(schema.IDENTITY, {**row, column: theirs[column]}))
    assert [(each.kind, each.subject) for each in vault.check().findings] == [("identity", "vault")]
    with pytest.raises(errors.DatabaseDamaged):
        vault.identity.card()


def test_a_row_that_makes_no_keys_is_found_too(vault: Vault) -> None:
    assert not identity.agrees({**identity.generate(now=""), "hybrid_seed": b"short"})
    assert not identity.agrees({**identity.generate(now=""), "mldsa65_seed": None})
    assert identity.agrees(identity.generate(now=""))
