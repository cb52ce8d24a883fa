"""Reading a file that somebody sealed, in the command's process: from the age file straight into staged objects.

Nothing of it is written in the clear. The service gives the file's key for one logged intent, judges the sender, and
stores what was staged in one transaction; until then nobody sees anything of it, and after a failure nothing is left.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from crypto import age
from crypto.objects import ciphertext_size
from crypto.padding import padded_size
from vault import bag, confirmations, errors
from vault.archive import Member, packed, refused
from vault.arrivals import PLAIN, SHARE, Arrival, Arrived, Claim, OpenGrant, Verdict
from vault.bag import BagReader, Tags
from vault.cards import Card
from vault.folder import Staging
from vault.objects import Progress, Source, Staged, write_object
from vault.pipeline import Pipeline
from vault.received_file import Outside, Peeked, SealedFile
from vault.references import parse_person
from vault.sealed import SealedItem, SealedManifest
from vault.verifying import verify_tags

if TYPE_CHECKING:
    from vault.keeper import Keeper

_MARKS = (bag.TAGMANIFEST.encode(), bag.SEALED.encode())
_PROOFS_KIND = "other"


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a file, before anything of it is stored. ``manifest`` is what it says of itself; None of a plain one.

    ``whole``: it was read to its end, and every byte of it agrees.
    """

    outside: Outside
    kind: str
    manifest: SealedManifest | None
    size_bytes: int
    verdict: Verdict
    whole: bool = False


Spoken = Callable[[], str]
Accept = Callable[[Found], bool]
Incomplete = Callable[[Found, int], None]


def inspect(keeper: Keeper, path: Path, *, spoken: Spoken | None = None, progress: Progress | None = None) -> Found:
    """Read a file to its end and say what it is; nothing is stored. See ``unseal`` for what it raises."""
    with _opened(keeper, path, stores=False) as file:
        return _Unsealing(keeper, file, spoken, progress, stores=False).inspect()


def unseal(
    keeper: Keeper,
    path: Path,
    *,
    spoken: Spoken | None = None,
    into: str | None = None,
    code: str | None = None,
    accept: Accept | None = None,
    incomplete: Incomplete | None = None,
    progress: Progress | None = None,
) -> tuple[Found, Arrived]:
    """Take in a file: all of it, or nothing.

    1. Its header is read; the intent is logged, and the service unwraps the file's key. For a file with a passphrase
       ``spoken`` is asked.
    2. The tag files are read and verified: signatures, digests, for whom it is.
    3. The service judges the sender and whether the file came before. The same file again is read to its end, to see
       that it is whole, and ends here.
    4. A sender who is not known, or whose log cannot be proved to go on from what was seen of it, is shown to ``accept``;
       without its yes it ends here.
    5. Each item streams into a staged object while both its digests are computed, and compared with the manifests.
    6. The padding, the end of the archive and the last chunk of the age file are read.
    7. The tag files are staged as they came, so that anybody can verify them later.
    8. The service judges it once more, for other files may have come meanwhile, and stores everything in one transaction of
       the case.

    Where the file is refused after the fourth step because not all of it came as it was signed, ``incomplete`` is told what
    it was to be, and how many items had come whole.

    Raises ``NotForUs``, ``SealedFileRefused`` (``DamagedCopy`` of what came before), ``WrongFilePassphrase``, ``BadCard``,
    ``SenderUnproven``, ``LogNotConnected``, ``PartnerChanged``, ``NoSuchCase``, ``CodeTaken``, ``NoSpace``, ``ReadOnly``.
    """
    with _opened(keeper, path, stores=True, into=into) as file:
        unsealing = _Unsealing(keeper, file, spoken, progress, stores=True)
        try:
            return unsealing.store(into=into, code=code, accept=accept)
        except errors.SealedFileRefused:
            if incomplete is not None and unsealing.awaited is not None:
                incomplete(unsealing.awaited, unsealing.came)
            raise


