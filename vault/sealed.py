"""sealed.json: what a sealed file is, for whom, and what is in it.

Only what was named goes: `item_of` and `person_of` are the one place that picks it, and a file that holds more than it
says is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from vault import bag, errors
from vault.archive import refused
from vault.bag import Kind
from vault.requests import KINDS, WITHIN_REACH, Circumstances, ItemDetails, Note, PersonDetails, PersonFields

FORM = 1
NAMES, NOTES, TAGS, CIRCUMSTANCES = "names", "notes", "tags", "circumstances"
INCLUDES = (CIRCUMSTANCES, NAMES, NOTES, TAGS)
DROP_CASE = "DROP"

ToKind = Literal["card", "age", "passphrase"]
STANZAS: Mapping[str, frozenset[str]] = {
    "card": frozenset({"mlkem768x25519", "X25519"}),
    "age": frozenset({"mlkem768x25519", "X25519"}),
    "passphrase": frozenset({"scrypt"}),
}

# A value takes many times its bytes once it is parsed, so their number is limited before. All items that a file may hold,
# with all that can be said of them, stay below; braces and commas within texts are counted too.
_MOST_OBJECTS = 500_000
_MOST_LISTS = 1_000_000
_MOST_VALUES = 4_000_000
_DEEPEST = 6
# What an item is called, tagged and for is kept, searched and listed with each item: all of one file's has a measure.
LONGEST_LINE = 10_000
_MOST_LISTED = 32 << 20
_MOST_DESCRIBED = 100_000
_LARGEST_NUMBER = 999_999_999
_LARGEST_SIZE = 2**53 - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA512 = re.compile(r"[0-9a-f]{128}")
_ID = re.compile(r"[0-9a-f]{32}")
_CODE = re.compile(r"[A-Z][A-Z0-9]{2,11}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z")
_PATH = re.compile(r"data/items/([0-9]{3,6})\.[a-z0-9]{1,5}")
_NOT_SEALED_JSON = "what it says of itself is not in the one form"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedItem:
    """An item that goes. ``title`` to ``circumstances`` are None unless they were named.

    ``number`` and ``revises`` are numbers in the sender's case; ``recorded`` and ``received`` are text as it was given.
    """

    path: str
    number: int
    kind: str
    media_type: str | None
    size_bytes: int
    sha256: str
    sha512: str
    added: str
    recorded: str | None
    received: str | None
    revises: int | None
    title: str | None = None
    file_name: str | None = None
    notes: tuple[Note, ...] | None = None
    tags: tuple[str, ...] | None = None
    circumstances: Circumstances | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPerson(PersonFields):
    """A person that goes, with the number in the sender's case."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedManifest:
    """The content of sealed.json.

    ``vault_id`` is empty for a drop, ``to`` for a passphrase; both, ``share_id`` and all digests are hexadecimal text.
    ``sealed_for`` is the kind of the age stanza. ``previous`` is the SHA-256 of the sealed.json before this one to the
    same partner.
    """

    kind: Kind
    vault_id: str
    share_id: str
    case: str
    sequence: int
    previous: str | None
    to: str
    to_kind: ToKind
    sealed_for: str
    made: str
    purpose: str | None
    terms: str | None
    includes: tuple[str, ...]
    items: tuple[SealedItem, ...]
    persons: tuple[SealedPerson, ...] = ()

    @property
    def top(self) -> str:
        """The top folder of the bag."""
        return f"{self.case}-{self.sequence}"

    @property
    def payload_bytes(self) -> int:
        """How many bytes all items have together."""
        return sum(item.size_bytes for item in self.items)

    @property
    def derived_tags(self) -> dict[str, bytes]:
        """The tag files that follow from this one: bagit.txt, bag-info.txt and both manifests."""
        return bag.derived_tags(self.items, date=self.made[:10], identifier=self.share_id)

    @property
    def manifest_sha256(self) -> str:
        """The SHA-256 of manifest-sha256.txt."""
        listed = bag.manifest((item.path, item.sha256) for item in self.items)
        return hashlib.sha256(listed).hexdigest()

    def to_bytes(self) -> bytes:
        """sealed.json. Raises ValueError for values that would not be read back."""
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        value |= {
            "form": FORM,
            "manifest_sha256": self.manifest_sha256,
            "items": [_item_value(item) for item in self.items],
            "persons": [asdict(person) for person in self.persons],
        }
        try:
            data = canonical_json(value, max_depth=_DEEPEST)
            same = SealedManifest.from_bytes(data) == self
        except (CryptoError, errors.SealedFileRefused) as error:
            raise ValueError("these values make no sealed.json") from error
        if not same:
            raise ValueError("these values make no sealed.json")
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> SealedManifest:
        """What sealed.json says. Raises ``SealedFileRefused`` for every other form."""
        found = _manifest(_parsed(data))
        if not _holds_together(found):
            raise refused(reason=_NOT_SEALED_JSON)
        if not _has_measure(found):
            raise refused(reason="a part of it is larger than any that is written")
        return found


