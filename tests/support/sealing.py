"""Sealed files as a partner writes them, who has an identity and no vault: right ones, and any part of them put wrong."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bags

from crypto import age
from vault import Vault
from vault.sealed import SealedManifest

CONTENTS = (b"a film of the road" * 20_000, b"", "Слова свидетеля, written down.\n".encode())


class Sender(bags.Sender):
    """Seals for vaults, always with the same card; ``card_bytes`` may be another one."""

    def __init__(self, number: int = 0, name: str | None = "Anna") -> None:
        super().__init__(number)
        self.card_bytes = super().card(name=name)

    def card(self, **_: Any) -> bytes:
        return self.card_bytes

    def share(self, to: bytes, contents: Sequence[bytes] = CONTENTS, **values: Any) -> SealedManifest:
        """What a share says of itself; the first to this recipient unless ``values`` say otherwise."""
        given = {"vault_id": self.vault_id.hex(), "to": to.hex(), "sequence": 1, "previous": None}
        return bags.share(contents, **(given | values))

    def tags(self, manifest: SealedManifest, replaced: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """The tag files, signed after those of ``replaced`` took their place."""
        return bags.tags_of(manifest, sender=self, replaced=replaced)

    def members(
        self,
        manifest: SealedManifest,
        contents: Sequence[bytes] = CONTENTS,
        replaced: Mapping[str, bytes] | None = None,
    ) -> list[tuple[str, bytes]]:
        return bags.members_of(manifest, self.tags(manifest, replaced), contents)

    def seal(self, to: To, contents: Sequence[bytes] = CONTENTS, **values: Any) -> bytes:
        """A whole file for a vault."""
        manifest = self.share(to.fingerprint, contents, **values)
        return sealed(bags.packed(self.members(manifest, contents)), to.hybrid)


class To:
    """A vault as those know it who have its card."""

    def __init__(self, vault: Vault) -> None:
        shown = vault.identity.show()
        self.fingerprint = bytes.fromhex(shown.fingerprint)
        self.hybrid = age.parse_recipient(shown.age_recipient)


def sealed(plaintext: bytes, *recipients: age.Recipient) -> bytes:
    """An age file."""
    sink = io.BytesIO()
    age.encrypt(io.BytesIO(plaintext), sink, recipients)
    return sink.getvalue()


def opened(file: bytes, *identities: age.Identity) -> bytes:
    """What is in an age file."""
    sink = io.BytesIO()
    age.decrypt(io.BytesIO(file), sink, identities)
    return sink.getvalue()


def header_size(file: bytes) -> int:
    return len(age.read_header(io.BytesIO(file)).text)


def leftover(folder: Path, name: str, content: bytes = b"age-encryption.org/v1\n-> x", *, seconds: int = 3600) -> Path:
    """What a crash left of a file that was being sealed, so many seconds ago."""
    path = folder / name
    path.write_bytes(content)
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path
