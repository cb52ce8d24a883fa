"""Recipients and identities of age files."""

from __future__ import annotations

import copy
import io
import json
import pickle
import secrets
from pathlib import Path

import pytest
from age_writer import LOW_ORDER, header, honest_payload, scrypt_stanza, x25519_stanza
from age_writer import X25519 as X25519_TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import age, bech32
from crypto.age_header import decode_base64
from crypto.errors import CryptoError, InvalidIdentity, InvalidPublicKey

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "age-hybrid.json").read_text("utf-8"))
X25519_RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
HYBRID, X25519 = age.parse_identity(PUBLISHED["identity"]), age.parse_identity(X25519_TEXT)
WORDS = "correct horse battery"
PASSPHRASE = age.passphrase_recipient(WORDS, work_factor=10)
FILE_KEY = b"the file's key.."
TEXT = b"I left of my own will."


def _encrypt(*recipients: age.Recipient) -> bytes:
    sink = io.BytesIO()
    age.encrypt(io.BytesIO(TEXT), sink, recipients)
    return sink.getvalue()


def _decrypt(file: bytes, *identities: age.Identity) -> bytes:
    sink = io.BytesIO()
    age.decrypt(io.BytesIO(file), sink, identities)
    return sink.getvalue()


def test_the_identities_that_the_specification_prints_have_the_recipients_that_it_prints():
    assert str(HYBRID.recipient()) == PUBLISHED["recipient"]
    assert str(X25519.recipient()) == X25519_RECIPIENT
    assert (HYBRID.secret_text(), X25519.secret_text()) == (PUBLISHED["identity"], X25519_TEXT)
    for text in (PUBLISHED["recipient"], X25519_RECIPIENT):
        assert str(age.parse_recipient(text)) == text


def test_the_stanza_that_the_specification_prints_opens():
    stanza = age.Stanza(("mlkem768x25519", PUBLISHED["enc"]), decode_base64(PUBLISHED["body"]))
    assert HYBRID.unwrap([stanza]).hex() == PUBLISHED["file_key"]


@pytest.mark.parametrize(
    "pair",
    [
        (HYBRID.recipient(), HYBRID),
        (X25519.recipient(), X25519),
        (PASSPHRASE, age.passphrase_identity(WORDS)),
    ],
    ids=lambda pair: pair[1].kind,
)
def test_every_kind_opens_what_was_encrypted_to_it(pair):
    recipient, identity = pair
    file = _encrypt(recipient)
    assert _decrypt(file, identity) == TEXT
    header = age.read_header(io.BytesIO(file))
    assert [stanza.kind for stanza in header.stanzas] == [recipient.kind] == [identity.kind]
    assert [len(stanza.body) for stanza in header.stanzas] == [32]


@pytest.mark.parametrize("kind", [age.HybridIdentity, age.X25519Identity], ids=lambda kind: kind.kind)
def test_each_recipient_of_several_opens_the_file_and_nobody_else(kind):
    identities = [kind.generate() for _ in range(5)]
    file = _encrypt(*(identity.recipient() for identity in identities))
    for identity in identities:
        assert _decrypt(file, kind.generate(), identity) == TEXT
    with pytest.raises(age.NoMatch):
        _decrypt(file, kind.generate(), age.passphrase_identity(WORDS))


def test_nothing_is_encrypted_to_nobody():
    with pytest.raises(ValueError):
        _encrypt()


@pytest.mark.parametrize(
    "recipients",
    [
        (HYBRID.recipient(), X25519.recipient()),
        (X25519.recipient(), HYBRID.recipient()),
        (PASSPHRASE, PASSPHRASE),
        (PASSPHRASE, X25519.recipient()),
        (HYBRID.recipient(), PASSPHRASE),
    ],
    ids=lambda recipients: "+".join(recipient.kind for recipient in recipients),
)
def test_kinds_that_weaken_each_other_are_not_mixed_and_nothing_is_written(recipients):
    sink = io.BytesIO()
    with pytest.raises(ValueError):
        age.encrypt(io.BytesIO(TEXT), sink, recipients)
    assert sink.getvalue() == b""


