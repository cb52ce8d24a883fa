"""Requests about what lies in a case: its items and its persons."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from crypto.keys import ObjectKey
from vault import cases, errors, items, persons, references, statements
from vault.compartment import Compartment
from vault.door import Act
from vault.drafting import Drafting
from vault.objects import ObjectReader, Staged, belongs, place, remove_object, verify_new
from vault.requests import (
    AddGrant,
    Description,
    Disposal,
    ItemDetails,
    ItemSummary,
    Note,
    ObjectGrant,
    PersonDetails,
    PersonFields,
    Stored,
)
from vault.tables import Row, blob


class Filing(Drafting):
    """The part of the keeper that knows of items and persons."""

    # Items

    def item_begin_add(self, code: str) -> AddGrant:
        """What is needed to stage an object for a case. Nothing is revealed, so nothing is logged."""
        case = self.registry.case(references.parse_case(code))
        return AddGrant(case_id=case.case_id, folder_id=self.header.folder_id)

    def item_finish_add(
        self,
        code: str,
        staging: str,
        staged: Staged,
        description: Description,
        *,
        file_name: str | None = None,
        words: str | None = None,
        revises: int | None = None,
        draft: bytes | None = None,
    ) -> Stored:
        """Take a staged object into a case: at its place and durable before the case knows of it.

        The ``draft`` that became this item is forgotten in the same step. Raises ``NoSuchDraft``, and ``Refused`` where it was
        staged for a case that is gone.
        """
        name = "item-add" if revises is None else "item-revise"
        item = None if revises is None else str(revises)
        with self._act(name, code, item=item, grants=("object",)) as act:
            if draft is not None:
                self._forget_draft(act, draft)
                act.objects.append(draft)
            self._verify_staged(act, staged, Path(staging))
            with self._changing(act) as compartment:
                number, again = items.add(
                    compartment,
                    staged,
                    description,
                    code=act.code,
                    file_name=file_name,
                    words=words,
                    revises=revises,
                    now=self.now,
                )
                lost = None
                if again and not self._is_whole(act, compartment, number):
                    lost = items.replace_object(compartment, act.code, number, staged)
                    act.objects.append(lost)
                if not again or lost:
                    compartment.keep_object_key(staged.object_id, ObjectKey(staged.key))
                    act.objects.append(staged.object_id)
                    act.before_commit.append(partial(place, staged, Path(staging), self.folder.objects))
            if lost:
                remove_object(self.folder.objects, lost)
            act.outcome |= {"item": str(number), "size": staged.size_bytes, "digest": staged.sha256}
            stored = Stored(items.details(compartment, act.code, number), again)
        if draft is not None:
            self.remove_draft(draft)
        return stored

    def _verify_staged(self, act: Act, staged: Staged, staging: Path) -> None:
        """A case may be deleted while something for it is read, and another get its code.

        Raises ``Refused``, and ``ReceiptRefused`` as ``verify_new`` does.
        """
        verify_new(staged, self.folder.objects)
        case_id = act.needed_case.case_id
        if not belongs(staged, staging, folder_id=self.header.folder_id, case_id=case_id):
            raise errors.Refused(reason="the case was deleted meanwhile, and another has its code now")

    def _is_whole(
        self, act: Act, compartment: Compartment, number: int, keys: Mapping[bytes, ObjectKey] | None = None
    ) -> bool:
        """Whether every byte of an item is still what came in; if not, its owner brings the only way to heal it.

        The object's key is one of ``keys``, else it is unwrapped for the act.
        """
        row = items.stored_row(compartment, act.code, number)
        object_id = blob(row, "object_id")
        try:
            key = compartment.unwrap_object_key(act.receipt, object_id) if keys is None else keys[object_id]
            ObjectReader(self.folder.objects, self._grant(act, row, key)).verify()
        except (errors.Damage, KeyError):
            return False
        return True

    def _grant(self, act: Act, row: Row, key: ObjectKey) -> ObjectGrant:
        return items.grant(
            row,
            intent=act.receipt.number,
            code=act.code,
            case_id=act.needed_case.case_id,
            folder_id=self.header.folder_id,
            key=key,
        )

    def item_list(self, code: str) -> tuple[ItemSummary, ...]:
        """The items of a case, by number."""
        with self._act("item-list", code) as act:
            return items.summaries(self._compartment(act), act.code)

    def item_show(self, code: str, number: int, *, purpose: str | None = None) -> ItemDetails:
        """Everything about an item besides its bytes. Raises ``NoSuchItem``."""
        with self._act("item-show", code, item=str(number), purpose=purpose) as act:
            return items.details(self._compartment(act), act.code, number)

    def item_open(self, code: str, number: int, *, act_name: str, purpose: str | None = None) -> ObjectGrant:
        """The key of an item's object, for one logged intent; ``item_close`` must follow."""
        act = self._begin(f"item-{act_name}", code, item=str(number), purpose=purpose, grants=("object",))
        with self._concluding(act):
            compartment = self._compartment(act)
            row = items.stored_row(compartment, act.code, number)
            object_id = blob(row, "object_id")
            key = compartment.unwrap_object_key(act.receipt, object_id)
        act.receipt.void()
        self._reads[act.receipt.number] = act
        return self._grant(act, row, key)

    def verify_serving(self) -> None:
        """See that this vault is still open, while something long is prepared for it. Raises ``VaultClosed``."""
        if not self.is_usable:
            raise errors.VaultClosed

    def is_reading(self, intent: int) -> bool:
        """Whether an ``item_open`` has no outcome yet."""
        return intent in self._reads

    def item_close(
        self, intent: int, phase: str, *, size: int | None = None, digest: str | None = None, reason: str | None = None
    ) -> None:
        """Record what came of ``item_open``: done or failed, and how much was given out."""
        self._written.pop(intent, None)
        if self._reads.pop(intent, None) is None:
            raise errors.ReceiptRefused
        self._conclude(intent, phase, size=size, digest=digest, reason=reason)

    def item_edit(self, code: str, number: int, values: dict[str, str | None]) -> ItemDetails:
        """Change what is said of an item; the old values stay in its history."""
        with self._act("item-edit", code, item=str(number)) as act:
            with self._changing(act) as compartment:
                items.edit(compartment, act.code, number, values)
            return items.details(compartment, act.code, number)

    def item_note(self, code: str, number: int, remark: str) -> Note:
        """A further remark on an item."""
        with self._act("item-note", code, item=str(number)) as act, self._changing(act) as compartment:
            items.stored_row(compartment, act.code, number)
            return cases.add_note(compartment, number, remark, now=self.now)

    def item_tag(self, code: str, number: int, add: tuple[str, ...], remove: tuple[str, ...]) -> tuple[str, ...]:
        """Add and remove tags of an item."""
        with self._act("item-tag", code, item=str(number)) as act, self._changing(act) as compartment:
            items.stored_row(compartment, act.code, number)
            return cases.change_tags(compartment, number, add, remove)

    def item_statement(self, code: str, number: int, values: dict[str, str | None]) -> ItemDetails:
        """Say in which circumstances a statement was given; the old values stay in its history."""
        with self._act("item-statement", code, item=str(number)) as act:
            with self._changing(act) as compartment:
                items.stored_row(compartment, act.code, number)
                statements.change(compartment, act.code, number, values)
            return items.details(compartment, act.code, number)

    def item_delete(self, code: str, number: int, reason: str | None = None) -> Disposal:
        """Delete an item: its row and key first, then its bytes. A record of it stays."""
        with self._act("item-delete", code, item=str(number)) as act:
            now = self.now
            with self._changing(act) as compartment:
                object_id = items.delete(compartment, act.code, number, reason, now=now)
                act.objects.append(object_id)
            compartment.store.overwrite_deleted()
            remove_object(self.folder.objects, object_id)
            return Disposal(references.item_reference(act.code, number), now, reason)

    # Persons

    def person_add(self, code: str, person: PersonFields) -> PersonDetails:
        """A further person of a case."""
        with self._act("person-add", code) as act:
            with self._changing(act) as compartment:
                number = persons.add(compartment, person, now=self.now)
            act.outcome |= {"item": f"p{number}"}
            return persons.details(compartment, act.code, number)

    def person_list(self, code: str) -> tuple[PersonDetails, ...]:
        """The persons of a case, by number."""
        with self._act("person-list", code) as act:
            return persons.everyone(self._compartment(act), act.code)

    def person_show(self, code: str, number: int, *, purpose: str | None = None) -> PersonDetails:
        """Everything about a person. Raises ``NoSuchPerson``."""
        with self._act("person-show", code, item=f"p{number}", purpose=purpose) as act:
            return persons.details(self._compartment(act), act.code, number)

    def person_edit(self, code: str, number: int, values: dict[str, object]) -> PersonDetails:
        """Change what is known of a person; the old values stay in the history."""
        with self._act("person-edit", code, item=f"p{number}") as act:
            with self._changing(act) as compartment:
                persons.edit(compartment, act.code, number, values)
            return persons.details(compartment, act.code, number)

    def person_remove(self, code: str, number: int, reason: str | None = None) -> Disposal:
        """Delete a person and everything known of them, old values too."""
        with self._act("person-remove", code, item=f"p{number}") as act:
            now = self.now
            with self._changing(act) as compartment:
                persons.remove(compartment, act.code, number, reason, now=now)
            compartment.store.overwrite_deleted()
            return Disposal(references.person_reference(act.code, number), now, reason)
