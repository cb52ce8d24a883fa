"""Ways into a vault: each turns what a person has into the private key of a header slot."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Protocol

from crypto import kdf, slots, words
from crypto.errors import BadWords, CryptoError
from crypto.keys import VaultKey
from vault import errors, header

_RECOVERY_BYTES = 32
_KEY_FILE_LEAST = 16


@dataclass(frozen=True, slots=True)
class Place:
    """What of a vault goes into a secret's seed; the same in both copies of its header."""

    folder_id: bytes
    salt: bytes
    cost: kdf.Cost


@dataclass(frozen=True, slots=True)
class Unlocked:
    """What a slot held, and which it was."""

    vault_key: VaultKey
    slot: int
    public_key: bytes
    kind: str


class Unlocker(Protocol):
    """One secret, or several to be tried in turn."""

    def unlock(self, found: header.Header) -> Unlocked:
        """Open a slot of ``found``.

        Raises ``WrongPassphrase`` if no slot is for this secret; any other error is final.
        """
        ...


class SecretUnlocker:
    """What the kinds share: a seed that depends on the header's salt and cost, or on its folder id."""

    kind = ""

    def __init__(self) -> None:
        self._private: dict[Place, slots.SlotPrivateKey] = {}
        self._secret = b""

    def _seed(self, place: Place) -> bytes:
        raise NotImplementedError

    @property
    def secret(self) -> bytes:
        """What the seed is made of."""
        return self._secret

    def slot_key(self, place: Place) -> slots.SlotPrivateKey:
        """The key pair that this secret makes for a vault. Raises ``CostRefused``."""
        if place not in self._private:  # both copies of a header ask for the same one, and Argon2id is slow
            try:
                self._private[place] = slots.slot_keys(self._seed(place))
            except CryptoError as error:  # outside the limits, or more memory than this machine has
                raise errors.CostRefused(memory_kib=place.cost.memory_kib, passes=place.cost.passes) from error
        return self._private[place]

    def unlock(self, found: header.Header) -> Unlocked:
        """See ``Unlocker.unlock``."""
        private = self.slot_key(Place(found.folder_id, found.salt, found.cost))
        opened = header.open_any_slot(found, private)
        if opened is None:
            raise errors.WrongPassphrase
        key, slot = opened
        return Unlocked(key, slot, private.public_bytes(), self.kind)


class PassphraseUnlocker(SecretUnlocker):
    """A passphrase, perhaps together with a key file: Argon2id with the header's salt and cost."""

    def __init__(self, passphrase: str, key_file: bytes | None = None) -> None:
        super().__init__()
        if not passphrase:
            raise errors.UnusablePassphrase(reason="empty")
        if key_file is not None and not key_file:
            raise errors.BadValue(field="key file", reason="it is empty")
        try:
            self._secret = kdf.passphrase_secret(passphrase, key_file)
        except CryptoError:
            raise errors.UnusablePassphrase(reason="characters") from None
        self.kind = "passphrase" if key_file is None else "passphrase+keyfile"

    def _seed(self, place: Place) -> bytes:
        return kdf.argon2id(self._secret, salt=place.salt, cost=place.cost)


class KeyFileUnlocker(SecretUnlocker):
    """A key file alone: at least 16 random bytes, never stretched."""

    kind = "keyfile"

    def __init__(self, key_file: bytes) -> None:
        super().__init__()
        if len(key_file) < _KEY_FILE_LEAST:
            raise errors.BadValue(field="key file", reason="it is shorter than 16 bytes")
        self._secret = key_file

    def _seed(self, place: Place) -> bytes:
        return kdf.secret_seed(self._secret, folder_id=place.folder_id, kind=kdf.KIND_KEY_FILE)


class RecoveryUnlocker(SecretUnlocker):
    """The 24 recovery words: 256 random bits with a checksum, never stretched."""

    kind = "recovery"

    def __init__(self, text: str) -> None:
        super().__init__()
        try:
            self._secret = words.entropy_from_words(text)
        except BadWords as error:
            raise errors.BadRecoveryWords(reason=error.reason) from None
        if len(self._secret) != _RECOVERY_BYTES:
            raise errors.BadRecoveryWords(reason="count")

    @classmethod
    def generate(cls, language: str = "english") -> tuple[RecoveryUnlocker, tuple[str, ...]]:
        """New words, and the way in that they make."""
        chosen = words.words_from_entropy(secrets.token_bytes(_RECOVERY_BYTES), language)
        return cls(" ".join(chosen)), chosen

    def _seed(self, place: Place) -> bytes:
        return kdf.secret_seed(self._secret, folder_id=place.folder_id, kind=kdf.KIND_RECOVERY)


class AnyOf:
    """Several ways in, tried in the order given: the cheap ones first."""

    def __init__(self, *unlockers: Unlocker) -> None:
        self._unlockers = unlockers

    @property
    def unlockers(self) -> tuple[Unlocker, ...]:
        """The ways in, in their order."""
        return self._unlockers

    def unlock(self, found: header.Header) -> Unlocked:
        """See ``Unlocker.unlock``."""
        for unlocker in self._unlockers:
            try:
                return unlocker.unlock(found)
            except errors.WrongPassphrase:
                continue
        raise errors.WrongPassphrase


# On their way to a session's agent, which opens the vault with them

_KINDS: dict[str, type[SecretUnlocker]] = {
    "passphrase": PassphraseUnlocker,
    "passphrase+keyfile": PassphraseUnlocker,
    "keyfile": KeyFileUnlocker,
    "recovery": RecoveryUnlocker,
}
_MOST_WAYS = 16


def packed(unlocker: Unlocker) -> list[tuple[str, bytes]]:
    """Kind and secret of each way in, in their order. Raises ``BadValue`` for a kind that is not of this module."""
    if isinstance(unlocker, AnyOf):
        return [way for each in unlocker.unlockers for way in packed(each)]
    if isinstance(unlocker, SecretUnlocker) and type(unlocker) is _KINDS.get(unlocker.kind):
        return [(unlocker.kind, unlocker.secret)]
    raise errors.BadValue(field="way in", reason="a session does not know its kind")


def unpacked(ways: list[tuple[str, bytes]]) -> Unlocker:
    """What was packed. Raises ``BadValue``."""
    if not 0 < len(ways) <= _MOST_WAYS or not all(kind in _KINDS and secret for kind, secret in ways):
        raise errors.BadValue(field="way in", reason="there is no such kind")
    made = []
    for kind, secret in ways:
        way = _KINDS[kind].__new__(_KINDS[kind])
        SecretUnlocker.__init__(way)
        way.kind, way._secret = kind, secret
        made.append(way)
    return made[0] if len(made) == 1 else AnyOf(*made)
