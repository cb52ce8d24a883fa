"""The errors of the vault; each is one sentence, carries its fields and holds no secret."""

from __future__ import annotations


class VaultError(Exception):
    """Any refusal of the vault."""


class NoSpace(VaultError):
    """The disk, the quota or the largest file size is exhausted."""

    def __init__(self, *, path: str) -> None:
        super().__init__(f"no space left to write {path}")
        self.path = path


class ReadOnly(VaultError):
    """The place may not be written to."""

    def __init__(self, *, path: str) -> None:
        super().__init__(f"{path} cannot be written to")
        self.path = path
