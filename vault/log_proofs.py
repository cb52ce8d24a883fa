"""What a sealed file shows of its sender's log: a checkpoint, that the file is logged under it, and what it goes on from.

Forms and pure verification, without a vault. The checkpoint is trusted through the signatures of the sender's identity over
the whole bag; the step's own key, which the log names, must have signed it as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from crypto import mldsa, sshsig
from crypto.commitments import verify_disclosed
from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from crypto.labels import SignedKind
from crypto.signing import Checkpoint, VerifierKey, verify_note
from crypto.tree import HASH_SIZE, leaf_hash, verify_consistency, verify_inclusion
from vault import bag
from vault.archive import packed, refused
from vault.arrivals import ShownHead
from vault.leaves import Leaf, generation_statement, origin

FORM = 1
_ACT = "share"
SHOWN = ("act", "digest", "recipients")
MOST_EARLIER = 512
_MOST_GENERATIONS = 128
_MOST_HASHES = 64
_DEEPEST = 6
_LARGEST = 2**53 - 1
_NOT_ONE = "what it shows of its sender's log is not in the one form"

# What lets others see, without the items, that the sender's identity signed a state of the log.
EVIDENCE = (bag.TAGMANIFEST, bag.SIGNATURE, bag.MLDSA_SIGNATURE, bag.CARD, bag.LOG_CHECKPOINT, bag.LOG_PROOFS)


class SenderCard(Protocol):
    """What is needed of a card whose own signatures hold."""

    @property
    def vault_id(self) -> bytes:
        """The vault whose identity and log it is of."""

    @property
    def ed25519(self) -> bytes:
        """One of the keys that verify."""

    @property
    def mldsa65(self) -> bytes:
        """The other one."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where a generation begins, after which tree, certified by both keys of the identity."""

    generation: int
    first_step: int
    size: int
    root: bytes
    first_key: bytes
    sshsig: bytes
    mldsa65: bytes


