"""sealed.json has one form, holds no more than it says, and takes no more memory than its size allows."""

import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import bags
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import canonical_json
from vault import bag, sealed
from vault.errors import SealedFileRefused
from vault.requests import Circumstances, ItemDetails, ItemSummary, Note, PersonDetails, PersonFields
from vault.sealed import SealedManifest

DETAILS = ItemDetails(
    summary=ItemSummary(
        "HARBOUR/7", "video", "The pier", 5, "2026-11-20T10:00:00Z", "2026-11-01", ("pier",), "HARBOUR/2"
    ),
    file_name="IMG_2047.MOV",
    media_type="video/quicktime",
    sha256="ab" * 32,
    sha512=None,
    source="HARBOUR/p1",
    via="by hand",
    received="yesterday",
    language="uk",
    receptions=(),
    revisions=(),
    notes=(Note("call her sister first", "2026-11-21T10:00:00Z"),),
    history=(),
    statement=Circumstances(within_reach="no", place="a kitchen"),
)


def value(manifest: SealedManifest | None = None) -> dict[str, Any]:
    return dict(json.loads((manifest or bags.share()).to_bytes()))


def refused(data: bytes) -> None:
    with pytest.raises(SealedFileRefused):
        SealedManifest.from_bytes(data)


def full() -> SealedManifest:
    """A share in which everything is named."""
    item = dataclasses.replace(
        bags.items((b"x",))[0],
        recorded="2026",
        received="by post",
        revises=9,
        title="Обстріл",
        file_name="a.mp4",
        notes=(Note("text\nwith \x1b[2J", "2026-11-21T10:00:00.123Z"), Note("", "2026-11-21T10:00:00Z")),
        tags=("a", "b"),
        circumstances=Circumstances(within_reach="unknown", person="p2"),
    )
    person = sealed.SealedPerson(
        number=1, name="Anna", aliases=("A",), phones=("+1",), role="witness", safe_times="never"
    )
    return bags.share((b"x",), items=(item,), persons=(person,), includes=sealed.INCLUDES, terms="do not publish")


@pytest.mark.parametrize(
    "manifest",
    [
        bags.share(),
        bags.drop(),
        full(),
        bags.share(to_kind="age", sealed_for="X25519"),
        bags.share(to_kind="passphrase", to="", sealed_for="scrypt"),
        bags.share(sequence=1, previous=None),
    ],
)
def test_what_is_written_is_read(manifest: SealedManifest) -> None:
    assert SealedManifest.from_bytes(manifest.to_bytes()) == manifest


@given(st.text(), st.text())
def test_any_text_comes_back_as_it_was(purpose: str, name: str) -> None:
    manifest = bags.share(purpose=purpose, persons=(sealed.SealedPerson(number=1, name=name),))
    try:
        data = manifest.to_bytes()
    except ValueError:  # a lone surrogate is no text
        with pytest.raises(UnicodeEncodeError):
            (purpose + name).encode()
        return
    assert SealedManifest.from_bytes(data) == manifest


def test_nothing_goes_that_was_not_named() -> None:
    plain = sealed.item_of(DETAILS, number=7, path="data/items/001.mov", sha512="cd" * 64, revises=None, includes=())
    assert {field: each for field, each in dataclasses.asdict(plain).items() if each is not None} == {
        "path": "data/items/001.mov",
        "number": 7,
        "kind": "video",
        "media_type": "video/quicktime",
        "size_bytes": 5,
        "sha256": "ab" * 32,
        "sha512": "cd" * 64,
        "added": "2026-11-20T10:00:00Z",
        "recorded": "2026-11-01",
        "received": "yesterday",
    }
    for included, fields in {
        sealed.NAMES: {"title", "file_name"},
        sealed.NOTES: {"notes"},
        sealed.TAGS: {"tags"},
        sealed.CIRCUMSTANCES: {"circumstances"},
    }.items():
        item = sealed.item_of(
            DETAILS, number=7, path=plain.path, sha512=plain.sha512, revises=None, includes=(included,)
        )
        assert {f for f in sealed.SealedItem.__slots__ if getattr(item, f) != getattr(plain, f)} == fields


def test_a_person_goes_with_all_fields() -> None:
    details = PersonDetails("Anna", phones=("+1",), reference="HARBOUR/p2", added="2026-11-20T10:00:00Z")
    person = sealed.person_of(details, 2)
    assert person == sealed.SealedPerson(number=2, name="Anna", phones=("+1",))
    assert isinstance(person, PersonFields)


