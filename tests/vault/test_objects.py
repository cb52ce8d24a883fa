from __future__ import annotations

import contextlib
import hashlib
import os
import random
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import FatDisk, FaultyDisk, replaced
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crypto.objects
from crypto.keys import ObjectKey
from crypto.objects import ciphertext_size
from crypto.padding import padded_size
from vault import errors, objects
from vault.errors import NoSpace, ObjectDamaged, ObjectMissing
from vault.objects import ObjectReader, Staged, belongs, place, remove_object, staged_path, write_object
from vault.requests import ObjectGrant

FOLDER_ID, CASE_ID = b"f" * 32, b"c" * 16
SMALL_SEGMENT = 65_536 + 16_384


class Bytes:
    """A source that gives at most ``most`` bytes at a time, like a pipe."""

    def __init__(self, data: bytes, most: int = 1 << 30) -> None:
        self._data, self._at, self._most = data, 0, most

    def readinto(self, buffer: memoryview) -> int:
        part = self._data[self._at : self._at + min(len(buffer), self._most)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


class Pool:
    """A pool of stored objects."""

    def __init__(self, folder: Path) -> None:
        self.objects, self.staging = folder / "objects", folder / "staging"
        self.objects.mkdir()
        self.staging.mkdir()

    def store(self, data: bytes, *, most: int = 1 << 30, hint: int | None = 0, case_id: bytes = CASE_ID) -> Staged:
        staged = write_object(
            Bytes(data, most),
            self.staging,
            folder_id=FOLDER_ID,
            case_id=case_id,
            size_hint=len(data) if hint == 0 else hint,
        )
        place(staged, self.staging, self.objects)
        return staged

    def reader(self, staged: Staged, **changed: object) -> ObjectReader:
        values: dict[str, object] = {
            "intent": 0,
            "reference": "HARBOUR/1",
            "object_id": staged.object_id,
            "case_id": CASE_ID,
            "folder_id": FOLDER_ID,
            "key": staged.key,
            "size_bytes": staged.size_bytes,
            "padded_bytes": staged.padded_bytes,
            "sha256": staged.sha256,
            "sha512": staged.sha512,
            "file_name": None,
            "media_type": None,
            "kind": "other",
            "title": "x",
        }
        return ObjectReader(self.objects, ObjectGrant(**(values | changed)))

    def files(self, staged: Staged) -> list[Path]:
        return [objects.segment_path(self.objects, staged.object_id, number) for number in range(staged.segments)]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "SEGMENT", SMALL_SEGMENT)
    monkeypatch.setattr(crypto.objects, "SEGMENT", SMALL_SEGMENT)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def read(reader: ObjectReader, offset: int = 0, length: int | None = None) -> bytes:
    return b"".join(bytes(piece) for piece in reader.read(offset, length))


SIZES = [
    0, 1, 15, 16, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 65_537, 81_920, 262_143, 262_144, 262_145, 1_048_576,
    1_048_577, 2_200_000, 3 * 1_048_576 + 5,
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back_bit_for_bit_with_both_digests(pool: Pool, size: int) -> None:
    data = noise(size)
    staged = pool.store(data)
    assert (staged.size_bytes, staged.padded_bytes) == (size, padded_size(size))
    assert staged.sha256 == hashlib.sha256(data).hexdigest()
    assert staged.sha512 == hashlib.sha512(data).hexdigest()
    reader = pool.reader(staged)
    assert read(reader) == data
    poured = bytearray()
    assert reader.pour(poured.extend) == staged.sha256
    assert poured == data
    reader.verify()


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_000_000, 10_000_000])
def test_on_disk_there_is_only_the_padded_size(pool: Pool, size: int) -> None:
    staged = pool.store(noise(size))
    (path,) = pool.files(staged)
    assert path.stat().st_size == ciphertext_size(padded_size(size)) >= 65_536
    assert path.stat().st_size < max(72_000, 1.13 * size)


def test_sizes_of_a_year_of_files_fall_into_few_buckets(pool: Pool) -> None:
    sizes = {padded_size(random.Random(number).randrange(1, 50_000_000)) for number in range(2000)}
    assert len(sizes) < 300
    assert {pool.files(pool.store(noise(size)))[0].stat().st_size for size in (1, 5_000, 65_536)} == {65_672}


