"""Handles of cases, items and persons: a name each, no state, nothing lazy. Every method asks the keeper once.

What is large is done here and not in the keeper: staging what is added, and reading what is shown or exported.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vault import errors

# What does the work on large files is loaded when there is such work: a session's client mostly only asks.
if TYPE_CHECKING:
    from vault.keeper import Keeper
    from vault.objects import Progress, Source, Staged
    from vault.reading import Reading
    from vault.requests import (
        CaseDetails,
        CaseSummary,
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
    from vault.sealing import Sealing
    from vault.sealing_requests import ShareSummary
    from vault.unlock import Unlocker
    from vault.writing import Drafts

GetKeeper = Callable[[], "Keeper"]


class Cases:
    """The cases of a vault."""

    def __init__(self, keeper: GetKeeper) -> None:
        self._keeper = keeper

    def new(self, title: str, *, code: str | None = None) -> CaseSummary:
        """Make a case. Raises ``BadCode``, ``CodeTaken``, ``BadValue``."""
        return self._keeper().case_new(title, code)

    def codes_like(self, code: str) -> tuple[str, ...]:
        """The codes that are easily taken for this one: another letter, a digit like a letter.

        Raises ``BadCode``, and ``CodeTaken`` where a case has it.
        """
        return self._keeper().codes_like(code)

    def list(self) -> tuple[CaseSummary, ...]:
        """All cases, by code."""
        return self._keeper().case_list()

    def get(self, code: str) -> Case:
        """A handle; whether there is such a case shows when it is used."""
        return Case(self._keeper, code)


class Case:
    """A case. Every method raises ``NoSuchCase`` if there is none with this code."""

    def __init__(self, keeper: GetKeeper, code: str) -> None:
        self._keeper = keeper
        self.code = code
        self.items = Items(keeper, code)
        self.persons = Persons(keeper, code)

    @property
    def drafts(self) -> Drafts:
        """The texts of the case that are being written."""
        from vault.writing import Drafts

        return Drafts(self._keeper, self.code)

    def show(self, *, purpose: str | None = None) -> CaseDetails:
        """Everything about the case besides its items and persons."""
        return self._keeper().case_show(self.code, purpose=purpose)

    def edit(self, *, title: str | None = None, description: str | None = None) -> CaseDetails:
        """Change title or description; None leaves one, an empty description is cleared."""
        return self._keeper().case_edit(self.code, title=title, description=description)

    def note(self, text: str) -> Note:
        """Add a remark."""
        return self._keeper().case_note(self.code, text)

    def tag(self, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Add and remove tags; returns all there are then."""
        return self._keeper().case_tag(self.code, add, remove)

    def seal(
        self,
        *,
        to: str | None,
        items: Iterable[int] | Literal["all"],
        persons: Iterable[int] = (),
        includes: Iterable[str] = (),
        purpose: str | None = None,
        terms: str | None = None,
        classical: bool = False,
    ) -> Sealing:
        """Begin to seal a file for the partner ``to``, or for a passphrase that is spoken (None); a context manager.

        Nothing goes that is not named: ``includes`` are of names, notes, tags, circumstances. See ``Keeper.share_begin``
        for what it raises, and ``Sealing.write``, which makes the file.
        """
        from vault.sealing import Sealing
        from vault.sealing_requests import ShareRequest

        keeper = self._keeper()
        request = ShareRequest(
            self.code,
            None if items == "all" else tuple(int(number) for number in items),
            to,
            persons=tuple(persons),
            includes=tuple(includes),
            purpose=purpose,
            terms=terms,
            classical=classical,
        )
        return Sealing(keeper, keeper.share_begin(request))

    def shares(self) -> tuple[ShareSummary, ...]:
        """The files that were sealed from the case: who has what, oldest first."""
        return self._keeper().share_list(self.code)

    def delete(self, current: Unlocker) -> None:
        """Destroy the case's key and files. Raises ``WrongPassphrase``."""
        self._keeper().case_delete(self.code, current)