@dataclass(frozen=True, slots=True)
class Included:
    """A leaf, and the way from it to the root of the checkpoint."""

    leaf: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """A state that the recipient may have seen, and the way from it to the checkpoint."""

    generation: int
    size: int
    root: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogProofs:
    """The content of log-proofs.json.

    ``share`` is the entry that announced the file, ``fields`` what is shown of it. ``key`` is the entry before, which named
    the key of the step; None for the first step of a generation, whose key is certified.
    """

    generations: tuple[Certificate, ...]
    share: Included
    fields: object
    key: Included | None
    earlier: tuple[Earlier, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises ValueError for what would not be read back."""
        data = canonical_json(
            {
                "form": FORM,
                "generations": [
                    {name: getattr(each, name) for name in Certificate.__dataclass_fields__}
                    | {"sshsig": each.sshsig.decode("ascii")}
                    for each in self.generations
                ],
                "share": _included_value(self.share) | {"fields": self.fields},
                "key": None if self.key is None else _included_value(self.key),
                "earlier": [
                    {"generation": each.generation, "size": each.size, "root": each.root, "proof": list(each.proof)}
                    for each in self.earlier
                ],
            },
            max_depth=_DEEPEST,
        )
        if len(data) > bag.MAX_PROOFS_BYTES:
            raise ValueError("too much for one file")
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> LogProofs:
        """What log-proofs.json says. Raises ``SealedFileRefused`` for every other form."""
        try:
            found = _exactly(
                parse_canonical_json(data, max_depth=_DEEPEST), "earlier", "form", "generations", "key", "share"
            )
            if found["form"] != FORM or isinstance(found["form"], bool):
                raise refused(reason="it was written by a newer version")
            share = _exactly(found["share"], "fields", "leaf", "proof")
            return cls(
                generations=tuple(
                    _certificate(each) for each in _list(found["generations"], _MOST_GENERATIONS, least=1)
                ),
                share=_included(share),
                fields=share["fields"],
                key=None if found["key"] is None else _included(_exactly(found["key"], "leaf", "proof")),
                earlier=tuple(_earlier(each) for each in _list(found["earlier"], MOST_EARLIER)),
            )
        except (CryptoError, TypeError, ValueError):
            raise refused(reason=_NOT_ONE) from None


def verify(files: Mapping[str, bytes], *, card: SenderCard, to: str, digest: str) -> ShownHead:
    """The state of the log that the tag files of a share show, after everything about it holds.

    ``to`` is the recipient's fingerprint in hexadecimal, empty for a passphrase, ``digest`` the SHA-256 of sealed.json.

    1. log-proofs.json has its one form; log-checkpoint.txt is a signed note of one checkpoint.
    2. Generations are numbered upwards, each later than the one before; both signatures of the identity hold for each.
    3. The checkpoint is of the log of the card's vault, in the last of these generations.
    4. The entry of this share is the last one under the checkpoint, and its step is of this generation.
    5. The entry before, under the same checkpoint, is the last of the step before and names the key of this one; a
       generation's first step has the certified key.
    6. This key has signed the checkpoint.
    7. The entry commits to the act, this recipient and this sealed.json; nothing else of it is shown.
    8. Every earlier state, in order, is the beginning of this one, and of the generation that it names.

    Raises ``SealedFileRefused``.
    """
    note = files[bag.LOG_CHECKPOINT]
    proofs = LogProofs.from_bytes(files[bag.LOG_PROOFS])  # 1
    try:
        checkpoint = Checkpoint.from_bytes(note.rpartition(b"\n\n")[0] + b"\n")
        share = Leaf.from_bytes(proofs.share.leaf)
        key = None if proofs.key is None else Leaf.from_bytes(proofs.key.leaf)
    except CryptoError:
        raise refused(reason=_NOT_ONE) from None
    _verify_generations(proofs.generations, card)  # 2
    now = proofs.generations[-1]
    if checkpoint.origin != origin(card.vault_id, now.generation) or checkpoint.extensions:  # 3
        raise refused(reason="the state that it shows is of another log than its sender's")
    try:
        verify_inclusion(
            leaf_hash(proofs.share.leaf), share.number, checkpoint.size, proofs.share.proof, checkpoint.root
        )
        if proofs.key is not None and key is not None:
            verify_inclusion(leaf_hash(proofs.key.leaf), key.number, checkpoint.size, proofs.key.proof, checkpoint.root)
        step_key = _step_key(share, key, now, checkpoint)  # 4 and 5
        _verify_signature(note, checkpoint.origin, step_key)  # 6
        shown = verify_disclosed(share.commitment, proofs.fields)  # 7
    except CryptoError:
        raise refused(reason="it does not prove that its sender's log has it") from None
    if shown != {"act": _ACT, "digest": digest, "recipients": [to] if to else None}:
        raise refused(reason="what its sender's log has is another file")
    _verify_earlier(proofs.earlier, proofs.generations, checkpoint)  # 8
    return ShownHead(
        generation=now.generation,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        first_key=now.first_key.hex(),
        generations=tuple(
            (each.generation, each.first_key.hex(), each.first_step, each.size, each.root.hex())
            for each in proofs.generations
        ),
        earlier=tuple((each.generation, each.size, each.root.hex()) for each in proofs.earlier),
        evidence=_evidence(files),
    )


def _verify_generations(generations: tuple[Certificate, ...], card: SenderCard) -> None:
    for before, after in itertools.pairwise(generations):
        is_later = after.first_step > before.first_step and after.size > before.size
        if after.generation <= before.generation or not is_later:
            raise refused(reason=_NOT_ONE)
    for each in generations:
        try:
            verify_certificate(each, vault_id=card.vault_id, ed25519=card.ed25519, mldsa65=card.mldsa65)
        except CryptoError:
            raise refused(reason="a generation of its sender's log is not certified by its sender") from None


def verify_certificate(found: Certificate, *, vault_id: bytes, ed25519: bytes, mldsa65: bytes) -> None:
    """Raises CryptoError unless both keys have signed that this generation of the log begins so."""
    statement = generation_statement(
        vault_id, {name: getattr(found, name) for name in Certificate.__dataclass_fields__}
    )
    sshsig.verify(ed25519, statement, found.sshsig, kind=SignedKind.GENERATION)
    mldsa.verify(mldsa65, statement, found.mldsa65, kind=SignedKind.GENERATION)


def last_certificate(proofs: bytes) -> bytes:
    """The certificate of the generation that a log-proofs.json is of, as it stands there."""
    value = _exactly(parse_canonical_json(proofs, max_depth=_DEEPEST), "earlier", "form", "generations", "key", "share")
    return canonical_json(_list(value["generations"], _MOST_GENERATIONS, least=1)[-1])


def read_certificate(data: bytes) -> Certificate:
    """A certificate that stands by itself. Raises ValueError or CryptoError for every other form."""
    try:
        return _certificate(parse_canonical_json(data))
    except TypeError:
        raise ValueError from None


def _step_key(share: Leaf, key: Leaf | None, now: Certificate, checkpoint: Checkpoint) -> bytes:
    wrong = refused(reason="it does not prove that its sender's log has it")
    if share.number != checkpoint.size - 1 or share.next_key is None or share.step < now.first_step:
        raise wrong
    if key is None:
        if share.step != now.first_step or share.number != now.size:
            raise wrong
        return now.first_key
    if share.step == now.first_step or (key.number, key.step) != (share.number - 1, share.step - 1):
        raise wrong
    if key.next_key is None:
        raise wrong
    return key.next_key


def _verify_signature(note: bytes, name: str, key: bytes) -> None:
    """Raises CryptoError unless this key has signed the note, and nobody else."""
    verify_note(note, [str(VerifierKey.of(name, key))])
    if note.count(b"\n") != 5:  # three lines, an empty one, and one signature
        raise refused(reason=_NOT_ONE)


def _verify_earlier(earlier: tuple[Earlier, ...], generations: tuple[Certificate, ...], checkpoint: Checkpoint) -> None:
    sizes = [each.size for each in earlier]
    if sizes != sorted(set(sizes)) or (sizes and sizes[-1] >= checkpoint.size):
        raise refused(reason=_NOT_ONE)
    for each in earlier:
        within = [certificate for certificate in generations if certificate.size < each.size]
        ends = {certificate.size: certificate.root for certificate in generations}
        # No proof covers the number; a false one would stand before every true one to come.
        if not within or within[-1].generation != each.generation or ends.get(each.size, each.root) != each.root:
            raise refused(reason="what it says of the generations of its sender's log does not fit together")
        try:
            verify_consistency(each.size, checkpoint.size, each.proof, each.root, checkpoint.root)
        except CryptoError:
            raise refused(reason="its sender's log does not go on from where it says that it stood") from None


def _evidence(files: Mapping[str, bytes]) -> bytes:
    return packed((name, files[name]) for name in EVIDENCE)


# Values


def _included_value(found: Included) -> dict[str, object]:
    return {"leaf": found.leaf.decode("ascii"), "proof": list(found.proof)}


def _exactly(value: object, *names: str) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise ValueError
    return value


def _list(value: object, most: int, least: int = 0) -> list[object]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ValueError
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _hex(value: object, size: int) -> bytes:
    data = bytes.fromhex(_text(value))
    if len(data) != size or data.hex() != value:
        raise ValueError
    return data


def _hashes(value: object) -> tuple[bytes, ...]:
    return tuple(_hex(each, HASH_SIZE) for each in _list(value, _MOST_HASHES))


def _included(found: Mapping[str, object]) -> Included:
    return Included(_text(found["leaf"]).encode("ascii"), _hashes(found["proof"]))


def _earlier(value: object) -> Earlier:
    found = _exactly(value, "generation", "proof", "root", "size")
    return Earlier(
        _number(found["generation"]), _number(found["size"]), _hex(found["root"], HASH_SIZE), _hashes(found["proof"])
    )


def _certificate(value: object) -> Certificate:
    found = _exactly(value, *Certificate.__dataclass_fields__)
    return Certificate(
        generation=_number(found["generation"]),
        first_step=_number(found["first_step"]),
        size=_number(found["size"]),
        root=_hex(found["root"], HASH_SIZE),
        first_key=_hex(found["first_key"], HASH_SIZE),
        sshsig=_text(found["sshsig"]).encode("ascii"),
        mldsa65=_hex(found["mldsa65"], mldsa.SIGNATURE_SIZE),
    )
