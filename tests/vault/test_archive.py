"""The one form of tar: what is written is unpacked by every tar program, and nothing else is read."""

import io
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vault import archive
from vault.errors import SealedFileRefused

MEMBERS = (("TOP-1/a.txt", b"first"), ("TOP-1/empty", b""), ("TOP-1/data/items/1.bin", bytes(range(256)) * 4))


def packed(members: tuple[tuple[str, bytes], ...] = MEMBERS) -> bytes:
    return archive.packed(members)


def unpacked(data: bytes) -> list[tuple[str, bytes]]:
    return [(member.name, member.read(1 << 20)) for member in archive.ArchiveReader(io.BytesIO(data))]


def raw(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    """A member as another program might write it."""
    info = tarfile.TarInfo(name.decode("latin-1"))
    info.mode, info.size = 0o600, len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.USTAR_FORMAT, "latin-1") + data + bytes(-len(data) % archive.BLOCK)


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    return raw(b"pax", records, type=kind)


def gnu_long(name: bytes, kind: bytes = b"L") -> bytes:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, len(name) + 1
    return info.tobuf(tarfile.GNU_FORMAT) + (name + b"\0").ljust(archive.BLOCK, b"\0")


def record(name: bytes, value: bytes) -> bytes:
    length = len(name) + len(value) + 3
    while len(str(length)) + len(name) + len(value) + 3 != length:
        length = len(str(length)) + len(name) + len(value) + 3
    return b"%d %s=%s\n" % (length, name, value)


GOOD = archive.header("TOP-1/a", 0)

