"""A bag is laid out in one way, and read in this way only; its size tells little."""

import io
from collections.abc import Callable

import bags
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.padding import padded_size
from vault import archive, bag
from vault.errors import SealedFileRefused
from vault.sealed import SealedManifest

Members = list[tuple[str, bytes]]


def taken(data: bytes) -> tuple[bag.Tags, list[bytes]]:
    """Everything of a bag, read as `open` reads it but without judging the tag files."""
    reader = bag.BagReader(io.BytesIO(data))
    tags = reader.read_tags()
    payload = SealedManifest.from_bytes(tags.files[bag.SEALED]).items
    contents = [member.read(1 << 20) for _place, member in reader.items(tags, payload)]
    reader.finish(tags, payload)
    return tags, contents


@pytest.mark.parametrize("kind", ["share", "drop"])
def test_what_is_packed_is_taken(kind: bag.Kind) -> None:
    manifest = bags.share() if kind == "share" else bags.drop()
    files = bags.tags_of(manifest)
    tags, contents = taken(bags.packed(bags.members_of(manifest, files)))
    assert (tags.top, tags.kind, dict(tags.files)) == (manifest.top, kind, files)
    assert tuple(contents) == bags.CONTENTS
    assert tuple(files) == bag.TAGS[kind]


@given(st.integers(0, 2**45), st.integers(1, 5))
def test_every_bag_has_a_size_that_tells_little(size_bytes: int, count: int) -> None:
    members = [(f"TOP-1/data/{number}", size_bytes // number) for number in range(1, count + 1)]
    layout = bag.padded(members, "TOP-1/padding")
    assert archive.archive_size(layout.members) == layout.size_bytes == padded_size(layout.size_bytes)
    assert layout.size_bytes >= 65_536
    assert layout.size_bytes <= max(65_536, 1.13 * (archive.archive_size(members) + 2048))


@pytest.mark.parametrize("missing", range(-2048, 2049, 512))
def test_padding_at_the_edge_of_its_header_fits(missing: int) -> None:
    whole = padded_size(2**40 + 1)
    before = whole - 8**11 - 512 - missing
    size_bytes = before - archive.archive_size([("TOP-1/a", 8**11)]) + 8**11
    layout = bag.padded([("TOP-1/a", size_bytes)], "TOP-1/padding")
    assert archive.archive_size(layout.members) == layout.size_bytes == padded_size(layout.size_bytes)


def test_names_of_data_tell_only_their_place_and_what_opens_them() -> None:
    assert bag.data_path(1, 3, "video/mp4") == "data/items/001.mp4"
    assert bag.data_path(42, 1000, "text/html") == "data/items/0042.bin"
    assert bag.data_path(7, 7, None) == "data/items/007.bin"
    assert bag.data_path(99_999, 99_999, "image/jpeg") == "data/items/99999.jpg"


def test_the_info_says_nothing_of_the_case() -> None:
    tags = bags.tags_of(bags.share())
    assert tags[bag.INFO].decode() == (
        "Bag-Software-Agent: casevault\n"
        "Bagging-Date: 2026-11-22\n"
        f"External-Identifier: {'5a' * 16}\n"
        f"Payload-Oxum: {sum(map(len, bags.CONTENTS))}.3\n"
    )


def without(name: str) -> Callable[[Members], Members]:
    return lambda members: [each for each in members if not each[0].endswith(f"/{name}")]


def exchanged(first: int, second: int) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        members[first], members[second] = members[second], members[first]
        return members

    return change


def added(place: int, name: str, content: bytes = b"x") -> Callable[[Members], Members]:
    return lambda members: [*members[:place], (name, content), *members[place:]]


def replaced(place: int, name: str | None = None, content: bytes | None = None) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        old_name, old = members[place]
        members[place] = (old_name if name is None else name, old if content is None else content)
        return members

    return change


WRONG: dict[str, Callable[[Members], Members]] = {
    **{f"no {name}": without(name) for name in (*bag.ORDER, "data/items/002.bin", bag.PADDING)},
    "tag files in another order": exchanged(4, 5),
    "sealed.json before the manifests": exchanged(6, 8),
    "items in another order": exchanged(13, 15),
    "data before the tag files": exchanged(0, 13),
    "padding before the data": exchanged(13, -1),
    "a tag file that nobody named": added(12, "HARBOUR-3/notes.txt"),
    "a tag file in a folder": added(12, "HARBOUR-3/log/checkpoint"),
    "a fetch.txt": added(12, "HARBOUR-3/fetch.txt"),
    "a member of another top folder": added(13, "OTHER-1/data/items/001.mp4"),
    "a file beside the top folder": added(13, "run.me"),
    "an item that nobody named": added(16, "HARBOUR-3/data/items/004.bin"),
    "a file elsewhere below data": added(16, "HARBOUR-3/data/notes.txt"),
    "a member behind the padding": added(17, "HARBOUR-3/trailer"),
    "another item's name": replaced(13, name="HARBOUR-3/data/items/009.mp4"),
    "a shorter item": replaced(13, content=b"short"),
    "a longer item": replaced(14, content=b"long"),
    "padding that is not zero": replaced(-1, content=bytes(1000) + b"\1"),
    "padding of another size": replaced(-1, content=bytes(1000)),
    "no padding in the padding": replaced(-1, content=b""),
    "a tagmanifest of a megabyte": replaced(0, content=b"x" * (1 << 20)),
    "a card of a megabyte": replaced(3, content=b"x" * (1 << 20)),
    "a guide of a megabyte": replaced(12, content=b"x" * (1 << 20)),
    "proofs of the log of two megabytes": replaced(11, content=b"x" * (2 << 20)),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_no_other_bag_is_taken(change: Callable[[Members], Members]) -> None:
    manifest = bags.share()
    members = bags.members_of(manifest, bags.tags_of(manifest))
    with pytest.raises(SealedFileRefused):
        taken(bags.packed(change(members)))


def test_padding_holds_nothing() -> None:
    data = bytearray(bags.share_bytes())
    data[-archive.BLOCK * 3] = 1
    with pytest.raises(SealedFileRefused):
        taken(bytes(data))


def test_a_manifest_beyond_the_limit_is_refused_before_it_is_read() -> None:
    manifest = bags.share()
    tags = bags.tags_of(manifest)
    before = b"".join(
        archive.header(f"{manifest.top}/{name}", len(content)) + content + bytes(-len(content) % 512)
        for name, content in tags.items()
        if bag.ORDER.index(name) < bag.ORDER.index(bag.MANIFEST)
    )
    for size_bytes in (bag.MAX_MANIFEST_BYTES + 1, 2**52):
        announced = before + archive.header(f"{manifest.top}/{bag.MANIFEST}", size_bytes)
        with pytest.raises(SealedFileRefused, match="larger than any"):
            bag.BagReader(io.BytesIO(announced + bytes(1024))).read_tags()


@pytest.mark.parametrize("kept", range(0, len(bags.drop_bytes()), 3 * 512 + 7))
def test_a_bag_that_ends_early_is_refused(kept: int) -> None:
    with pytest.raises(SealedFileRefused):
        taken(bags.drop_bytes()[:kept])


def test_a_share_without_its_signatures_is_no_drop() -> None:
    manifest = bags.share()
    members = bags.members_of(manifest, bags.tags_of(manifest))
    stripped = [each for each in members if each[0].rpartition("/")[2] not in bag.SIGNED_ONLY]
    reader = bag.BagReader(io.BytesIO(bags.packed(stripped)))
    assert reader.read_tags().kind == "drop"  # and verify_tags compares with what sealed.json says


def test_only_the_files_of_a_bag_are_laid_out() -> None:
    manifest = bags.share()
    tags = bags.tags_of(manifest)
    with pytest.raises(ValueError):
        bag.layout(manifest.top, {**tags, "notes.txt": b""}, manifest.items)
    with pytest.raises(ValueError):
        bag.layout("..", tags, manifest.items)