def item_of(
    details: ItemDetails, *, number: int, path: str, sha512: str, revises: int | None, includes: Collection[str]
) -> SealedItem:
    """What goes of an item: its bytes, digests, kind and times, and what ``includes`` names of `INCLUDES`."""
    summary = details.summary
    return SealedItem(
        path=path,
        number=number,
        kind=summary.kind,
        media_type=details.media_type,
        size_bytes=summary.size_bytes,
        sha256=details.sha256,
        sha512=sha512,
        added=summary.added,
        recorded=summary.recorded,
        received=details.received,
        revises=revises,
        title=summary.title if NAMES in includes else None,
        file_name=details.file_name if NAMES in includes else None,
        notes=details.notes if NOTES in includes else None,
        tags=summary.tags if TAGS in includes else None,
        circumstances=details.statement if CIRCUMSTANCES in includes else None,
    )


def person_of(details: PersonDetails, number: int) -> SealedPerson:
    """What goes of a person that was named: all fields."""
    return SealedPerson(number=number, **{field.name: getattr(details, field.name) for field in fields(PersonFields)})


# Bytes to values


def _item_value(item: SealedItem) -> dict[str, object]:
    value = asdict(item)
    value["size"] = value.pop("size_bytes")
    return value


def _parsed(data: bytes) -> object:
    objects, lists = data.count(b"{"), data.count(b"[")
    is_large = objects > _MOST_OBJECTS or lists > _MOST_LISTS or objects + lists + data.count(b",") > _MOST_VALUES
    if len(data) > bag.MAX_MANIFEST_BYTES or is_large:
        raise refused(reason="a part of it is larger than any that is written")
    try:
        return parse_canonical_json(data, max_depth=_DEEPEST)
    except CryptoError:
        raise refused(reason=_NOT_SEALED_JSON) from None


def _manifest(value: object) -> SealedManifest:
    names = {field.name for field in fields(SealedManifest)} | {"form", "manifest_sha256"}
    found = _object(value, names)
    if found["form"] != FORM or isinstance(found["form"], bool):
        raise refused(reason="it was written by a newer version")
    manifest = SealedManifest(
        kind="drop" if _one_of(found["kind"], bag.TAGS) == "drop" else "share",
        vault_id=_text(found["vault_id"]),
        share_id=_matching(found["share_id"], _ID),
        case=_matching(found["case"], _CODE),
        sequence=_number(found["sequence"], least=1),
        previous=None if found["previous"] is None else _matching(found["previous"], _SHA256),
        to=_text(found["to"]),
        to_kind=_to_kind(found["to_kind"]),
        sealed_for=_text(found["sealed_for"]),
        made=_matching(found["made"], _TIME),
        purpose=_optional(found["purpose"]),
        terms=_optional(found["terms"]),
        includes=_texts(found["includes"]),
        items=tuple([_item(each) for each in _list(found["items"])]),
        persons=tuple([_person(each) for each in _list(found["persons"])]),
    )
    if found["manifest_sha256"] != manifest.manifest_sha256:
        raise refused(reason="its manifest is another one")
    return manifest


def _item(value: object) -> SealedItem:
    names = {field.name for field in fields(SealedItem)} - {"size_bytes"} | {"size"}
    found = _object(value, names)
    return SealedItem(
        path=_matching(found["path"], _PATH),
        number=_number(found["number"], least=1),
        kind=_one_of(found["kind"], KINDS),
        media_type=_optional(found["media_type"]),
        size_bytes=_number(found["size"], most=_LARGEST_SIZE),
        sha256=_matching(found["sha256"], _SHA256),
        sha512=_matching(found["sha512"], _SHA512),
        added=_matching(found["added"], _TIME),
        recorded=_optional(found["recorded"]),
        received=_optional(found["received"]),
        revises=None if found["revises"] is None else _number(found["revises"], least=1),
        title=_optional(found["title"]),
        file_name=_optional(found["file_name"]),
        notes=None if found["notes"] is None else tuple([_note(each) for each in _list(found["notes"])]),
        tags=None if found["tags"] is None else _texts(found["tags"]),
        circumstances=None if found["circumstances"] is None else _circumstances(found["circumstances"]),
    )