@contextlib.contextmanager
def _opened(keeper: Keeper, path: Path, *, stores: bool, into: str | None = None) -> Iterator[SealedFile]:
    """The file with its header read. One that is refused by then is in the log like any other."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(SealedFile(path))
        except errors.SealedFileRefused as error:
            with contextlib.suppress(errors.VaultError):
                grant = keeper.open_begin(None, stores=stores, into=into)
                keeper.open_end(grant.intent, "failed", reason=errors.recorded(error))
            raise
        yield file


class _Unsealing:
    """The steps of ``unseal``."""

    def __init__(
        self, keeper: Keeper, file: SealedFile, spoken: Spoken | None, progress: Progress | None, *, stores: bool
    ) -> None:
        self.keeper, self.file, self.spoken, self.stores = keeper, file, spoken, stores
        self._progress = progress
        self.grant: OpenGrant | None = None
        self.awaited: Found | None = None  # what is still to come, from its acceptance to its last byte
        self.came = 0

    def inspect(self) -> Found:
        """Steps 1 to 6, with nothing staged."""
        with self._begun(into=None, code=None) as grant:
            content = self._content(grant)
            container = self._container(content)
            if container is None:
                sha256, size = self._read_plain(content)
                verdict = self.keeper.open_judge(grant.intent, Claim(PLAIN, sha256))
                found = Found(self.file.outside, PLAIN, None, size, verdict, whole=True)
            else:
                reader, tags, manifest, verdict = self._judged(grant, container)
                self._read_through(reader, tags, manifest)
                found = Found(self.file.outside, manifest.kind, manifest, manifest.payload_bytes, verdict, whole=True)
            self.keeper.open_end(grant.intent, "done", size=found.size_bytes)
            self.grant = None
            return found

    def store(self, *, into: str | None, code: str | None, accept: Accept | None) -> tuple[Found, Arrived]:
        """See ``unseal``."""
        with self._begun(into=into, code=code) as grant:
            content = self._content(grant)
            container = self._container(content)
            staging = Staging(self.keeper.folder)
            try:
                if container is None:
                    return self._store_plain(grant, staging, content)
                return self._store_container(grant, staging, container, accept)
            finally:
                with contextlib.suppress(errors.VaultError, OSError):
                    staging.close()

    # Step 1

    @contextlib.contextmanager
    def _begun(self, *, into: str | None, code: str | None) -> Iterator[OpenGrant]:
        header = None if self.file.has_passphrase else self.file.header
        self.grant = self.keeper.open_begin(header, stores=self.stores, into=into, code=code)
        try:
            try:
                yield self.grant
            except errors.BadValue:  # it is too long for a session, or for any case
                self.awaited = None
                raise refused(reason="what it says of its content cannot be stored") from None
        except BaseException as error:
            if self.grant is not None:
                with contextlib.suppress(errors.VaultError):
                    self.keeper.open_end(self.grant.intent, "failed", reason=errors.recorded(error))
            raise

    def _content(self, grant: OpenGrant) -> Peeked:
        if grant.file_key is not None:
            return Peeked(self.file.content(age.FileKey(grant.file_key)))
        if self.spoken is None:
            raise errors.WrongFilePassphrase
        return Peeked(self.file.content(self.file.key_of(self.spoken())))

    # Steps 2 and 3

    def _container(self, content: Peeked) -> BagReader | None:
        if confirmations.is_beginning(content.start):
            raise errors.Refused(reason="this is a receipt, which `casevault receipt` takes in")
        return BagReader(content) if any(mark in content.start for mark in _MARKS) else None

    def _judged(self, grant: OpenGrant, reader: BagReader) -> tuple[BagReader, Tags, SealedManifest, Verdict]:
        if len(self.file.outside.stanzas) != 1:
            raise refused(reason="it is sealed for more than one key, so that somebody else could have written it")
        tags = reader.read_tags()
        ours = {bytes.fromhex(each) for each in grant.recipients}
        verified = verify_tags(tags, parse_card=Card.from_bytes, stanza=self.file.outside.stanzas[0], ours=ours)
        manifest = verified.manifest
        claim = Claim(
            kind=manifest.kind,
            digest=verified.digest,
            card=tags.files.get(bag.CARD),
            share_id=manifest.share_id,
            recipient=manifest.to or None,
            case=manifest.case,
            sequence=manifest.sequence,
            previous=manifest.previous,
            purpose=manifest.purpose,
            terms=manifest.terms,
            head=verified.head,
        )
        return reader, tags, manifest, self.keeper.open_judge(grant.intent, claim)

    # Steps 4 to 8

    def _store_container(
        self, grant: OpenGrant, staging: Staging, container: BagReader, accept: Accept | None
    ) -> tuple[Found, Arrived]:
        reader, tags, manifest, verdict = self._judged(grant, container)
        found = Found(self.file.outside, manifest.kind, manifest, manifest.payload_bytes, verdict)
        if verdict.again:
            try:
                self._read_through(reader, tags, manifest)
            except errors.SealedFileRefused as error:
                kept = ", ".join(verdict.again)
                raise errors.DamagedCopy(reason=error.fields["reason"], items=kept) from None
            return replace(found, whole=True), self._known(grant, verdict)
        accepted = self._accepted(found, accept)
        self.awaited = found
        # The tag files become an object of their own.
        self._admit([*(item.size_bytes for item in manifest.items), sum(map(len, tags.files.values()))])
        for place, member in reader.items(tags, manifest.items):
            item = manifest.items[place]
            staged = self._stage(grant, staging, member, item.size_bytes)
            self._compare(item, staged.sha256, staged.sha512 or "")
            self.came += 1
            self.keeper.open_stage(grant.intent, staged, _arrival(manifest, item))
        reader.finish(tags, manifest.items)
        self.awaited = None
        if manifest.kind == SHARE:
            self._stage_proofs(grant, staging, tags)
        arrived = self.keeper.open_finish(grant.intent, str(staging.path), manifest.persons, accepted=accepted)
        self.grant = None
        return replace(found, verdict=arrived.verdict or verdict), arrived

    def _read_through(self, reader: BagReader, tags: Tags, manifest: SealedManifest) -> None:
        """Read what follows the tag files to the end, and keep nothing of it. Raises ``SealedFileRefused``."""
        for place, member in reader.items(tags, manifest.items):
            self._compare(manifest.items[place], *self._digests(member))
        reader.finish(tags, manifest.items)

    def _known(self, grant: OpenGrant, verdict: Verdict) -> Arrived:
        self.keeper.open_end(grant.intent, "done", reason="known", again=True)
        self.grant = None
        code = verdict.again[0].partition("/")[0]
        return Arrived(code, False, (), verdict.again, (), None, 0, known=True)

    def _accepted(self, found: Found, accept: Accept | None) -> bool:
        accepted = found.verdict.asks and accept is not None and accept(found)
        # The service asks the same at the end; nobody should wait so long to hear it.
        self.keeper.open_may_store(self._intent, accepted=accepted)
        return accepted

    @property
    def _intent(self) -> int:
        if self.grant is None:
            raise errors.ReceiptRefused
        return self.grant.intent

    def _admit(self, sizes: Iterable[int]) -> None:
        """See that there is room for what is announced, before work: even a byte takes 64 KiB. Raises ``NoSpace``."""
        folder = self.keeper.folder.path
        if shutil.disk_usage(folder).free < sum(ciphertext_size(padded_size(size)) for size in sizes):
            raise errors.NoSpace(path=str(folder))

    def _stage(self, grant: OpenGrant, staging: Staging, source: Source, size: int | None) -> Staged:
        if grant.case_id is None:
            raise errors.ReceiptRefused
        return write_object(
            source,
            staging.path,
            folder_id=grant.folder_id,
            case_id=grant.case_id,
            size_hint=size,
            progress=self._report,
        )

    def _report(self, further: int) -> None:
        self.keeper.verify_serving()
        if self._progress:
            self._progress(further)

    @staticmethod
    def _compare(item: SealedItem, sha256: str, sha512: str) -> None:
        if (sha256, sha512) != (item.sha256, item.sha512):
            raise refused(reason="a file in it is not the one that was signed")

    def _stage_proofs(self, grant: OpenGrant, staging: Staging, tags: Tags) -> None:
        content = packed((f"{tags.top}/{name}", data) for name, data in tags.files.items())
        staged = self._stage(grant, staging, io.BytesIO(content), len(content))
        title = f"Signatures and manifests of sealed file {tags.top}"
        arrival = Arrival(
            None, None, _PROOFS_KIND, title=title, file_name=f"{tags.top}.tar", media_type="application/x-tar"
        )
        self.keeper.open_stage(grant.intent, staged, arrival)

    # A plain age file

    def _read_plain(self, content: Source) -> tuple[str, int]:
        sha256, size = hashlib.sha256(), 0
        piece = memoryview(bytearray(1 << 20))
        while count := content.readinto(piece):
            sha256.update(piece[:count])
            size += count
            self._report(count)
        return sha256.hexdigest(), size

    def _store_plain(self, grant: OpenGrant, staging: Staging, content: Source) -> tuple[Found, Arrived]:
        self._admit([self.file.outside.size_bytes])
        # A name that is not valid Unicode on this disk is kept readable, with what could not be decoded marked.
        name = self.file.outside.path.name.removesuffix(".age").encode(errors="replace").decode()
        staged = self._stage(grant, staging, content, self.file.outside.size_bytes)
        verdict = self.keeper.open_judge(grant.intent, Claim(PLAIN, staged.sha256))
        found = Found(self.file.outside, PLAIN, None, staged.size_bytes, verdict, whole=True)
        if verdict.again:
            return found, self._known(grant, verdict)
        arrival = Arrival(None, None, None, file_name=name)
        self.keeper.open_stage(grant.intent, staged, arrival)
        arrived = self.keeper.open_finish(grant.intent, str(staging.path))
        self.grant = None
        return found, arrived

    def _digests(self, member: Member) -> tuple[str, str]:
        sha256, sha512 = hashlib.sha256(), hashlib.sha512()
        with Pipeline([sha512.update, sha256.update], size_hint=member.size_bytes) as pipeline:
            while member.left_bytes:
                buffer = pipeline.free()
                with memoryview(buffer) as view:
                    count = member.readinto(view)
                pipeline.feed(buffer, count)
                self._report(count)
        return sha256.hexdigest(), sha512.hexdigest()


def _arrival(manifest: SealedManifest, item: SealedItem) -> Arrival:
    """What the sender says of an item, in plain values. A person who did not come is not named either."""
    told: list[tuple[str, str]] = []
    if item.circumstances is not None:
        persons = {person.number for person in manifest.persons}
        for name in item.circumstances.__dataclass_fields__:
            value = getattr(item.circumstances, name)
            if value and (name != "person" or _person_number(value) in persons):
                told.append((name, value))
    return Arrival(
        number=item.number,
        path=item.path,
        kind=item.kind,
        title=item.title,
        file_name=item.file_name,
        media_type=item.media_type,
        added=item.added,
        recorded=item.recorded,
        received=item.received,
        revises=item.revises,
        notes=tuple(note.text for note in item.notes or ()),
        tags=item.tags or (),
        circumstances=tuple(told),
    )


def _person_number(reference: str) -> int | None:
    with contextlib.suppress(errors.BadReference):
        return parse_person(reference)[1]
    return None
