from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import pytest
from vaults import Clock, key_file, make_vault, open_vault

from crypto import kdf, words
from vault import (
    AnyOf,
    KeyFileUnlocker,
    PassphraseUnlocker,
    RecoveryUnlocker,
    Vault,
    header,
    passphrases,
    schema,
    unlock,
)
from vault.errors import BadRecoveryWords, BadValue, CostRefused, UnusablePassphrase, WeakPassphrase, WrongPassphrase
from vault.folder import Folder
from vault.requests import KeyLabel
from vault.tables import integer
from vault.unlock import Place, SecretUnlocker

ENTROPY = bytes(range(32))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, kdf.Cost]]:
    """Argon2id replaced by a fast hash that still depends on secret, salt and cost; what it was asked for is listed."""
    asked: list[tuple[bytes, kdf.Cost]] = []

    def fast(secret: bytes, *, salt: bytes, cost: kdf.Cost) -> bytes:
        cost.check()
        asked.append((secret, cost))
        return hashlib.sha256(secret + salt + repr(cost).encode()).digest()

    monkeypatch.setattr(kdf, "argon2id", fast)
    return asked


def with_passphrase(path: Path, passphrase: str, key_file_bytes: bytes | None = None) -> None:
    way = PassphraseUnlocker(passphrase, key_file_bytes)
    Vault.create(path, way, cost=kdf.FLOOR, clock=Clock()).close()


# Kinds


@pytest.mark.slow
def test_a_passphrase_opens_the_vault_by_argon2id_itself(tmp_path: Path) -> None:
    with_passphrase(tmp_path / "v", "correct horse battery staple")
    with Vault.open(tmp_path / "v", PassphraseUnlocker("correct horse battery staple")) as vault:
        (label,) = vault.info().keys
        assert (label.kind, vault.info().memory_kib, vault.info().passes) == ("passphrase", 262_144, 3)
    with pytest.raises(WrongPassphrase):
        Vault.open(tmp_path / "v", PassphraseUnlocker("correct horse battery stapl"))


@pytest.mark.parametrize(
    "wrong",
    [
        PassphraseUnlocker("Secret words"),
        PassphraseUnlocker("secret words", b"k" * 64),
        KeyFileUnlocker(b"secret words and more"),
        RecoveryUnlocker.generate()[0],
    ],
    ids=lambda way: way.kind,
)
@pytest.mark.usefixtures("cheap")
def test_a_wrong_secret_of_any_kind_is_a_wrong_passphrase(tmp_path: Path, wrong: SecretUnlocker) -> None:
    with_passphrase(tmp_path / "v", "secret words")
    with pytest.raises(WrongPassphrase):
        Vault.open(tmp_path / "v", wrong)
    Vault.open(tmp_path / "v", PassphraseUnlocker("secret words")).close()


@pytest.mark.usefixtures("cheap")
def test_with_a_key_file_both_are_needed(tmp_path: Path) -> None:
    with_passphrase(tmp_path / "v", "secret words", b"k" * 64)
    with Vault.open(tmp_path / "v", PassphraseUnlocker("secret words", b"k" * 64)) as vault:
        assert [label.kind for label in vault.info().keys] == ["passphrase+keyfile"]
    for wrong in (
        PassphraseUnlocker("secret words"),
        PassphraseUnlocker("secret words", b"k" * 63),
        PassphraseUnlocker("other words", b"k" * 64),
        KeyFileUnlocker(b"k" * 64),
    ):
        with pytest.raises(WrongPassphrase):
            Vault.open(tmp_path / "v", wrong)


def test_a_key_file_alone_costs_no_argon2id(tmp_path: Path, cheap: list[tuple[bytes, kdf.Cost]]) -> None:
    make_vault(tmp_path / "v").close()
    open_vault(tmp_path / "v").close()
    assert cheap == []


def test_a_key_file_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(BadValue):
        KeyFileUnlocker(b"x" * 15)


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_recovery_words_open_the_vault_in_any_form(tmp_path: Path, language: str, form: str) -> None:
    written = " ".join(words.words_from_entropy(ENTROPY, language))
    Vault.create(tmp_path / "v", key_file(), recovery=RecoveryUnlocker(written), clock=Clock()).close()
    typed = unicodedata.normalize(form, f"\n {written.upper()}\t\n".replace(" ", "  "))
    with Vault.open(tmp_path / "v", RecoveryUnlocker(typed)) as vault:
        assert [label.kind for label in vault.info().keys] == ["keyfile", "recovery"]