@given(st.sampled_from([age.HybridIdentity, age.X25519Identity]), st.binary(min_size=32, max_size=32))
def test_keys_come_back_from_their_texts(kind, seed):
    identity = kind(seed)
    again = age.parse_identity(identity.secret_text())
    assert type(again) is kind
    assert str(again.recipient()) == str(age.parse_recipient(str(identity.recipient()))) == str(identity.recipient())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        X25519_RECIPIENT.upper(),
        X25519_RECIPIENT + " ",
        X25519_RECIPIENT[:-1],
        X25519_RECIPIENT[:-1] + "q",
        PUBLISHED["recipient"].upper(),
        PUBLISHED["recipient"][:-1],
        PUBLISHED["identity"],
        X25519_TEXT,
        bech32.encode("age", bytes([9]) + bytes(30)),
        bech32.encode("age", bytes([9]) + bytes(32)),
        bech32.encode("age1pq", bytes(1215)),
        bech32.encode("age1pq", bytes(1217)),
        bech32.encode("age1pq", b"\xff" * 1184 + bytes([9]) + bytes(31)),
        bech32.encode("age1tag", bytes(33)),
        bech32.encode("age1yubikey", bytes(33)),
        bech32.encode("npub", bytes([9]) + bytes(31)),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx8EuH1gYBbnBOfPF4PS4B9yrJm0b8H4f9b1jvCzXzn",
    ],
    ids=range(19),
)
def test_a_text_that_names_no_usable_recipient_is_refused(text):
    with pytest.raises(InvalidPublicKey):
        age.parse_recipient(text)


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_nobody_is_a_recipient_with_a_point_of_low_order(point):
    """Everybody could compute the secret that is shared with such a key."""
    for text in (
        bech32.encode("age", point),
        bech32.encode("age1pq", bech32.decode(PUBLISHED["recipient"])[1][:1184] + point),
    ):
        with pytest.raises(InvalidPublicKey):
            age.parse_recipient(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        X25519_TEXT.lower(),
        X25519_TEXT[:-1],
        X25519_TEXT + "\n",
        X25519_TEXT.replace("GFPYY", "GFPYZ", 1),
        PUBLISHED["identity"].lower(),
        X25519_RECIPIENT,
        bech32.encode("age-secret-key-", bytes(31)).upper(),
        bech32.encode("age-secret-key-", bytes(33)).upper(),
        bech32.encode("age-secret-key-pq-", bytes(64)).upper(),
        bech32.encode("age-plugin-yubikey-", bytes(32)).upper(),
    ],
    ids=range(11),
)
def test_a_text_that_is_no_identity_is_refused_and_not_repeated(text):
    with pytest.raises(InvalidIdentity) as caught:
        age.parse_identity(text)
    assert "GFPYY" not in repr(caught.value).upper()
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("secret", [HYBRID, X25519, PASSPHRASE, age.passphrase_identity(WORDS)], ids=repr)
def test_a_secret_shows_nothing_and_is_neither_copied_nor_pickled(secret):
    assert repr(secret) == str(secret) == f"<{type(secret).__name__}>"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(secret)


def test_stanzas_of_one_file_key_are_never_the_same():
    for recipient in (HYBRID.recipient(), X25519.recipient(), PASSPHRASE):
        first, second = recipient.wrap(FILE_KEY), recipient.wrap(FILE_KEY)
        assert first.arguments[1] != second.arguments[1]
        assert first.body != second.body


def test_two_files_of_the_same_bytes_share_none_of_their_secrets_or_nonces():
    size = len(age.read_header(io.BytesIO(_encrypt(X25519.recipient()))).text)
    first, second = _encrypt(X25519.recipient()), _encrypt(X25519.recipient())
    assert first[size : size + 16] != second[size : size + 16]
    assert first[size + 16 :] != second[size + 16 :]


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)], ids=len)
def test_lengths_of_secrets_are_checked(seed):
    for kind in (age.HybridIdentity, age.X25519Identity):
        with pytest.raises(ValueError):
            kind(seed)


@settings(max_examples=15)
@given(st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable()))
def test_passphrases_are_taken_exactly_as_they_are(text):
    file = _encrypt(age.passphrase_recipient(text, work_factor=1))
    assert _decrypt(file, age.passphrase_identity(text)) == TEXT
    for other in (text + " ", " " + text, text + "\n"):
        with pytest.raises(age.NoMatch):
            _decrypt(file, age.passphrase_identity(other))


@pytest.mark.parametrize("text", ["", "\ud800"], ids=ascii)
def test_a_passphrase_without_bytes_is_refused_and_not_repeated(text):
    for make in (age.passphrase_recipient, age.passphrase_identity):
        with pytest.raises(ValueError) as caught:
            make(text)
        assert type(caught.value) is ValueError
        assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("work_factor", [-1, 0, 23, 100])
def test_a_work_factor_out_of_range_is_neither_used_nor_allowed(work_factor):
    with pytest.raises(ValueError):
        age.passphrase_recipient(WORDS, work_factor=work_factor)
    with pytest.raises(ValueError):
        age.passphrase_identity(WORDS, most_work_factor=work_factor)


def test_a_file_that_demands_more_work_than_is_allowed_is_refused_before_any():
    file = header(FILE_KEY, scrypt_stanza(FILE_KEY, WORDS.encode(), factor=12)) + honest_payload(FILE_KEY, TEXT)
    assert _decrypt(file, age.passphrase_identity(WORDS, most_work_factor=12)) == TEXT
    with pytest.raises(age.HeaderFailure):
        _decrypt(file, age.passphrase_identity(WORDS, most_work_factor=11))


def test_a_passphrase_costs_what_age_asks_by_default():
    (stanza,) = age.read_header(io.BytesIO(_encrypt(age.passphrase_recipient(WORDS)))).stanzas
    assert stanza.arguments[2] == "18"


def test_a_machine_without_the_memory_says_so(monkeypatch):
    class NoMemory:
        def __init__(self, **_: object) -> None:
            pass

        def derive(self, passphrase: bytes) -> bytes:
            raise MemoryError

    monkeypatch.setattr("crypto.age_keys.Scrypt", NoMemory)
    with pytest.raises(CryptoError, match="4194304 KiB"):
        age.passphrase_recipient(WORDS, work_factor=22).wrap(FILE_KEY)


def test_a_matching_stanza_of_a_stranger_does_not_hide_that_the_header_was_changed():
    """Two stanzas with two file keys: whoever opens the first one sees that the MAC is not his."""
    other_key = secrets.token_bytes(16)
    file = header(FILE_KEY, x25519_stanza(other_key), x25519_stanza(FILE_KEY)) + honest_payload(FILE_KEY, TEXT)
    with pytest.raises(age.HMACFailure):
        _decrypt(file, X25519)