HOSTILE = {
    "absolute name": raw(b"/TOP-1/a"),
    "parent folder": raw(b"TOP-1/../a"),
    "parent folder alone": raw(b".."),
    "this folder": raw(b"./a"),
    "drive letter": raw(b"C:\\a"),
    "drive letter with a slash": raw(b"C:/a"),
    "backslash": raw(b"TOP-1\\a"),
    "option": raw(b"-rf"),
    "option in a folder": raw(b"TOP-1/--checkpoint-action=exec=sh"),
    "hidden": raw(b"TOP-1/.bashrc"),
    "empty part": raw(b"TOP-1//a"),
    "folder's name": raw(b"TOP-1/"),
    "no name": raw(b""),
    "dot at the end": raw(b"TOP-1/a."),
    "space at the end": raw(b"TOP-1/a "),
    "stream of Windows": raw(b"TOP-1/a:b"),
    "device of Windows": raw(b"TOP-1/con"),
    "device of Windows with an ending": raw(b"TOP-1/Com1.txt"),
    "device of Windows as a folder": raw(b"NUL/a"),
    "letter that is not ASCII": raw("TOP-1/\N{LATIN SMALL LETTER E WITH ACUTE}".encode()),
    "the same letter in two characters": raw("TOP-1/e\N{COMBINING ACUTE ACCENT}".encode()),
    "right to left": raw("TOP-1/\u202efdp.exe".encode()),
    "newline": raw(b"TOP-1/a\nb"),
    "escape sequence": raw(b"TOP-1/\x1b[2J"),
    "text behind the name's end": GOOD[:7] + b"\0b" + GOOD[9:],
    "hard link": raw(b"TOP-1/a", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "symbolic link": raw(b"TOP-1/a", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "character device": raw(b"TOP-1/a", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": raw(b"TOP-1/a", type=tarfile.BLKTYPE, devmajor=8),
    "pipe": raw(b"TOP-1/a", type=tarfile.FIFOTYPE),
    "folder": raw(b"TOP-1/a", type=tarfile.DIRTYPE),
    "contiguous file": raw(b"TOP-1/a", type=tarfile.CONTTYPE),
    "old kind of file": raw(b"TOP-1/a", type=tarfile.AREGTYPE),
    "sparse file": raw(b"TOP-1/a", type=tarfile.GNUTYPE_SPARSE),
    "volume label": raw(b"TOP-1/a", type=b"V"),
    "second volume": raw(b"TOP-1/a", type=b"M"),
    "kind that nobody knows": raw(b"TOP-1/a", type=b"Z"),
    "set-user-id": raw(b"TOP-1/a", mode=0o4755),
    "executable": raw(b"TOP-1/a", mode=0o700),
    "owner": raw(b"TOP-1/a", uid=1000),
    "owner's name": raw(b"TOP-1/a", uname="anna"),
    "time": raw(b"TOP-1/a", mtime=1_700_000_000),
    "long name of GNU": gnu_long(b"TOP-1/a") + GOOD,
    "long link of GNU": gnu_long(b"TOP-1/a", b"K") + GOOD,
    "long name of GNU and a pax path": gnu_long(b"TOP-1/a") + pax(record(b"path", b"TOP-1/b")) + GOOD,
    "pax path": pax(record(b"path", b"TOP-1/b")) + GOOD,
    "NUL in a pax path": pax(record(b"path", b"TOP-1/b\0/../../c")) + GOOD,
    "pax link": pax(record(b"linkpath", b"/etc")) + GOOD,
    "GNU.sparse.name": pax(record(b"GNU.sparse.name", b"TOP-1/b")) + GOOD,
    "GNU.sparse.realsize": pax(record(b"GNU.sparse.realsize", b"1152921504606846976")) + GOOD,
    "pax for all that follow": pax(record(b"size", b"8589934592"), b"g") + GOOD,
    "pax of Solaris": pax(record(b"size", b"8589934592"), b"X") + GOOD,
    "pax size that needs none": pax(record(b"size", b"5")) + GOOD,
    "pax size and another one in the header": pax(record(b"size", b"8589934592")) + archive.header("TOP-1/a", 5),
    "two pax sizes": pax(record(b"size", b"8589934592") * 2) + GOOD,
    "pax size of 2^60": pax(record(b"size", b"1152921504606846976")) + GOOD,
    "negative pax size": pax(record(b"size", b"-8589934592")) + GOOD,
    "size in base 256": GOOD[:124] + b"\x80" + bytes(10) + b"\x05" + GOOD[136:],
    "size with spaces": GOOD[:124] + b"          0 " + GOOD[136:],
    "checksum of signed bytes": GOOD[:148] + b"0     \0 " + GOOD[156:],
    "checksum": GOOD[:148] + b"000000\0 " + GOOD[156:],
    "form of GNU": GOOD[:257] + b"ustar  \0" + GOOD[265:],
    "form before ustar": GOOD[:257] + bytes(8) + GOOD[265:],
    "prefix": GOOD[:345] + b"TOP-1" + GOOD[350:],
    "byte in the unused end": GOOD[:511] + b"x",
    "name of 300 bytes": gnu_long(b"T" * 300) + GOOD,
    "pax name of 300 bytes": pax(record(b"path", b"T" * 300)) + GOOD,
    "zip": b"PK\3\4" + bytes(508),
    "compressed": b"\x1f\x8b" + bytes(510),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("before", [b"", packed()[: -len(archive.END)]], ids=["first", "later"])
def test_no_other_form_of_tar_is_read(before: bytes, hostile: bytes) -> None:
    data = before + hostile + bytes(archive.BLOCK) + archive.END
    reader = archive.ArchiveReader(io.BytesIO(data))
    for _ in MEMBERS if before else ():
        member = reader.next_member()
        assert member is not None
        member.read(1 << 20)
    with pytest.raises(SealedFileRefused):
        reader.next_member()


def test_what_is_written_is_read() -> None:
    assert unpacked(packed()) == list(MEMBERS)
    assert len(packed()) == archive.archive_size((name, len(data)) for name, data in MEMBERS)


def test_python_reads_what_is_written() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed())) as tar:
        assert [(info.name, info.size) for info in tar] == [(name, len(data)) for name, data in MEMBERS]
        assert {(info.mode, info.uid, info.gid, info.mtime, info.type) for info in tar} == {(0o600, 0, 0, 0, b"0")}


@pytest.mark.parametrize("size_bytes", [8**11 - 1, 8**11, 10**10, archive.MAX_SIZE])
def test_sizes_at_the_edge_of_ustar_have_one_header(size_bytes: int) -> None:
    head = archive.header("TOP-1/a", size_bytes)
    assert len(head) == (512 if size_bytes < 8**11 else 1536)
    member = archive.ArchiveReader(io.BytesIO(head)).next_member()
    assert member is not None
    assert (member.name, member.size_bytes) == ("TOP-1/a", size_bytes)
    assert tarfile.TarFile(fileobj=io.BytesIO(head + archive.END)).next().size == size_bytes


@pytest.mark.parametrize("kept", [0, 1, 511, 512, 513, 520, 1024, len(packed()) - 512, len(packed()) - 1])
def test_an_archive_that_ends_early_is_refused(kept: int) -> None:
    with pytest.raises(SealedFileRefused):
        unpacked(packed()[:kept])


@pytest.mark.parametrize(
    "data",
    [
        packed() + b"\0",
        packed() + archive.END,
        packed() + packed(),
        packed()[:-1] + b"x",
        packed()[:-512] + GOOD + archive.END,
    ],
    ids=["a zero", "zeros", "an archive", "the last byte", "a member after a zero block"],
)
def test_nothing_follows_the_end(data: bytes) -> None:
    with pytest.raises(SealedFileRefused):
        unpacked(data)


def test_nothing_is_hidden_between_members() -> None:
    data = bytearray(packed())
    data[512 + len(b"first")] = 1
    with pytest.raises(SealedFileRefused):
        unpacked(bytes(data))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("TOP-1/a", "TOP-1/a"),
        ("TOP-1/a", "TOP-1/A"),
        ("TOP-1/a", "top-1/a"),
        ("TOP-1/a", "TOP-1/a/b"),
        ("TOP-1/a/b", "TOP-1/A"),
    ],
)
def test_no_two_members_fall_together_on_any_disk(first: str, second: str) -> None:
    data = archive.header(first, 0) + archive.header(second, 0) + archive.END
    with pytest.raises(SealedFileRefused):
        unpacked(data)
    writer = archive.ArchiveWriter(io.BytesIO())
    writer.write_member(first, b"")
    with pytest.raises(ValueError):
        writer.member(second, 0)


