"""The receipt of an intent: proof, within this process, that the log has durably recorded what is about to happen.

Functions that unwrap a key demand one. It stops mistakes, and other programs on the service's socket; not a modified
program.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from vault import errors


class Receipt:
    """For one intent, in one process: each grant can be spent once. Receipts are of intents in the log; only to look through a
    backup, in which no log can be written, there is one of none.
    """

    __slots__ = ("_grants", "_process", "act", "case_id", "item", "number")

    def __init__(
        self, number: int, *, act: str, case_id: bytes | None, item: str | None, grants: Iterable[str]
    ) -> None:
        self.number = number
        self.act = act
        self.case_id = case_id
        self.item = item
        self._grants = set(grants)
        self._process = os.getpid()

    def spend(self, grant: str) -> None:
        """Use up one grant. Raises ``ReceiptRefused`` if it was not given, is used, or in another process."""
        if grant not in self._grants or self._process != os.getpid():
            raise errors.ReceiptRefused
        self._grants.remove(grant)

    def void(self) -> None:
        """Nothing more may be unwrapped: the intent has its outcome."""
        self._grants.clear()

    def __reduce_ex__(self, protocol: object) -> str | tuple[object, ...]:
        raise TypeError("a receipt is neither copied nor pickled")
