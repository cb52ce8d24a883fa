"""Cards: what somebody hands out so that others can seal for them and verify what they sign. A text, signed by itself.

What is signed is everything up to the first signature; both signatures are over the same bytes. There is one text for
each card: what was read is written again and compared.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from dataclasses import dataclass

from crypto import age_keys, ed25519, fingerprints, mldsa, sshsig
from crypto.encoding import parse_base64
from crypto.errors import CryptoError, InvalidPublicKey
from crypto.labels import SignedKind
from vault import errors

LARGEST_BYTES = 32 << 10
_VAULT_ID_SIZE = 32
_LONGEST_NAME = 200

_FIRST_LINE = "casevault card 1"
_COLUMNS = 64
_FIELD = re.compile(r"(name|date|vault|age|classical|ed25519|mldsa65): ?(.*)")
_LONG = frozenset({"age", "mldsa65"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SSH_BEGIN = b"-----BEGIN SSH SIGNATURE-----\n"
_MLDSA_BEGIN = b"-----BEGIN CASEVAULT ML-DSA-65 SIGNATURE-----\n"
_MLDSA_END = b"-----END CASEVAULT ML-DSA-65 SIGNATURE-----\n"
_BOM = b"\xef\xbb\xbf"
# A line that begins or ends in the middle of a name would be another field, or another card.
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Card:
    """The public half of an identity. ``name`` is what they call themselves and proves nothing; ``date`` is a day."""

    name: str | None
    date: str
    vault_id: bytes
    age_recipient: str
    age_classical: str | None
    ed25519: bytes
    mldsa65: bytes

    @property
    def fingerprint(self) -> bytes:
        """What stands for the identity: not the name, not the date, not the classical recipient."""
        return fingerprints.fingerprint(
            vault_id=self.vault_id,
            age_recipient=self.age_recipient,
            ed25519=self.ed25519,
            mldsa65=self.mldsa65,
        )

    @property
    def ssh_fingerprint(self) -> str:
        """The Ed25519 key as ``ssh-keygen`` shows it."""
        return sshsig.fingerprint(self.ed25519)

    def unsigned_bytes(self) -> bytes:
        """The text that both signatures are over."""
        fields = {
            "name": self.name,
            "date": self.date,
            "vault": self.vault_id.hex(),
            "age": self.age_recipient,
            "classical": self.age_classical,
            "ed25519": sshsig.public_key_line(self.ed25519),
            "mldsa65": base64.b64encode(self.mldsa65).decode("ascii"),
        }
        lines = [_FIRST_LINE]
        for field, value in fields.items():
            if value is not None:
                lines += [f"{field}:", *_folded(value)] if field in _LONG else [f"{field}: {value}"]
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Card:
        """The card in its one form, both signatures verified. Raises ``BadCard``."""
        if len(data) > LARGEST_BYTES:
            raise errors.BadCard(reason="it is too long to be a card")
        at_ssh, at_mldsa = data.find(_SSH_BEGIN), data.find(_MLDSA_BEGIN)
        if not 0 < at_ssh < at_mldsa:
            raise errors.BadCard(reason="it is not a card, or was changed on its way")
        unsigned, armored = data[:at_ssh], data[at_ssh:at_mldsa]
        try:
            card = _parsed(unsigned)
            signature = parse_base64(
                data[at_mldsa:].removeprefix(_MLDSA_BEGIN).removesuffix(_MLDSA_END).replace(b"\n", b"")
            )
        except (CryptoError, ValueError, KeyError, TypeError):
            raise errors.BadCard(reason="it is not a card, or was changed on its way") from None
        if card.unsigned_bytes() != unsigned or signed_bytes(card, armored, signature) != data:
            raise errors.BadCard(reason="it is not a card, or was changed on its way")
        try:
            sshsig.verify(card.ed25519, unsigned, armored, kind=SignedKind.CARD)
            mldsa.verify(card.mldsa65, unsigned, signature, kind=SignedKind.CARD)
        except CryptoError:
            raise errors.BadCard(reason="its signatures do not hold") from None
        try:
            _verify_values(card)
        except (CryptoError, ValueError):
            raise errors.BadCard(reason="something in it cannot be what it says") from None
        return card


def signed_bytes(card: Card, ssh_signature: bytes, mldsa_signature: bytes) -> bytes:
    """The card as it is handed out."""
    lines = "".join(f"{line}\n" for line in _folded(base64.b64encode(mldsa_signature).decode("ascii")))
    return card.unsigned_bytes() + ssh_signature + _MLDSA_BEGIN + lines.encode("ascii") + _MLDSA_END


def tidied(data: bytes) -> bytes:
    """A card as a person gives it, after what mail programs do to texts: CRLF, a byte order mark, empty lines around it.

    Inside a sealed file nothing is forgiven. Raises ``BadCard`` for what is too long to be one.
    """
    if len(data) > LARGEST_BYTES:
        raise errors.BadCard(reason="it is too long to be a card")
    return data.removeprefix(_BOM).replace(b"\r\n", b"\n").strip(b" \t\n") + b"\n"


def checked_name(name: str) -> str:
    """A name as a card can carry it: one line, at most 200 characters, NFC. Raises ``BadValue``."""
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        raise errors.BadValue(field="name", reason="it is empty")
    if len(name) > _LONGEST_NAME:
        raise errors.BadValue(field="name", reason="it is too long")
    if any(unicodedata.category(character) in _NOT_IN_NAMES for character in name):
        raise errors.BadValue(field="name", reason="it has characters that no name has")
    return name


def _parsed(unsigned: bytes) -> Card:
    """The values of the text, in whatever form. Raises CryptoError, ValueError, KeyError, TypeError."""
    first, *lines = unsigned.decode("utf-8").removesuffix("\n").split("\n")
    if first != _FIRST_LINE:
        raise ValueError("another first line")
    values: dict[str, str] = {}
    field = ""
    for line in lines:
        if found := _FIELD.fullmatch(line):
            field, value = found[1], found[2]
            values[field] = value
        else:
            values[field] += line
    _key_type, encoded_key = values["ed25519"].split(" ")
    return Card(
        name=values.get("name"),
        date=values["date"],
        vault_id=bytes.fromhex(values["vault"]),
        age_recipient=values["age"],
        age_classical=values.get("classical"),
        ed25519=parse_base64(encoded_key.encode("ascii"))[-ed25519.PUBLIC_KEY_SIZE :],
        mldsa65=parse_base64(values["mldsa65"].encode("ascii")),
    )


def _verify_values(card: Card) -> None:
    """That it can be used as it says. Raises CryptoError, ValueError."""
    if card.name is not None and _other_name(card.name):
        raise ValueError("no name")
    if not _DATE.fullmatch(card.date) or len(card.vault_id) != _VAULT_ID_SIZE:
        raise ValueError("no date, or no vault id")
    if not isinstance(age_keys.parse_recipient(card.age_recipient), age_keys.HybridRecipient):
        raise InvalidPublicKey("not a hybrid recipient")
    if card.age_classical is not None and not isinstance(
        age_keys.parse_recipient(card.age_classical), age_keys.X25519Recipient
    ):
        raise InvalidPublicKey("not a classical recipient")
    if len(card.ed25519) != ed25519.PUBLIC_KEY_SIZE or len(card.mldsa65) != mldsa.PUBLIC_KEY_SIZE:
        raise InvalidPublicKey("a key of another size")


def _other_name(name: str) -> bool:
    try:
        return checked_name(name) != name
    except errors.BadValue:
        return True


def _folded(text: str) -> list[str]:
    return [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
