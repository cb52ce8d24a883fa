"""An item being read: one object's key for one entry of the log, from the first byte or from anywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from vault import errors

if TYPE_CHECKING:
    from vault.keeper import Keeper
    from vault.objects import Progress
    from vault.requests import ObjectGrant


class Reading:
    """An item being read, for one entry of the log; a context manager whose end records how much was given out."""

    def __init__(self, keeper: Keeper, grant: ObjectGrant, *, offset: int, length: int | None) -> None:
        import hashlib

        from vault.objects import ObjectReader

        self._keeper = keeper
        self.grant = grant
        self._offset = offset
        self._length = length
        self._reader = ObjectReader(keeper.folder.objects, grant)
        self._given = 0
        self._digest = hashlib.sha256()
        self._poured: str | None = None
        self._in_order = True
        self._closed = False

    @property
    def size_bytes(self) -> int:
        """How many bytes will be given."""
        left = self.grant.size_bytes - self._offset
        return left if self._length is None else min(left, self._length)

    def __iter__(self) -> Iterator[memoryview]:
        """The bytes in pieces, each authentic, each valid until the next. Raises ``ObjectDamaged``, ``ObjectMissing``."""
        for piece in self._reader.read(self._offset, self._length):
            self.verify_open()
            self._digest.update(piece)
            self._given += len(piece)
            yield piece

    def part(self, offset: int, length: int) -> Iterator[memoryview]:
        """A part of what is read, from anywhere and as often as one likes; ``offset`` counts from where the reading begins.

        Pieces and errors are as when all is read. Of parts the log gets how much was given out, and no digest.
        """
        self._in_order = False
        for piece in self._reader.read(self._offset + offset, min(length, self.size_bytes - offset)):
            self.verify_open()
            self._given += len(piece)
            yield piece

    def write_to(self, write: Callable[[memoryview], object], *, progress: Progress | None = None) -> None:
        """Give all bytes to ``write``. Of a whole item the digest is compared with the recorded one at the end.

        Raises ``ObjectDamaged``, ``ObjectMissing``; what was written until then is authentic but not complete.
        """
        if self._offset or self._length is not None:
            for piece in self:
                write(piece)
                if progress:
                    progress(len(piece))
            return

        def give(piece: memoryview) -> None:
            self.verify_open()
            self._given += len(piece)
            write(piece)

        self._poured = self._reader.pour(give, progress=progress)
        if self._poured != self.grant.sha256:
            raise errors.ObjectDamaged(what=self.grant.reference)

    def verify_open(self) -> None:
        """Raise ``ReceiptRefused`` if the intent has its outcome: then nothing is given out any more."""
        if self._closed or not self._keeper.is_reading(self.grant.intent):
            raise errors.ReceiptRefused

    def fail(self, reason: str) -> None:
        """End the reading as failed."""
        if not self._closed:
            self._closed = True
            self._keeper.item_close(self.grant.intent, "failed", size=self._given, reason=reason)

    def close(self) -> None:
        """End the reading: the log gets the outcome. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            digest = (self._poured or self._digest.hexdigest()) if self._in_order else None
            self._keeper.item_close(self.grant.intent, "done", size=self._given, digest=digest)

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with contextlib.suppress(errors.VaultError):
            self.fail(kind.__name__)