class Endless:
    """An archive of members without number, made while it is read."""

    def __init__(self) -> None:
        self._rest = b""
        self.made = 0

    def readinto(self, buffer: memoryview) -> int:
        if not self._rest:
            self._rest = archive.header(f"TOP-1/{self.made}", 0)
            self.made += 1
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def test_a_million_members_are_refused_at_the_limit() -> None:
    source = Endless()
    with pytest.raises(SealedFileRefused):
        list(archive.ArchiveReader(source))
    assert source.made == 100_001


def test_an_announced_size_takes_no_memory() -> None:
    data = archive.header("TOP-1/a", archive.MAX_SIZE) + b"x" * 1000
    tracemalloc.start()
    try:
        for limit in (1 << 20, archive.MAX_SIZE):
            member = archive.ArchiveReader(io.BytesIO(data)).next_member()
            assert member is not None
            with pytest.raises(SealedFileRefused):
                member.read(limit)
        member = archive.ArchiveReader(io.BytesIO(data)).next_member()
        assert member is not None
        with pytest.raises(SealedFileRefused):
            member.read_zeros()
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_padding_is_zeros_and_nothing_else() -> None:
    for place in (0, 5000, 1 << 20, (1 << 20) + 100):
        zeros = bytearray((1 << 20) + 101)
        for expected in (True, False):
            zeros[place] = not expected
            member = archive.ArchiveReader(io.BytesIO(packed((("TOP-1/padding", bytes(zeros)),)))).next_member()
            assert member is not None
            if expected:
                member.read_zeros()
                assert member.left_bytes == 0
            else:
                with pytest.raises(SealedFileRefused):
                    member.read_zeros()


class Slow(io.RawIOBase):
    """A source that gives one byte at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readinto(self, buffer: object) -> int:
        return self._data.readinto(memoryview(buffer)[:1])


def test_a_source_may_give_less_than_asked_for() -> None:
    found = [(each.name, each.read(1 << 20)) for each in archive.ArchiveReader(Slow(packed()))]
    assert found == list(MEMBERS)


def out_of_order() -> Iterator[Callable[[archive.ArchiveWriter], object]]:
    yield lambda writer: writer.write(b"x")
    yield lambda writer: (writer.member("a", 1), writer.member("b", 0))
    yield lambda writer: (writer.member("a", 1), writer.finish())
    yield lambda writer: (writer.member("a", 1), writer.write(b"xx"))
    yield lambda writer: (writer.finish(), writer.member("a", 0))
    yield lambda writer: (writer.finish(), writer.finish())
    yield lambda writer: writer.member("../a", 0)
    yield lambda writer: writer.member("a", -1)


@pytest.mark.parametrize("mistake", list(out_of_order()))
def test_the_writer_writes_no_other_form(mistake: Callable[[archive.ArchiveWriter], object]) -> None:
    with pytest.raises(ValueError):
        mistake(archive.ArchiveWriter(io.BytesIO()))


def test_a_member_that_was_not_read_is_not_passed_over() -> None:
    reader = archive.ArchiveReader(io.BytesIO(packed()))
    reader.next_member()
    with pytest.raises(ValueError):
        reader.next_member()


@given(st.text(max_size=120) | st.from_regex(r"[A-Za-z0-9._/\\:-]{0,110}", fullmatch=True))
def test_a_name_is_either_plain_or_none(name: str) -> None:
    if archive.is_name(name):
        assert name.isascii()
        assert not Path(name).is_absolute()
        assert Path(name).as_posix() == name
        assert ".." not in Path(name).parts
        assert archive.ArchiveReader(io.BytesIO(archive.header(name, 0))).next_member() is not None
    else:
        with pytest.raises(ValueError):
            archive.header(name, 0)


@given(st.integers(0, 511), st.integers(1, 255), st.sampled_from([0, 8**11]))
@example(8, 1, 8**11)
def test_no_bit_of_a_header_is_free(place: int, change: int, size_bytes: int) -> None:
    head = bytearray(archive.header("TOP-1/a", size_bytes))
    for start in range(0, len(head), 512):
        altered = bytearray(head)
        altered[start + place] ^= change
        try:
            found = archive.ArchiveReader(io.BytesIO(altered + archive.END)).next_member()
        except SealedFileRefused:
            continue
        # A size of 8 GiB or more has no checksum there; whoever reads compares it with the one that was signed.
        assert start == 512
        assert found is not None
        assert found.size_bytes >= 8**11
        assert found.size_bytes != size_bytes