WRONG_MANIFESTS = {
    "a drop with a vault": bags.drop(vault_id="ab" * 32),
    "a drop of a case": bags.drop(case="HARBOUR"),
    "a drop with persons": bags.drop(persons=(sealed.SealedPerson(number=1, name="x"),)),
    "a drop that follows another": bags.drop(sequence=2, previous="ab" * 32),
    "a drop for a passphrase": bags.drop(to_kind="passphrase", to="", sealed_for="scrypt"),
    "a share without a vault": bags.share(vault_id=""),
    "a share for nobody": bags.share(to=""),
    "a recipient for a passphrase": bags.share(to_kind="passphrase", sealed_for="scrypt"),
    "a passphrase for a card": bags.share(sealed_for="scrypt"),
    "a stanza that nobody knows": bags.share(sealed_for="p256tag"),
    "the first one that follows another": bags.share(sequence=1),
    "no sequence": bags.share(sequence=0),
    "no items": bags.share((), items=()),
    "an item twice": bags.share(items=(*bags.items()[:2], dataclasses.replace(bags.items()[2], number=1))),
    "a path twice": bags.share(items=(*bags.items()[:2], dataclasses.replace(bags.items()[2], path="data/items/001.mp4"))),
    "items out of order": bags.share(items=bags.items()[::-1]),
    "a path elsewhere": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], path="data/001.mp4"),)),
    "a path upwards": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], path="data/items/../001.mp4"),)),
    "too many digits": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], path="data/items/0001.mp4"),)),
    "a person twice": bags.share(persons=(sealed.SealedPerson(number=1, name="x"), sealed.SealedPerson(number=1, name="y"))),
    "includes out of order": bags.share(includes=("tags", "notes")),
    "includes what nobody knows": bags.share(includes=("passwords",)),
    "a title that was not named": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], title="x"),)),
    "notes that were not named": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], notes=()),)),
    "tags that were not named": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], tags=()),)),
    "names that are missing": bags.share(includes=("names",)),
    "notes that are missing": bags.share(includes=("notes",)),
    "a code that is none": bags.share(case="../X"),
    "a time that is none": bags.share(made="yesterday"),
    "a size of 2^60": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], size_bytes=2**60),)),
    "a negative size": bags.share((b"",), items=(dataclasses.replace(bags.items((b"",))[0], size_bytes=-1),)),
    "a surrogate": bags.share(purpose="\ud800"),
}  # fmt: skip


@pytest.mark.parametrize("manifest", WRONG_MANIFESTS.values(), ids=WRONG_MANIFESTS)
def test_nothing_else_is_written(manifest: SealedManifest) -> None:
    with pytest.raises(ValueError):
        manifest.to_bytes()


def changed(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda found: found.update(values)


def item_changed(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda found: found["items"][0].update(values)


WRONG_VALUES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a newer form": changed(form=2),
    "a form that is true": changed(form=True),
    "a further field": changed(extra=1),
    "a missing field": lambda found: found.pop("terms"),
    "another kind": changed(kind="receipt"),
    "a kind that is a list": changed(kind=["share"]),
    "another way to know somebody": changed(to_kind="mail"),
    "text for a number": changed(sequence="3"),
    "true for a number": changed(sequence=True),
    "a number for text": changed(purpose=1),
    "capital digits": changed(share_id="5A" * 16),
    "a digest that is short": changed(previous="0b" * 31),
    "digits of another script": changed(made="٢٠٢٦-11-22T09:00:00Z"),
    "another manifest": changed(manifest_sha256="00" * 32),
    "no manifest": changed(manifest_sha256=None),
    "items as an object": changed(items={}),
    "an item that is none": lambda found: found["items"].append(None),
    "a further field of an item": item_changed(extra=1),
    "an item of another kind": item_changed(kind="weapon"),
    "a size as text": item_changed(size="5"),
    "a size that is true": item_changed(size=True),
    "a path with a newline": item_changed(path="data/items/001.mp4\n"),
    "a newline behind a digest": item_changed(sha256="0" * 64 + "\n"),
    "a note that is text": item_changed(notes=["x"]),
    "circumstances that nobody knows": item_changed(circumstances={}),
    "tags that are text": item_changed(tags="x"),
    "a person that is none": changed(persons=[1]),
    "a person without a name": changed(persons=[{"number": 1}]),
    "includes as text": changed(includes="names"),
}


@pytest.mark.parametrize("change", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_nothing_else_is_read(change: Callable[[dict[str, Any]], object]) -> None:
    found = value()
    change(found)
    refused(canonical_json(found))


DATA = bags.share().to_bytes()

WRONG_BYTES = {
    "nothing": b"",
    "no object": b"[]",
    "no JSON": b"\xff\xfe",
    "not UTF-8": DATA[:-2] + b'\xff"}',
    "a byte order mark": b"\xef\xbb\xbf" + DATA,
    "a newline at the end": DATA + b"\n",
    "spaces": DATA.replace(b":", b": ", 1),
    "two of one key": b'{"case":"OTHER",' + DATA[1:],
    "a key in another spelling": DATA.replace(b'"case"', b'"\\u0063ase"'),
    "a float": DATA.replace(b'"sequence":3', b'"sequence":3.0'),
    "not a number": DATA.replace(b'"sequence":3', b'"sequence":NaN'),
    "a number of 5,000 digits": DATA.replace(b'"sequence":3', b'"sequence":' + b"9" * 5000),
    "a number of 4,000 digits": DATA.replace(b'"sequence":3', b'"sequence":' + b"9" * 4000),
    "depth": b"[" * 100_000 + b"]" * 100_000,
    "depth of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "depth in a field": DATA.replace(b'"terms":null', b'"terms":' + b"[" * 9 + b"]" * 9),
    "half of it": DATA[: len(DATA) // 2],
}


@pytest.mark.parametrize("data", WRONG_BYTES.values(), ids=WRONG_BYTES)
def test_no_other_bytes_are_read(data: bytes) -> None:
    assert data != DATA
    refused(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"[]," * (1 << 20) + b"[]]",
        b"[" + b'{"a":0},' * (1 << 19) + b"{}]",
        b'{"items":[' + b"1," * (8 << 20) + b"1]}",
        b"x" * (bag.MAX_MANIFEST_BYTES + 1),
    ],
    ids=["lists", "objects", "numbers", "size"],
)
def test_more_values_than_fit_are_refused_before_they_take_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        refused(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
