"""Requests about texts that are being written.

The text is sealed and opened by whoever writes it, with one draft's key for one logged intent; here only the keys are kept,
and the log is told when writing begins, goes on and ends.
"""

from __future__ import annotations

from collections.abc import Callable

from crypto.keys import ObjectKey
from crypto.objects import DRAFT_ID_SIZE
from vault import errors, schema
from vault.door import Act
from vault.proving import Proving
from vault.registry import draft_grant, wrap_draft_key
from vault.requests import DraftGrant, DraftSummary
from vault.tables import Row, blob, integer, optional_blob, optional_text, text


class Drafting(Proving):
    """The part of the keeper that knows of drafts."""

    def draft_list(self, code: str) -> tuple[DraftSummary, ...]:
        """The drafts of a case, oldest first; nothing of what they say."""
        with self._act("draft-list", code) as act:
            return tuple(
                DraftSummary(
                    draft_id=blob(row, "draft_id"),
                    begun=text(row, "begun"),
                    kept=optional_text(row, "kept"),
                    writing=self._is_written(blob(row, "draft_id")),
                )
                for row in self.registry.drafts(act.needed_case.case_id)
            )

    def draft_begin(self, code: str, draft_id: bytes, key: bytes, digest: bytes) -> DraftGrant:
        """Know of a draft whose first version is saved already, for the intent to write it.

        The caller drew id and key. ``draft_end`` must follow.
        """
        if len(draft_id) != DRAFT_ID_SIZE or self.registry.row(schema.DRAFTS, draft_id) is not None:
            raise errors.BadValue(field="draft", reason="its id cannot be taken")
        act = self._begin("draft-begin", code, item=None, purpose=None, grants=())
        case_id, receipt = act.needed_case.case_id, act.receipt
        with self._concluding(act):
            case_key = self.registry.unwrap_case_key(receipt, case_id)
            row: Row = {
                "draft_id": draft_id,
                "case_id": case_id,
                "key": wrap_draft_key(case_key, case_id, draft_id, ObjectKey(key)),
                "begun": self.now,
                "kept": None,
                "version": 1,
                "digest": digest,
            }
            self.log.announce(receipt, (draft_id,), lambda: self.registry.put(schema.DRAFTS, row))
        return self._writing(act, row, ObjectKey(key))

    def draft_resume(self, code: str, draft_id: bytes) -> DraftGrant:
        """The key of a draft, for one logged intent; ``draft_end`` must follow.

        Raises ``NoSuchDraft``, and ``Refused`` while somebody else writes it.
        """
        if self._is_written(draft_id):
            raise errors.Refused(reason="this text is being written in another window")
        act = self._begin("draft-resume", code, item=None, purpose=None, grants=(draft_grant(draft_id),))
        with self._concluding(act):
            row = self._draft(act, draft_id)
            key = self.registry.unwrap_draft_key(act.receipt, row)
        return self._writing(act, row, key)

    def _writing(self, act: Act, row: Row, key: ObjectKey) -> DraftGrant:
        act.receipt.void()
        intent, draft_id = act.receipt.number, blob(row, "draft_id")
        self._reads[intent] = act
        self._written[intent] = draft_id
        return DraftGrant(
            intent=intent,
            draft_id=draft_id,
            case_id=act.needed_case.case_id,
            folder_id=self.header.folder_id,
            key=key.raw,
            version=integer(row, "version"),
            digest=optional_blob(row, "digest"),
        )

    def draft_end(self, intent: int, version: int, digest: bytes) -> None:
        """Record that writing ended, and which version of the draft was saved last, if there is a draft still."""
        draft_id = self._written.pop(intent, None)
        if self._reads.pop(intent, None) is None or draft_id is None:
            raise errors.ReceiptRefused
        row = self.registry.row(schema.DRAFTS, draft_id)
        also: list[Callable[[], None]] = []
        if row is not None:
            ended: Row = {**row, "kept": self.now, "version": version, "digest": digest}
            also.append(lambda: self.registry.put(schema.DRAFTS, ended))
        self._conclude(intent, "done", also=also)

    def draft_discard(self, code: str, draft_id: bytes) -> None:
        """Throw a draft away: its key first, then its files. Raises ``NoSuchDraft``, ``Refused`` while it is written."""
        if self._is_written(draft_id):
            raise errors.Refused(reason="this text is being written in another window")
        with self._act("draft-discard", code) as act:
            self._forget_draft(act, draft_id)
        self.registry.store.overwrite_deleted()
        self.remove_draft(draft_id)

    def _is_written(self, draft_id: bytes) -> bool:
        return draft_id in self._written.values()

    def _draft(self, act: Act, draft_id: bytes) -> Row:
        row = self.registry.row(schema.DRAFTS, draft_id)
        if row is None or row["case_id"] != act.needed_case.case_id:
            raise errors.NoSuchDraft(code=act.code)
        return row

    def _forget_draft(self, act: Act, draft_id: bytes) -> None:
        self._draft(act, draft_id)
        act.also.append(lambda: self.registry.erase(schema.DRAFTS, draft_id))
