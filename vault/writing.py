"""A text being written: its sealed draft, saved again and again, and how writing ends.

All of this happens in the process of whoever writes. The service gave one draft's key for one logged intent; a save asks
it for nothing, so that what was typed is saved also when the session has just ended.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from types import TracebackType
from typing import TYPE_CHECKING

from crypto.keys import ObjectKey
from vault import drafts, errors, intake
from vault.drafts import Draft, DraftFiles
from vault.folder import Staging
from vault.objects import write_object
from vault.requests import Description, DraftSummary, Stored

if TYPE_CHECKING:
    from vault.keeper import Keeper

GetKeeper = Callable[[], "Keeper"]


@dataclass(frozen=True, slots=True)
class _Place:
    code: str
    intent: int
    draft_id: bytes
    files: DraftFiles


class Drafts:
    """The texts of a case that were begun and neither stored nor thrown away."""

    def __init__(self, keeper: GetKeeper, code: str) -> None:
        self._keeper = keeper
        self._code = code

    def list(self) -> tuple[DraftSummary, ...]:
        """All drafts, oldest first; nothing of what they say."""
        return self._keeper().draft_list(self._code)

    def begin(self, *, description: Description | None = None, text: str = "", revises: int | None = None) -> Writing:
        """Begin a text; with ``revises`` a later version of an item. Its first draft is saved at once.

        Raises ``BadValue``, ``NoSpace``, ``ReadOnly``.
        """
        keeper = self._keeper()
        grant = keeper.item_begin_add(self._code)
        draft_id, key = drafts.new_id(), ObjectKey.random()
        place = DraftFiles(
            keeper.folder.drafts, key, folder_id=grant.folder_id, case_id=grant.case_id, draft_id=draft_id
        )
        draft = Draft(text, description or Description(kind="statement"), _now(), 1, revises)
        digest = place.write(draft)
        # If the log cannot say whether it has this draft, the next open tells, and removes the file or keeps it.
        begun = keeper.draft_begin(self._code, draft_id, key.raw, digest)
        return Writing(keeper, _Place(self._code, begun.intent, draft_id, place), draft, digest)

    def resume(self, draft_id: bytes) -> Writing:
        """Go on with a text. Raises ``NoSuchDraft``, ``DraftDamaged``, and ``Refused`` while somebody else writes it."""
        keeper = self._keeper()
        grant = keeper.draft_resume(self._code, draft_id)
        place = DraftFiles(
            keeper.folder.drafts,
            ObjectKey(grant.key),
            folder_id=grant.folder_id,
            case_id=grant.case_id,
            draft_id=draft_id,
        )
        try:
            found = place.read()
        except BaseException as error:
            with contextlib.suppress(errors.VaultError):
                keeper.item_close(grant.intent, "failed", reason=type(error).__name__)
            raise
        older = found.is_older_than(grant.version, grant.digest)
        return Writing(
            keeper,
            _Place(self._code, grant.intent, draft_id, place),
            # Versions go on from the highest that was ever known, or the next save would look older than it is.
            replace(found.draft, version=max(grant.version, found.draft.version)),
            found.digest,
            doubtful=older or found.damaged,
        )

    def discard(self, draft_id: bytes) -> None:
        """Throw a draft away without reading it. Raises ``NoSuchDraft``, and ``Refused`` while somebody writes it."""
        self._keeper().draft_discard(self._code, draft_id)


class Writing:
    """One text while it is written; a context manager that keeps the draft unless it was stored or thrown away.

    ``doubtful``: the draft that was found is older than the one that was kept, or a part of it is damaged.
    """

    def __init__(self, keeper: Keeper, place: _Place, draft: Draft, digest: bytes, *, doubtful: bool = False) -> None:
        self._keeper = keeper
        self._place = place
        self._draft = draft
        self._digest = digest
        self._saving = threading.Lock()
        self._ended = False
        self._gone = False
        self.doubtful = doubtful

    @property
    def draft(self) -> Draft:
        """What was saved last."""
        return self._draft

    @property
    def is_over(self) -> bool:
        """Whether the session that gave the key has ended: nothing may be shown any more."""
        # Only a session has an end of its own; the service inside this process ends with it.
        return bool(getattr(self._keeper, "has_ended", False))

    def save(self, text: str, description: Description | None = None) -> bool:
        """Save the draft if it says something else than the last one did; True if it was written.

        Durable at return. Needs no key besides the draft's own. Raises ``BadValue``, ``NoSpace``, ``ReadOnly``,
        ``DiskFailed``; the version before is then still there. Raises ``Refused`` if somebody else has gone on with the
        draft since the session ended, and ``NoSuchDraft`` if they have ended it.
        """
        with self._saving:
            last = self._draft
            said = description or last.description
            if self._gone or (text, said) == (last.text, last.description):
                return False
            self._verify_ours()
            draft = Draft(text, said, _now(), last.version + 1, last.revises)
            try:
                self._digest = self._place.files.write(draft)
            except FileNotFoundError:
                raise errors.ReadOnly(path="drafts") from None
            self._draft = draft
            return True

    def _verify_ours(self) -> None:
        """See that nobody else saved since; a session that has ended keeps nobody from that any more."""
        try:
            found = self._place.files.read()
        except errors.DraftDamaged:
            if self.is_over and not self._place.files.exist:
                raise errors.NoSuchDraft(code=self._place.code) from None
            return
        if found.digest != self._digest and found.draft.version >= self._draft.version:
            raise errors.Refused(reason="this text is being written in another window")

    def store(self, text: str, description: Description) -> Stored:
        """Store the text as an item, with what is said of it; the draft is forgotten in the same step.

        Raises as ``Items.add_text`` does; the draft then stays, and writing goes on. ``OutcomeUnrecorded`` means that it was
        done.
        """
        self.save(text, description)
        keeper, code = self._keeper, self._place.code
        grant = keeper.item_begin_add(code)
        source = intake.TextStream(text)
        collector = intake.TextCollector(source, None, size_bytes=source.size_bytes)
        staging = Staging(keeper.folder)
        try:
            staged = write_object(
                collector, staging.path, folder_id=grant.folder_id, case_id=grant.case_id, size_hint=source.size_bytes
            )
            try:
                stored = keeper.item_finish_add(
                    code,
                    str(staging.path),
                    staged,
                    description,
                    words=collector.text(),
                    revises=self._draft.revises,
                    draft=self._place.draft_id,
                )
            except errors.OutcomeUnrecorded:
                self._gone = True
                raise
        finally:
            with contextlib.suppress(errors.VaultError, OSError):
                staging.close()
        self._gone = True
        with contextlib.suppress(errors.VaultError):
            self.keep()
        return stored

    def keep(self) -> None:
        """End writing and keep the draft as it was saved last. Raises what the service raises; the draft is kept anyway."""
        if not self._ended:
            self._ended = True
            self._keeper.draft_end(self._place.intent, self._draft.version, self._digest)

    def throw_away(self) -> None:
        """End writing; the draft's key is destroyed and its files are removed."""
        with self._saving:
            self._gone = True
        self.keep()
        self._keeper.draft_discard(self._place.code, self._place.draft_id)

    def __enter__(self) -> Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(errors.VaultError, OSError):
            self.keep()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