def test_generated_recovery_words_are_24_and_never_the_same() -> None:
    one, other = RecoveryUnlocker.generate()[1], RecoveryUnlocker.generate("russian")[1]
    assert len(one) == len(other) == 24
    assert RecoveryUnlocker.generate()[1] != one


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("abandon " * 23, "count"),
        ("", "count"),
        ("abandon " * 23 + "zzzz", "word"),
        ("abandon " * 24, "checksum"),
    ],
)
def test_recovery_words_that_cannot_be_right_are_told_before_a_vault_is_asked(typed: str, reason: str) -> None:
    with pytest.raises(BadRecoveryWords) as caught:
        RecoveryUnlocker(typed)
    assert caught.value.fields == {"reason": reason}
    assert "zzzz" not in str(caught.value)


def test_several_ways_are_tried_in_turn_and_other_errors_are_final(tmp_path: Path) -> None:
    make_vault(tmp_path / "v").close()
    Vault.open(tmp_path / "v", AnyOf(key_file(1), key_file(2), key_file())).close()
    with pytest.raises(WrongPassphrase):
        Vault.open(tmp_path / "v", AnyOf(key_file(1), key_file(2)))

    class Stuck:
        def unlock(self, found: header.Header) -> unlock.Unlocked:
            raise BadValue(field="token", reason="it does not answer")

    with pytest.raises(BadValue):
        Vault.open(tmp_path / "v", AnyOf(Stuck(), key_file()))


# Passphrases as people type them


@pytest.mark.parametrize("passphrase", ["Zoë Nuñez ёй", "Ångström é", "한국어 passphrase"])
@pytest.mark.usefixtures("cheap")
def test_composed_and_decomposed_letters_are_one_passphrase(tmp_path: Path, passphrase: str) -> None:
    with_passphrase(tmp_path / "v", unicodedata.normalize("NFD", passphrase))
    Vault.open(tmp_path / "v", PassphraseUnlocker(unicodedata.normalize("NFC", passphrase))).close()


DISTINCT = [
    "secret words",
    " secret words",
    "secret words ",
    "secret  words",
    "secret words\n",
    "secret words\r\n",
    "secret\twords",
    "secret\u00a0words",
    "Secret words",
    "secret words\0",
    "secret words\0more",
    "ｓecret words",
    "\ufeffsecret words",
    "a" * 4096,
    "a" * 4095,
    "a" * 4095 + "b",
    "п" * 4096,
]


def test_no_character_of_a_passphrase_is_dropped_or_changed(
    tmp_path: Path, cheap: list[tuple[bytes, kdf.Cost]]
) -> None:
    place = Place(b"f" * 32, b"s" * 16, kdf.FLOOR)
    public = {PassphraseUnlocker(passphrase).slot_key(place).public_bytes() for passphrase in DISTINCT}
    assert len(public) == len(DISTINCT)
    for (secret, _), passphrase in zip(cheap, DISTINCT, strict=True):
        assert secret.endswith(passphrase.encode())


@pytest.mark.parametrize("passphrase", [DISTINCT[2], DISTINCT[4], DISTINCT[10], DISTINCT[-1]], ids=repr)
@pytest.mark.usefixtures("cheap")
def test_a_strange_passphrase_opens_what_it_closed_and_its_tidied_form_does_not(
    tmp_path: Path, passphrase: str
) -> None:
    with_passphrase(tmp_path / "v", passphrase)
    Vault.open(tmp_path / "v", PassphraseUnlocker(passphrase)).close()
    tidied = passphrase.strip().split("\0")[0]
    if tidied != passphrase:
        with pytest.raises(WrongPassphrase):
            Vault.open(tmp_path / "v", PassphraseUnlocker(tidied))


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(UnusablePassphrase, match="empty"):
        PassphraseUnlocker("")


def test_bytes_of_a_terminal_that_are_no_text_are_refused_and_not_replaced() -> None:
    with pytest.raises(UnusablePassphrase, match="characters"):
        PassphraseUnlocker("secret \udcff words")


def test_weak_passphrases_are_refused_also_on_the_other_keyboard() -> None:
    for weak in ("password", "qwertyuiop", "йцукенгшщз", "зфыыцщкв", "12345678", "Harbour Street"):
        with pytest.raises(WeakPassphrase) as caught:
            passphrases.judge(weak, own_words=("Harbour Street",))
        assert weak not in str(caught.value)
    with pytest.raises(UnusablePassphrase, match="empty"):
        passphrases.judge("")
    with pytest.raises(UnusablePassphrase, match="long"):
        passphrases.judge("x" * 4097)
    passphrases.judge("correct horse battery staple")
    passphrases.judge(passphrases.generate())