class Items:
    """The items of a case."""

    def __init__(self, keeper: GetKeeper, code: str) -> None:
        self._keeper = keeper
        self._code = code

    def list(self) -> tuple[ItemSummary, ...]:
        """All items, by number."""
        return self._keeper().item_list(self._code)

    def get(self, number: int) -> Item:
        """A handle; whether there is such an item shows when it is used."""
        return Item(self._keeper, self._code, number)

    def add_file(
        self,
        path: Path,
        *,
        description: Description | None = None,
        both_digests: bool = True,
        progress: Progress | None = None,
    ) -> Stored:
        """Store a file as it is. It is neither moved nor changed.

        Raises ``SourceMissing``, ``SourceUnreadable``, ``SourceChanged``, ``NotAFile``, ``NoSpace``, ``BadValue``.
        """
        return self._add_file(path, description, None, both_digests, progress)

    def add_stream(
        self,
        stream: Source,
        *,
        file_name: str | None = None,
        description: Description | None = None,
        size_hint: int | None = None,
        both_digests: bool = True,
        progress: Progress | None = None,
    ) -> Stored:
        """Store everything that comes out of a stream; ``size_hint`` is about how many bytes, if known."""
        from vault import intake
        from vault.objects import write_object

        def stage(case_id: bytes, folder_id: bytes, folder: Path) -> tuple[Staged, str | None]:
            collector = intake.TextCollector(stream, file_name)
            staged = write_object(
                collector,
                folder,
                folder_id=folder_id,
                case_id=case_id,
                size_hint=size_hint,
                both_digests=both_digests,
                progress=self._while_served(progress),
            )
            return staged, collector.text()

        return self._add(stage, description, file_name, None)

    def add_text(self, text: str, *, file_name: str | None = None, description: Description | None = None) -> Stored:
        """Store text, as UTF-8; ``file_name`` is that of the file it came from, if it did."""
        from vault import intake
        from vault.requests import Description

        stream = intake.TextStream(text)
        return self.add_stream(
            stream,
            file_name=file_name,
            description=description or Description(kind="statement"),
            size_hint=stream.size_bytes,
        )

    def _add_file(
        self,
        path: Path,
        description: Description | None,
        revises: int | None,
        both_digests: bool,
        progress: Progress | None,
    ) -> Stored:
        from vault import intake
        from vault.objects import write_object

        def stage(case_id: bytes, folder_id: bytes, folder: Path) -> tuple[Staged, str | None]:
            with intake.SourceFile(path) as source:
                collector = intake.TextCollector(source, path.name, size_bytes=source.size_bytes)
                staged = write_object(
                    collector,
                    folder,
                    folder_id=folder_id,
                    case_id=case_id,
                    size_hint=source.size_bytes,
                    both_digests=both_digests,
                    progress=self._while_served(progress),
                )
                source.verify_unchanged(staged)
            return staged, collector.text()

        return self._add(stage, description, path.name, revises)

    def _while_served(self, progress: Progress | None) -> Progress:
        """Stop staging at once when the session ends, and not after the last of many gigabytes."""
        keeper = self._keeper()

        def report(further: int) -> None:
            keeper.verify_serving()
            if progress:
                progress(further)

        return report

    def _add(
        self,
        stage: Callable[[bytes, bytes, Path], tuple[Staged, str | None]],
        description: Description | None,
        file_name: str | None,
        revises: int | None,
    ) -> Stored:
        from vault.folder import Staging
        from vault.requests import Description

        keeper = self._keeper()
        place = keeper.item_begin_add(self._code)
        staging = Staging(keeper.folder)
        try:
            staged, words = stage(place.case_id, place.folder_id, staging.path)
            return keeper.item_finish_add(
                self._code,
                str(staging.path),
                staged,
                description or Description(),
                file_name=file_name,
                words=words,
                revises=revises,
            )
        finally:
            with contextlib.suppress(errors.VaultError, OSError):
                staging.close()