@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize("more", [-16_385, -1, 0, 1, 16_384, SMALL_SEGMENT - 1, SMALL_SEGMENT, SMALL_SEGMENT + 1])
def test_a_long_object_is_cut_into_segments_only_the_last_one_shorter(pool: Pool, more: int) -> None:
    data = noise(SMALL_SEGMENT + more)
    staged = pool.store(data, most=7_001)
    padded = padded_size(len(data))
    sizes = [path.stat().st_size for path in pool.files(staged)]
    assert len(sizes) == -(-padded // SMALL_SEGMENT)
    assert sizes[:-1] == [ciphertext_size(SMALL_SEGMENT)] * (len(sizes) - 1)
    assert sizes[-1] == ciphertext_size(padded - (len(sizes) - 1) * SMALL_SEGMENT)
    reader = pool.reader(staged)
    assert read(reader) == data
    reader.verify()
    for offset in (0, SMALL_SEGMENT - 1, SMALL_SEGMENT, SMALL_SEGMENT + 1, SMALL_SEGMENT - 16_384):
        if offset <= len(data):
            assert read(reader, offset, 20_000) == data[offset : offset + 20_000]


@pytest.fixture(scope="module")
def long_object(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pool, Staged, bytes]]:
    patch = pytest.MonkeyPatch()
    patch.setattr(objects, "SEGMENT", 10 * SMALL_SEGMENT)
    patch.setattr(crypto.objects, "SEGMENT", 10 * SMALL_SEGMENT)
    pool = Pool(tmp_path_factory.mktemp("long"))
    data = noise(1_900_000)
    yield pool, pool.store(data), data
    patch.undo()