def _note(value: object) -> Note:
    found = _object(value, {"text", "written"})
    return Note(_text(found["text"]), _matching(found["written"], _TIME))


def _circumstances(value: object) -> Circumstances:
    found = _object(value, {field.name for field in fields(Circumstances)})
    texts = {name: _optional(each) for name, each in found.items()}
    if texts["within_reach"] is not None:
        _one_of(texts["within_reach"], WITHIN_REACH)
    return Circumstances(**texts)


def _person(value: object) -> SealedPerson:
    found = _object(value, {field.name for field in fields(SealedPerson)})
    return SealedPerson(
        number=_number(found["number"], least=1),
        name=_text(found["name"]),
        aliases=_texts(found["aliases"]),
        phones=_texts(found["phones"]),
        mails=_texts(found["mails"]),
        messengers=_texts(found["messengers"]),
        addresses=_texts(found["addresses"]),
        role=_optional(found["role"]),
        safe_times=_optional(found["safe_times"]),
    )


def _holds_together(manifest: SealedManifest) -> bool:
    items, includes = manifest.items, manifest.includes
    paths = (_PATH.fullmatch(item.path) for item in items)
    digits = max(3, len(str(len(items))))
    expected = [f"{position:0{digits}}" for position in range(1, len(items) + 1)]
    return (
        0 < len(items) <= bag.MAX_ITEMS
        and [path and path[1] for path in paths] == expected
        and len({item.number for item in items}) == len(items)
        and len({person.number for person in manifest.persons}) == len(manifest.persons)
        and manifest.sealed_for in STANZAS[manifest.to_kind]
        and bool(_SHA256.fullmatch(manifest.to)) == (manifest.to_kind != "passphrase")
        and (bool(manifest.to) or manifest.to_kind == "passphrase")
        and (manifest.previous is None or manifest.sequence > 1)
        and (_is_drop(manifest) if manifest.kind == "drop" else bool(_SHA256.fullmatch(manifest.vault_id)))
        and list(includes) == sorted(set(includes) & set(INCLUDES))
        and all(item.title is None and item.file_name is None for item in items if NAMES not in includes)
        and all(item.title is not None for item in items if NAMES in includes)
        and all((item.notes is not None) == (NOTES in includes) for item in items)
        and all((item.tags is not None) == (TAGS in includes) for item in items)
        and all(item.circumstances is None for item in items if CIRCUMSTANCES not in includes)
    )


def _has_measure(manifest: SealedManifest) -> bool:
    """Whether what the file says of itself fits into lists, and takes no more room than it has in the file.

    Purpose and terms are kept with every item. Notes and circumstances have the measure of every text.
    """
    items = manifest.items
    repeated = [manifest.purpose or "", manifest.terms or ""]
    lines = [
        line
        for item in items
        for line in (item.title, item.file_name, item.media_type, item.recorded, item.received, *(item.tags or ()))
        if line
    ]
    for person in manifest.persons:
        lines += [person.name, person.role or "", person.safe_times or ""]
        lines += [*person.aliases, *person.phones, *person.mails, *person.messengers, *person.addresses]
    described = sum(len(item.notes or ()) + len(item.tags or ()) for item in items) + len(manifest.persons)
    return (
        max(map(len, [*repeated, *lines])) <= LONGEST_LINE
        and sum(map(len, lines)) + len(items) * sum(map(len, repeated)) <= _MOST_LISTED
        and described <= _MOST_DESCRIBED
    )


def _is_drop(manifest: SealedManifest) -> bool:
    return (
        manifest.vault_id == ""
        and manifest.case == DROP_CASE
        and (manifest.sequence, manifest.previous, manifest.persons) == (1, None, ())
        and manifest.to_kind == "card"
    )


def _object(value: object, names: Collection[str]) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != names:
        raise refused(reason=_NOT_SEALED_JSON)
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise refused(reason=_NOT_SEALED_JSON)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise refused(reason=_NOT_SEALED_JSON)
    return value


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple([_text(each) for each in _list(value)])


def _matching(value: object, pattern: re.Pattern[str]) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        raise refused(reason=_NOT_SEALED_JSON)
    return text


def _one_of(value: object, allowed: Collection[str]) -> str:
    text = _text(value)
    if text not in allowed:
        raise refused(reason=_NOT_SEALED_JSON)
    return text


def _to_kind(value: object) -> ToKind:
    text = _one_of(value, STANZAS)
    return "card" if text == "card" else "age" if text == "age" else "passphrase"


def _number(value: object, *, least: int = 0, most: int = _LARGEST_NUMBER) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise refused(reason=_NOT_SEALED_JSON)
    return value