def test_a_generated_passphrase_is_seven_words() -> None:
    one = passphrases.generate()
    assert len(one.split("-")) == 7
    assert one != passphrases.generate()


# Cost


@pytest.mark.parametrize(
    "cost",
    [
        kdf.Cost(262_143, 3),
        kdf.Cost(262_144, 2),
        kdf.Cost(0, 0),
        kdf.Cost(4_194_305, 3),
        kdf.Cost(262_144, 17),
        kdf.Cost(2**32 - 1, 2**32 - 1),
    ],
    ids=str,
)
def test_a_cost_outside_the_limits_is_refused_before_any_memory_is_taken(
    tmp_path: Path, cost: kdf.Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kdf, "crypto_pwhash_alg", lambda *_: pytest.fail("Argon2id ran"))
    make_vault(tmp_path / "v").close()
    found = Folder(tmp_path / "v").read_headers()[0]
    planted = header.Header(found.folder_id, found.epoch, cost, found.salt, found.sealed_slots, found.tag)
    for name in header.FILE_NAMES:
        (tmp_path / "v" / name).write_bytes(planted.to_bytes())
    with pytest.raises(CostRefused) as caught:
        Vault.open(tmp_path / "v", PassphraseUnlocker("anything"))
    assert caught.value.fields == {"memory_kib": cost.memory_kib, "passes": cost.passes}


def test_a_machine_without_the_memory_says_so_in_the_vaults_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_vault(tmp_path / "v").close()

    def exhausted(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(kdf, "crypto_pwhash_alg", exhausted)
    with pytest.raises(CostRefused):
        Vault.open(tmp_path / "v", PassphraseUnlocker("anything"))


def test_argon2id_runs_once_for_both_copies_of_a_header(tmp_path: Path, cheap: list[tuple[bytes, kdf.Cost]]) -> None:
    with_passphrase(tmp_path / "v", "secret words")
    cheap.clear()
    way = PassphraseUnlocker("secret words")
    Vault.open(tmp_path / "v", way).close()
    assert len(cheap) == 1


# Slots


def test_a_slot_that_the_vault_does_not_know_is_reported(tmp_path: Path) -> None:
    """Whoever held the vault's key sealed a slot to himself, and wrote its digest into the database."""
    path = tmp_path / "v"
    Vault.create(path, key_file(), recovery=RecoveryUnlocker.generate()[0], clock=Clock()).close()
    found = Folder(path).read_headers()[0]
    stranger = key_file(66)
    place = Place(found.folder_id, found.salt, found.cost)
    with open_vault(path) as vault:
        registry = vault.keeper.registry
        keys: list[bytes | None] = [None] * header.SLOTS
        for row in registry.rows(schema.SLOTS):
            keys[integer(row, "slot")] = bytes(row["public_key"])
        keys[5] = stranger.slot_key(place).public_bytes()
        key = key_file().unlock(found).vault_key
        planted = header.seal(
            key, folder_id=found.folder_id, epoch=found.epoch, cost=found.cost, salt=found.salt, public_keys=keys
        )
        with registry.step():
            registry.set("header", planted.digest())
        vault.keeper.folder.write_headers(planted)
    with open_vault(path, stranger) as vault:
        assert vault.warnings == ("unknown-slot",)
        assert vault.log()[-1].actor == "keyfile"
    with open_vault(path) as vault:
        assert vault.warnings == ()


def test_the_log_names_the_label_of_the_key_that_was_used(tmp_path: Path) -> None:
    recovery = RecoveryUnlocker.generate()[0]
    with Vault.create(tmp_path / "v", key_file(), label="Anna's key", recovery=recovery, clock=Clock()) as vault:
        assert vault.info().keys == (
            KeyLabel(0, "keyfile", "Anna's key", vault.info().created),
            KeyLabel(1, "recovery", "recovery", vault.info().created),
        )
    with Vault.open(tmp_path / "v", recovery) as vault:
        assert vault.log()[-1].actor == "recovery"
    with Vault.open(tmp_path / "v", key_file()) as vault:
        assert vault.log()[-1].actor == "Anna's key"


def test_no_way_in_shows_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    ways = [PassphraseUnlocker("CANARY words"), KeyFileUnlocker(b"CANARY" * 6)]
    for way in ways:
        way._private[Place(b"f" * 32, b"s" * 16, kdf.FLOOR)] = KeyFileUnlocker(b"CANARY" * 6).slot_key(
            Place(b"f" * 32, b"s" * 16, kdf.FLOOR)
        )
        assert "CANARY" not in repr(way) + str(way)