@given(st.integers(0, 1_900_000), st.none() | st.integers(0, 2_000_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_can_be_read_alone(long_object: tuple[Pool, Staged, bytes], offset: int, length: int | None) -> None:
    pool, staged, data = long_object
    expected = data[offset:] if length is None else data[offset : offset + length]
    assert read(pool.reader(staged), offset, length) == expected


@pytest.mark.parametrize("most", [1, 3, 1000, 70_000])
def test_a_pipe_that_gives_little_at_a_time_is_stored_whole(pool: Pool, most: int) -> None:
    data = noise(40_000)
    assert read(pool.reader(pool.store(data, most=most, hint=None))) == data


def test_one_digest_alone_can_be_asked_for(pool: Pool) -> None:
    staged = write_object(
        Bytes(b"abc"), pool.staging, folder_id=FOLDER_ID, case_id=CASE_ID, size_hint=3, both_digests=False
    )
    assert (staged.sha256, staged.sha512) == (hashlib.sha256(b"abc").hexdigest(), None)


def test_progress_counts_every_byte_of_the_source_once(pool: Pool) -> None:
    counted: list[int] = []
    data = noise(2_500_000)
    staged = write_object(
        Bytes(data), pool.staging, folder_id=FOLDER_ID, case_id=CASE_ID, size_hint=len(data), progress=counted.append
    )
    assert sum(counted) == len(data)
    place(staged, pool.staging, pool.objects)
    counted.clear()
    pool.reader(staged).verify(progress=counted.append)
    assert sum(counted) == staged.padded_bytes


# What lies on the disk


def test_nothing_of_it_is_on_the_disk_in_the_clear_and_no_time_tells_when(pool: Pool) -> None:
    canary = b"CANARY-" * 20_000
    staged = pool.store(canary)
    for path in [path for path in pool.objects.rglob("*") if path.is_file()]:
        assert b"CANARY" not in path.read_bytes()
        assert path.stat().st_mtime_ns == 0
    assert list(pool.staging.iterdir()) == []
    assert staged.key not in b"".join(path.read_bytes() for path in pool.files(staged))
    assert staged.key.hex() not in repr(staged)
    assert repr(staged.key) not in repr(staged)


def test_equal_content_never_looks_equal(pool: Pool) -> None:
    one, other = pool.store(b"the same"), pool.store(b"the same")
    assert one.key != other.key
    first, second = pool.files(one)[0].read_bytes(), pool.files(other)[0].read_bytes()
    assert first[:56] != second[:56]
    assert first[56:] != second[56:]


def test_the_file_s_name_is_its_random_id(pool: Pool) -> None:
    staged = pool.store(b"x")
    name = staged.object_id.hex()
    assert [str(path.relative_to(pool.objects)) for path in pool.files(staged)] == [
        str(Path(name[:2], f"{name[2:]}.0"))
    ]


def test_on_a_fat_stick_the_times_are_the_earliest_there_are(pool: Pool) -> None:
    with replaced(FatDisk()):
        staged = pool.store(b"x")
    assert pool.files(staged)[0].stat().st_mtime_ns == 315_532_800_000_000_000


def test_removing_takes_every_segment_and_the_empty_folder(pool: Pool) -> None:
    staged = pool.store(b"x")
    shutil.copy(pool.files(staged)[0], pool.files(staged)[0].with_suffix(".1"))
    remove_object(pool.objects, staged.object_id)
    assert list(pool.objects.iterdir()) == []
    remove_object(pool.objects, staged.object_id)


def test_after_an_error_of_the_source_nothing_is_left(pool: Pool) -> None:
    class Broken(Bytes):
        def readinto(self, buffer: memoryview) -> int:
            if self._at > 2_000_000:
                raise errors.SourceUnreadable(path="x")
            return super().readinto(buffer)

    for hint in (None, 10):
        with pytest.raises(errors.SourceUnreadable):
            write_object(
                Broken(noise(4_000_000), 100_000), pool.staging, folder_id=FOLDER_ID, case_id=CASE_ID, size_hint=hint
            )
        assert list(pool.staging.iterdir()) == []


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_full_disk_is_told_and_nothing_is_left(pool: Pool, size: int) -> None:
    for nth in (1, 2, 3):
        with replaced(FaultyDisk().fail_nth(nth)), pytest.raises(NoSpace):
            pool.store(noise(size))
        assert [path for path in pool.objects.rglob("*") if path.is_file()] == []
        for path in pool.staging.iterdir():
            path.unlink()


# Damage


def damaged(pool: Pool, staged: Staged) -> None:
    reader = pool.reader(staged)
    with pytest.raises((ObjectDamaged, ObjectMissing)) as caught:
        reader.verify()
    assert caught.value.fields == {"what": "HARBOUR/1"}
    with pytest.raises((ObjectDamaged, ObjectMissing)):
        read(reader)
    with pytest.raises((ObjectDamaged, ObjectMissing)):
        reader.pour(lambda _: None)


def test_every_flipped_byte_of_an_object_is_damage_and_gives_out_nothing_wrong(pool: Pool) -> None:
    data = noise(65_536)
    staged = pool.store(data)
    (path,) = pool.files(staged)
    whole = path.read_bytes()
    chosen = {*range(80), *range(len(whole) - 40, len(whole)), *range(0, len(whole), 173)}
    chosen |= {56 + chunk * 16_400 + at for chunk in range(4) for at in (-1, 0, 16_383, 16_384, 16_399)}
    for offset in sorted(chosen):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        given = bytearray()
        with pytest.raises(ObjectDamaged):
            pool.reader(staged).pour(given.extend)
        assert data.startswith(given), offset
        with pytest.raises(ObjectDamaged):
            pool.reader(staged).verify()


@pytest.mark.slow
def test_every_single_byte_of_a_small_object_matters(pool: Pool) -> None:
    """All 65,672 positions, by random access to the chunk that they lie in and by the stream."""
    data = noise(100)
    staged = pool.store(data)
    (path,) = pool.files(staged)
    whole = bytearray(path.read_bytes())
    reader = pool.reader(staged)
    with path.open("r+b", buffering=0) as file:
        for offset in range(len(whole)):
            file.seek(offset)
            file.write(bytes([whole[offset] ^ 0x40]))
            with pytest.raises(ObjectDamaged):
                for _ in reader._read_padded(0, staged.padded_bytes):
                    pass
            file.seek(offset)
            file.write(bytes([whole[offset]]))
    reader.verify()


@pytest.mark.parametrize("size", [0, 1, 55, 56, 72, 16_455, 16_456, 16_472, 65_671, -1, -16, -16_400])
def test_a_shortened_file_is_damage_even_at_the_border_of_a_chunk(pool: Pool, size: int) -> None:
    staged = pool.store(noise(60_000))
    (path,) = pool.files(staged)
    path.write_bytes(path.read_bytes()[:size])
    damaged(pool, staged)
    with pytest.raises(ObjectDamaged):
        read(pool.reader(staged), 0, 1)


def test_a_lengthened_file_is_damage(pool: Pool) -> None:
    for tail in (b"\0", b"\0" * 16_400):
        staged = pool.store(noise(60_000))
        with pool.files(staged)[0].open("ab") as file:
            file.write(tail)
        damaged(pool, staged)


def test_a_missing_file_is_missing(pool: Pool) -> None:
    staged = pool.store(b"x")
    pool.files(staged)[0].unlink()
    with pytest.raises(ObjectMissing):
        pool.reader(staged).verify()
    with pytest.raises(ObjectMissing):
        read(pool.reader(staged))


@pytest.mark.usefixtures("small_segments")
def test_a_missing_exchanged_or_repeated_segment_is_noticed(pool: Pool) -> None:
    staged = pool.store(noise(3 * SMALL_SEGMENT))
    paths = pool.files(staged)
    whole = [path.read_bytes() for path in paths]
    paths[1].unlink()
    with pytest.raises(ObjectMissing):
        pool.reader(staged).verify()
    for order in ([1, 0, 2], [0, 0, 2], [2, 1, 0]):
        for path, number in zip(paths, order, strict=False):
            path.write_bytes(whole[number])
        damaged(pool, staged)


def test_two_exchanged_objects_are_both_damaged(pool: Pool) -> None:
    one, other = pool.store(noise(1000)), pool.store(noise(1001))
    first, second = pool.files(one)[0], pool.files(other)[0]
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    damaged(pool, one)
    damaged(pool, other)


@pytest.mark.parametrize(
    "changed",
    [
        {"case_id": b"d" * 16},
        {"folder_id": b"g" * 32},
        {"key": secrets.token_bytes(32)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_an_object_opens_only_in_its_vault_and_case_with_its_key(pool: Pool, changed: dict[str, object]) -> None:
    staged = pool.store(noise(1000))
    for ask in (lambda reader: reader.verify(), read, lambda reader: read(reader, 5, 1)):
        with pytest.raises(ObjectDamaged):
            ask(pool.reader(staged, **changed))


def test_an_object_under_another_id_does_not_open_even_with_its_key(pool: Pool) -> None:
    staged, other = pool.store(noise(1000)), pool.store(noise(1000))
    pool.files(other)[0].write_bytes(pool.files(staged)[0].read_bytes())
    with pytest.raises(ObjectDamaged):
        read(pool.reader(staged, object_id=other.object_id))


def test_padding_that_is_not_zero_is_found(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that hides something behind the end: all is authentic, only `verify` can see it."""
    data = noise(1000)
    staged = pool.store(data + b"hidden")
    reader = pool.reader(staged, size_bytes=1000, sha256=hashlib.sha256(data).hexdigest())
    assert read(reader) == data
    with pytest.raises(ObjectDamaged):
        reader.verify()


def test_a_wrong_digest_in_the_row_is_found(pool: Pool) -> None:
    staged = pool.store(noise(1000))
    with pytest.raises(ObjectDamaged):
        pool.reader(staged, sha256="0" * 64).verify()


def test_an_object_s_key_is_one_object_s_key(pool: Pool) -> None:
    keys = {pool.store(b"x").key for _ in range(20)}
    assert len(keys) == 20
    assert all(ObjectKey(key).raw == key for key in keys)


@pytest.mark.skipif(sys.platform == "win32", reason="left out: pipes and links of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_took_the_place_of_a_staged_object_is_neither_waited_for_nor_followed(tmp_path: Path, kind: str) -> None:
    ids = {"folder_id": FOLDER_ID, "case_id": CASE_ID}
    staged = write_object(Bytes(b"words"), tmp_path, **ids, size_hint=5)
    assert belongs(staged, tmp_path, **ids)
    assert not belongs(staged, tmp_path, folder_id=FOLDER_ID, case_id=b"d" * 16)
    path = staged_path(tmp_path, staged.object_id, 0)
    path.rename(tmp_path / "elsewhere")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with contextlib.suppress(OSError, errors.VaultError):
        assert not belongs(staged, tmp_path, **ids)