class Item:
    """An item. Every method raises ``NoSuchItem`` if there is none with this number."""

    def __init__(self, keeper: GetKeeper, code: str, number: int) -> None:
        self._keeper = keeper
        self._code = code
        self._number = number

    def show(self, *, purpose: str | None = None) -> ItemDetails:
        """Everything about the item besides its bytes."""
        return self._keeper().item_show(self._code, self._number, purpose=purpose)

    def open(
        self,
        *,
        act: str = "cat",
        purpose: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> Reading:
        """Read the item's bytes, or a part of them; a context manager. Raises ``BadValue`` for a place outside."""
        from vault.reading import Reading

        keeper = self._keeper()
        grant = keeper.item_open(self._code, self._number, act_name=act, purpose=purpose)
        reading = Reading(keeper, grant, offset=offset, length=length)
        if offset < 0 or offset > grant.size_bytes or (length is not None and length < 0):
            reading.fail("BadValue")
            raise errors.BadValue(field="offset", reason="it lies outside the item")
        return reading

    def export(
        self,
        folder: Path,
        *,
        purpose: str | None = None,
        progress: Progress | None = None,
        expect: Callable[[int], None] | None = None,
    ) -> Exported:
        """Write the item's bytes in the clear into ``folder``, its digests beside it; never over anything.

        ``expect`` is told the size before the first byte, ``progress`` how much was written.
        Raises ``AlreadyThere``, ``NoSpace``, ``ReadOnly``, ``ObjectDamaged``, ``ObjectMissing``. After an error
        nothing of it is left, except after ``OutcomeUnrecorded``, and after ``SessionOver`` if only the outcome was missing:
        then it was done.
        """
        from vault import exporting

        with (
            self.open(act="export", purpose=purpose) as reading,
            exporting.NewExport(folder, reading.grant) as target,
        ):
            if expect:
                expect(reading.size_bytes)
            reading.write_to(target.write, progress=progress)
            return Exported(target.path, target.finish(), reading.grant, target.owner_only)

    def edit(self, **values: str | None) -> ItemDetails:
        """Change title, kind, source, via, recorded, received or language; None leaves a field, empty clears it."""
        return self._keeper().item_edit(self._code, self._number, values)

    def circumstances(self, **values: str | None) -> ItemDetails:
        """Say how a statement came about, by the fields of ``Circumstances``; None leaves a field, empty clears it.

        Raises ``BadValue``, ``BadReference``, ``NoSuchPerson``.
        """
        return self._keeper().item_statement(self._code, self._number, values)

    def note(self, text: str) -> Note:
        """Add a remark."""
        return self._keeper().item_note(self._code, self._number, text)

    def tag(self, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Add and remove tags; returns all there are then."""
        return self._keeper().item_tag(self._code, self._number, add, remove)

    def revise_file(
        self,
        path: Path,
        *,
        description: Description | None = None,
        both_digests: bool = True,
        progress: Progress | None = None,
    ) -> Stored:
        """Store a later version beside this item, which stays as it is. Raises as ``Items.add_file`` does."""
        return Items(self._keeper, self._code)._add_file(path, description, self._number, both_digests, progress)

    def delete(self, reason: str | None = None) -> Disposal:
        """Delete the item; a record that it was there stays."""
        return self._keeper().item_delete(self._code, self._number, reason)


@dataclass(frozen=True, slots=True)
class Exported:
    """What lies outside the vault now, in the clear."""

    path: Path
    digests_path: Path
    grant: ObjectGrant
    owner_only: bool

    @property
    def size_bytes(self) -> int:
        """The exported file's length."""
        return self.grant.size_bytes

    @property
    def sha256(self) -> str:
        """The digest that the vault has kept since the item came in, equal to that of the exported bytes."""
        return self.grant.sha256


class Persons:
    """The persons of a case."""

    def __init__(self, keeper: GetKeeper, code: str) -> None:
        self._keeper = keeper
        self._code = code

    def add(self, person: PersonFields) -> PersonDetails:
        """Add a person."""
        return self._keeper().person_add(self._code, person)

    def list(self) -> tuple[PersonDetails, ...]:
        """All persons, by number."""
        return self._keeper().person_list(self._code)

    def get(self, number: int) -> Person:
        """A handle; whether there is such a person shows when it is used."""
        return Person(self._keeper, self._code, number)


class Person:
    """A person. Every method raises ``NoSuchPerson`` if there is none with this number."""

    def __init__(self, keeper: GetKeeper, code: str, number: int) -> None:
        self._keeper = keeper
        self._code = code
        self._number = number

    def show(self, *, purpose: str | None = None) -> PersonDetails:
        """Everything about the person."""
        return self._keeper().person_show(self._code, self._number, purpose=purpose)

    def edit(self, **values: object) -> PersonDetails:
        """Change fields of ``PersonFields``; None leaves one."""
        return self._keeper().person_edit(self._code, self._number, values)

    def remove(self, reason: str | None = None) -> Disposal:
        """Delete the person and what is known of them; a record that somebody was here stays."""
        return self._keeper().person_remove(self._code, self._number, reason)
