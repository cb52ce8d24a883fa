"""Signed notes and checkpoints, as transparency logs write them.

https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint. Of the note's signature types only Ed25519 (0x01)
is used. A note's text may be read only after `verify_note`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from crypto import ed25519
from crypto.encoding import parse_base64
from crypto.errors import BadSignature, InvalidPublicKey, NotCanonical
from crypto.keys import StepKey
from crypto.tree import EMPTY_ROOT, HASH_SIZE, MAX_SIZE

MAX_NOTE_SIZE = 1 << 20
MAX_SIGNATURES = 100

_ED25519 = b"\x01"
_KEY_ID_SIZE = 4
_LINE_START = "— "
_CONTROL_CHARACTER = re.compile(r"[\x00-\x09\x0b-\x1f]")
_HEX_KEY_ID = re.compile(r"[0-9a-f]{8}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 key with the name and the id under which a note's signature lines name it."""

    name: str
    key_id: bytes
    public_key: bytes

    @classmethod
    def of(cls, name: str, public_key: bytes) -> VerifierKey:
        """The key with its id. Raises ValueError for a name that no note may hold and for a key of another size."""
        if not _is_name(name):
            raise ValueError("a key's name has no spaces and no plus sign, and is not empty")
        if len(public_key) != ed25519.PUBLIC_KEY_SIZE:
            raise ValueError(f"an Ed25519 key has {ed25519.PUBLIC_KEY_SIZE} bytes")
        return cls(name, _key_id(name, _ED25519 + public_key), public_key)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key of `<name>+<key id>+<base64 of type and key>`.

        Raises InvalidPublicKey for any other form, an id that is not of this name and key, and every type but Ed25519:
        a key that can never be used would make its holder believe that it is.
        """
        name, _, rest = text.partition("+")
        hex_id, _, encoded = rest.partition("+")
        try:
            typed = parse_base64(encoded.encode("utf-8"))
            key_id = _key_id(name, typed)
        except (NotCanonical, UnicodeEncodeError):
            raise InvalidPublicKey("not a verifier key") from None
        if not _is_name(name) or not _HEX_KEY_ID.fullmatch(hex_id):
            raise InvalidPublicKey("not a verifier key")
        if bytes.fromhex(hex_id) != key_id:
            raise InvalidPublicKey("the key's id is not of this name and key")
        if typed[:1] != _ED25519 or len(typed) != 1 + ed25519.PUBLIC_KEY_SIZE:
            raise InvalidPublicKey("not a verifier key for Ed25519")
        return cls(name, key_id, typed[1:])

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public_key).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The text of a log's signed head: who the log is, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @staticmethod
    def text_of(origin: str, size: int, root: bytes) -> bytes:
        """What `to_bytes` gives for values that make a checkpoint without extensions; fast, and nothing is looked at."""
        return f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n".encode()

    def to_bytes(self) -> bytes:
        """The note text. Raises ValueError when it would not be read back as this checkpoint."""
        root = base64.b64encode(self.root).decode("ascii")
        text = "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions)).encode("utf-8")
        try:
            same = Checkpoint.from_bytes(text) == self
        except NotCanonical:
            same = False
        if not same:
            raise ValueError("these values make no checkpoint")
        return text

    @classmethod
    def from_bytes(cls, text: bytes) -> Checkpoint:
        """The checkpoint that is written so.

        Raises NotCanonical for text that is no note text, for fewer than three lines, an empty line, a size that is
        not a decimal number below 2**64 in its shortest form, a root that is not 32 bytes, and an empty tree with
        another root than the empty tree's.
        """
        lines = _decoded(text)[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise NotCanonical("not a checkpoint")
        origin, decimal, encoded_root, *extensions = lines
        root = parse_base64(encoded_root.encode("utf-8"))
        if len(root) != HASH_SIZE:
            raise NotCanonical(f"a root has {HASH_SIZE} bytes")
        if not _DECIMAL.fullmatch(decimal) or int(decimal) > MAX_SIZE:
            raise NotCanonical("not the size of a tree")
        if decimal == "0" and root != EMPTY_ROOT:
            raise NotCanonical("not the root of an empty tree")
        return cls(origin, int(decimal), root, tuple(extensions))


def step_public_key(key: StepKey) -> bytes:
    """The 32 bytes that verify what a step of the log was signed with."""
    return ed25519.public_key(key.raw)


def sign_checkpoint(checkpoint: Checkpoint, key: StepKey) -> bytes:
    """The 64 bytes of the signature that `checkpoint_note` makes a note of."""
    return ed25519.sign(key.raw, checkpoint.to_bytes())


def verify_checkpoint(text: bytes, signature: bytes, public_key: bytes) -> None:
    """Raises BadSignature unless `signature` is that of a checkpoint with this text; faster than by way of the note."""
    ed25519.verify(public_key, text, signature)


def checkpoint_note(checkpoint: Checkpoint, signature: bytes, public_key: bytes) -> bytes:
    """The signed note of a checkpoint whose origin is also the name of its key. Nothing is verified."""
    key = VerifierKey.of(checkpoint.origin, public_key)
    encoded = base64.b64encode(key.key_id + signature).decode("ascii")
    return checkpoint.to_bytes() + f"\n{_LINE_START}{checkpoint.origin} {encoded}\n".encode()


def sign_note(text: bytes, name: str, seed: bytes | StepKey) -> bytes:
    """The note of this text with one signature, by the Ed25519 key of `seed` under `name`.

    Raises ValueError for text and names that no note may hold: text is UTF-8 without control characters but newline,
    and ends in one.
    """
    raw = seed.raw if isinstance(seed, StepKey) else seed
    key = VerifierKey.of(name, ed25519.public_key(raw))
    signature = base64.b64encode(key.key_id + ed25519.sign(raw, text)).decode("ascii")
    note = text + f"\n{_LINE_START}{name} {signature}\n".encode()
    try:
        parsed_text, _ = _parse(note)
    except NotCanonical as error:
        raise ValueError(f"not the text of a note: {error}") from None
    if parsed_text != text:
        raise ValueError("not the text of a note: it does not end in a newline")
    return note


def verify_note(note: bytes, verifier_keys: Iterable[str]) -> bytes:
    """The text of a note that at least one of these keys has signed; none of their signatures may fail.

    Signatures by other keys are ignored, even under a known name. Raises NotCanonical when the bytes are no note,
    have more than 100 signatures or more than 1 MiB; BadSignature when a known signature fails or there is none;
    InvalidPublicKey for what is no Ed25519 verifier key, and when two keys have the name and id of one signature.
    """
    known: dict[tuple[str, bytes], list[bytes]] = {}
    for each in map(VerifierKey.parse, verifier_keys):
        known.setdefault((each.name, each.key_id), []).append(each.public_key)
    text, signatures = _parse(note)
    held = False
    for name, key_id, signature in signatures:
        public_keys = known.get((name, key_id), [])
        if len(public_keys) > 1:
            raise InvalidPublicKey("two keys have one name and id")
        for public_key in public_keys:
            ed25519.verify(public_key, text, signature)
            held = True
    if not held:
        raise BadSignature("no signature by a known key")
    return text


def _parse(note: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
    """The text, and name, key id and signature of each line. Nothing of it is verified."""
    if len(note) > MAX_NOTE_SIZE:
        raise NotCanonical("a note of more than 1 MiB")
    text, blank_line, lines = _decoded(note)[:-1].rpartition("\n\n")
    if not blank_line:
        raise NotCanonical("a note without signatures")
    split = lines.split("\n")
    if len(split) > MAX_SIGNATURES:
        raise NotCanonical(f"a note with more than {MAX_SIGNATURES} signatures")
    return f"{text}\n".encode(), [_parse_line(line) for line in split]


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_LINE_START).partition(" ")
    if not line.startswith(_LINE_START) or not _is_name(name):
        raise NotCanonical("not a signature line")
    signature = parse_base64(encoded.encode("utf-8"))
    if len(signature) <= _KEY_ID_SIZE:
        raise NotCanonical("a signature line without a signature")
    return name, signature[:_KEY_ID_SIZE], signature[_KEY_ID_SIZE:]


def _decoded(text: bytes) -> str:
    """Text as notes have it: UTF-8, no control characters but newline, a newline at the end."""
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        raise NotCanonical("not UTF-8") from None
    if _CONTROL_CHARACTER.search(decoded):
        raise NotCanonical("a control character")
    if not decoded.endswith("\n"):
        raise NotCanonical("no newline at the end")
    return decoded


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


def _key_id(name: str, typed_key: bytes) -> bytes:
    return hashlib.sha256(name.encode("utf-8") + b"\n" + typed_key).digest()[:_KEY_ID_SIZE]
