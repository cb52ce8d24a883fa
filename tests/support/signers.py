"""What `ssh-keygen -Y verify` is told of whose signatures to accept."""

from __future__ import annotations

from collections.abc import Iterable

from crypto import sshsig
from crypto.labels import SignedKind


def allowed_signers(principal: str, public_key: bytes, kinds: Iterable[SignedKind]) -> str:
    """The file that accepts this key for these kinds only."""
    namespaces = ",".join(kind.value.decode("ascii") for kind in kinds)
    return f'{principal} namespaces="{namespaces}" {sshsig.public_key_line(public_key)}\n'
