"""The payload of age files: chunks, their order, their end, and any part of them."""

from __future__ import annotations

import io
import itertools
import random
import tracemalloc

import pytest
from age_writer import CHUNK, armored, header, hkdf, payload, x25519_stanza
from age_writer import X25519 as IDENTITY
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import age
from crypto.age_payload import ChunkReader, plaintext_size, sealed_size

KEY = b"the file's key.."
TOP = header(KEY, x25519_stanza(KEY))
SEALED = CHUNK + 16
RECIPIENT, ME = age.parse_identity(IDENTITY).recipient(), age.parse_identity(IDENTITY)
A, B, C, TAIL = b"a" * CHUNK, b"b" * CHUNK, b"c" * CHUNK, b"tail"
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 9 * CHUNK, 9 * CHUNK + 1]

GOOD = {
    "a last chunk may be full": [(A, True)],
    "a short last chunk": [(A, False), (TAIL, True)],
    "two full chunks": [(A, False), (B, True)],
    "four chunks": [(A, False), (B, False), (C, False), (TAIL, True)],
}
# The chunks, and how many of them are released.
BAD = {
    "an empty chunk after a full one": ([(A, False), (b"", True)], 1),
    "an empty chunk after two": ([(A, False), (B, False), (b"", True)], 2),
    "a full chunk that is not the last": ([(A, False)], 1),
    "two of them": ([(A, False), (B, False)], 2),
    "a short second chunk that is not the last": ([(A, False), (TAIL, False)], 1),
    "a short chunk in front": ([(TAIL, False), (A, True)], 0),
    "a short chunk after a full last one": ([(A, True), (TAIL, True)], 1),
    "a full chunk after a full last one": ([(A, True), (B, True)], 1),
    "a last chunk in between": ([(A, True), (B, False), (TAIL, True)], 1),
    "a last chunk as the second of three": ([(A, False), (B, True), (TAIL, True)], 2),
}


def _plaintext(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _encrypt(plaintext: bytes) -> bytes:
    sink = io.BytesIO()
    age.encrypt(io.BytesIO(plaintext), sink, [RECIPIENT])
    return sink.getvalue()


def _decrypt(file: bytes) -> bytes:
    sink = io.BytesIO()
    age.decrypt(io.BytesIO(file), sink, [ME])
    return sink.getvalue()


def _refused(file: bytes, released: bytes) -> None:
    sink = io.BytesIO()
    with pytest.raises(age.PayloadFailure):
        age.decrypt(io.BytesIO(file), sink, [ME])
    assert sink.getvalue() == released
    with pytest.raises(age.PayloadFailure):
        _read_backwards(file)


def _read_backwards(file: bytes) -> bytes:
    reader = age.open_range(io.BytesIO(file), [ME])
    return b"".join(reversed([reader.read_at(at, CHUNK) for at in reversed(range(0, reader.size_bytes, CHUNK))]))


@pytest.mark.parametrize("name", GOOD)
def test_a_payload_of_another_writer_is_read(name):
    file = TOP + payload(KEY, *GOOD[name])
    assert _decrypt(file) == _read_backwards(file) == b"".join(chunk for chunk, _ in GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_payload_that_ends_or_goes_on_wrongly_is_refused_after_what_is_authentic(name):
    chunks, released = BAD[name]
    _refused(TOP + payload(KEY, *chunks), b"".join(chunk for chunk, _ in chunks[:released]))


def test_chunks_exchanged_doubled_or_missing_are_refused():
    sealed = payload(KEY, (A, False), (B, False), (C, False), (TAIL, True))
    one, two, three, last = (sealed[16 + SEALED * n : 16 + SEALED * (n + 1)] for n in range(4))
    for chunks, released in (
        ([one, three, two, last], A),
        ([one, one, two, three, last], A),
        ([two, three, last], b""),
        ([one, two, last], A + B),
        ([one, two, three], A + B + C),
        ([last], b""),
    ):
        _refused(TOP + sealed[:16] + b"".join(chunks), released)


@pytest.mark.parametrize(
    ("at", "released"), [(0, b""), (CHUNK, b""), (SEALED, A), (SEALED + CHUNK + 9, A), (-1, A + B)]
)
def test_an_altered_chunk_is_refused_after_what_stands_before_it(at, released):
    sealed = bytearray(payload(KEY, (A, False), (B, False), (TAIL, True)))
    sealed[at if at < 0 else 16 + at] ^= 1
    _refused(TOP + bytes(sealed), released)


@pytest.mark.parametrize("size", [CHUNK, CHUNK + 100, 2 * CHUNK])
def test_a_file_cut_near_the_border_of_a_chunk_is_refused(size):
    file = _encrypt(_plaintext(size))
    for border in range(len(file), len(file) - size - 40, -SEALED):
        for cut in {*range(border - 20, border + 20)}:
            if len(TOP) + 16 <= cut < len(file):
                released = (cut - len(TOP) - 16) // SEALED * CHUNK
                _refused(file[:cut], _plaintext(size)[:released])


def test_a_small_file_cut_anywhere_is_refused():
    file = _encrypt(b"left of my own will")
    for cut in range(len(file)):
        with pytest.raises(age.HeaderFailure if cut < len(TOP) + 16 else age.PayloadFailure):
            _decrypt(file[:cut])


@pytest.mark.parametrize("more", [1, 15, 16, 17, SEALED])
@pytest.mark.parametrize("size", [0, 10, CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_file_followed_by_something_is_refused(size, more):
    sink = io.BytesIO()
    with pytest.raises(age.PayloadFailure):
        age.decrypt(io.BytesIO(_encrypt(_plaintext(size)) + bytes(more)), sink, [ME])
    assert _plaintext(size).startswith(sink.getvalue())


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out_and_has_the_size_that_was_announced(size):
    file = _encrypt(_plaintext(size))
    assert _decrypt(file) == _read_backwards(file) == _plaintext(size)
    assert len(file) == age.file_size(size, len(TOP))


@given(st.integers(0, 2**45))
def test_the_sizes_of_plaintext_and_payload_tell_each_other(size):
    assert plaintext_size(sealed_size(size)) == size
    assert sealed_size(size) == size + 16 * max(1, -(-size // CHUNK))


def test_sizes_that_no_payload_has_are_refused():
    for size in (-1, 0, 15, SEALED + 1, SEALED + 16, 2 * SEALED + 16):
        with pytest.raises(age.PayloadFailure):
            plaintext_size(size)
    with pytest.raises(ValueError):
        sealed_size(-1)


@settings(max_examples=40)
@given(
    size=st.sampled_from(SIZES) | st.integers(0, 3 * CHUNK),
    cuts=st.lists(st.integers(0, 3 * CHUNK), max_size=5),
    steps=st.lists(st.integers(1, 2 * CHUNK), min_size=1, max_size=5),
)
def test_a_file_does_not_depend_on_how_it_is_written_and_read(size, cuts, steps):
    plaintext = _plaintext(size)
    sink = io.BytesIO()
    writer = age.open_writer(sink, [RECIPIENT])
    edges = [0, *sorted(min(cut, size) for cut in cuts), size]
    for start, end in itertools.pairwise(edges):
        assert writer.write(plaintext[start:end]) == end - start
    writer.finish()
    assert _decrypt(sink.getvalue()) == plaintext
    sink.seek(0)
    reader, _ = age.open_reader(sink, [ME])
    parts = [reader.read(step) for step in steps]
    assert b"".join(parts) + reader.read() == plaintext


@settings(max_examples=60)
@given(size=st.sampled_from(SIZES) | st.integers(0, 4 * CHUNK), data=st.data())
def test_any_range_is_what_stands_there(size, data):
    plaintext = _plaintext(size)
    reader = age.open_range(io.BytesIO(_encrypt(plaintext)), [ME])
    assert reader.size_bytes == size
    for _ in range(5):
        offset = data.draw(st.integers(0, size + 5))
        length = data.draw(st.integers(0, size + 5))
        assert reader.read_at(offset, length) == plaintext[offset : offset + length]


def test_random_access_begins_where_the_source_stands():
    source = io.BytesIO(b"before" + _encrypt(A + TAIL))
    source.seek(6)
    assert age.open_range(source, [ME]).read_at(CHUNK - 1, 3) == b"ata"


def test_random_access_refuses_an_altered_chunk_and_goes_on_with_the_others():
    file = bytearray(_encrypt(A + B + TAIL))
    file[len(TOP) + 16 + SEALED + 7] ^= 1
    reader = age.open_range(io.BytesIO(file), [ME])
    assert reader.read_at(0, CHUNK) == A
    with pytest.raises(age.PayloadFailure):
        reader.read_at(CHUNK, 1)
    assert reader.read_at(2 * CHUNK, 4) == TAIL


def test_random_access_refuses_a_file_that_became_shorter():
    source = io.BytesIO(_encrypt(A + B + TAIL))
    reader = age.open_range(source, [ME])
    source.truncate(len(TOP) + 100)
    with pytest.raises(age.PayloadFailure):
        reader.read_at(CHUNK, 1)


def test_random_access_takes_no_negative_place():
    reader = age.open_range(io.BytesIO(_encrypt(TAIL)), [ME])
    for place in ((-1, 1), (0, -1)):
        with pytest.raises(ValueError):
            reader.read_at(*place)


def test_a_single_chunk_of_another_number_does_not_open():
    sealed = payload(KEY, (A, False), (TAIL, True))
    key = hkdf(KEY, b"n" * 16, b"payload")
    chunks = ChunkReader(key, len(sealed) - 16)
    assert chunks.decrypt_chunk(1, sealed[16 + SEALED :]) == TAIL
    for number, data in ((0, sealed[16 + SEALED :]), (1, sealed[16 : 16 + SEALED]), (1, b""), (1, sealed[-15:])):
        with pytest.raises(age.PayloadFailure):
            chunks.decrypt_chunk(number, data)


def test_a_reader_that_failed_gives_nothing_more_and_holds_nothing():
    sealed = bytearray(payload(KEY, (A, False), (B, False), (TAIL, True)))
    sealed[16 + SEALED + 5] ^= 1
    reader, _ = age.open_reader(io.BytesIO(TOP + bytes(sealed)), [ME])
    assert reader.next_chunk() == A
    for _ in range(2):
        with pytest.raises(age.PayloadFailure):
            reader.next_chunk()
    with pytest.raises(age.PayloadFailure):
        reader.read(1)
    assert not any(reader._plain)


@pytest.mark.parametrize("size", SIZES)
def test_a_large_buffer_is_filled_chunk_by_chunk_with_the_same(size):
    plaintext = _plaintext(size)
    reader, _ = age.open_reader(io.BytesIO(_encrypt(plaintext)), [ME])
    found, buffer = b"", memoryview(bytearray(3 * CHUNK))
    while count := reader.readinto(buffer[: 3 * CHUNK - len(found) % 7]):
        found += buffer[:count]
    assert found == plaintext


def test_a_chunk_that_fails_leaves_nothing_in_the_callers_buffer():
    file = bytearray(_encrypt(A + B + C))
    file[-1] ^= 1
    reader, _ = age.open_reader(io.BytesIO(file), [ME])
    buffer = bytearray(b"x" * 2 * CHUNK)
    assert [reader.readinto(buffer), reader.readinto(buffer)] == [CHUNK, CHUNK]
    with pytest.raises(age.PayloadFailure):
        reader.readinto(buffer)
    assert bytes(buffer) == bytes(CHUNK) + b"x" * CHUNK


def test_a_writer_takes_nothing_after_its_end():
    writer = age.open_writer(io.BytesIO(), [RECIPIENT])
    writer.finish()
    for attempt in (lambda: writer.write(b""), writer.finish):
        with pytest.raises(ValueError):
            attempt()


def test_what_is_not_finished_is_refused_by_its_reader():
    for size in (0, 10, CHUNK, 3 * CHUNK):
        sink = io.BytesIO()
        age.open_writer(sink, [RECIPIENT]).write(_plaintext(size))
        with pytest.raises(age.PayloadFailure):
            _decrypt(sink.getvalue())


class _Zeros(io.RawIOBase):
    """So many zeros, none of them kept."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        self.left -= count
        buffer[:count] = bytes(count)
        return count


class _Counter:
    """Counts what is written to it and keeps nothing."""

    size = 0

    def write(self, data: memoryview) -> int:
        self.size += len(data)
        return len(data)


def test_memory_is_bounded_whatever_the_size():
    size = 64 << 20
    sealed = _Counter()
    sink = io.BytesIO()
    age.encrypt(_Zeros(size), sink, [RECIPIENT])
    tracemalloc.start()
    try:
        age.encrypt(_Zeros(size), sealed, [RECIPIENT])
        _, encrypting = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        plain = _Counter()
        sink.seek(0)
        age.decrypt(io.BufferedReader(sink), plain, [ME])
        _, decrypting = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (sealed.size, plain.size) == (age.file_size(size, len(TOP)), size)
    assert max(encrypting, decrypting) < 4 << 20


class _Broken(io.BytesIO):
    """Gives what it has, and then an error instead of an end."""

    def readinto(self, buffer):
        return super().readinto(buffer) or self._fail()

    def _fail(self):
        raise OSError("the stick was pulled")


def test_an_error_of_the_source_comes_after_all_that_is_authentic():
    sealed = payload(KEY, (A, False), (B, False), (TAIL, True))
    for size, released in ((16 + SEALED, A), (16 + SEALED + 100, A), (len(sealed), A + B)):
        sink = io.BytesIO()
        with pytest.raises(OSError, match="stick"):
            age.decrypt(_Broken(TOP + sealed[:size]), sink, [ME])
        assert sink.getvalue() == released


def test_a_fault_of_the_armor_comes_after_all_that_is_authentic():
    text = armored(TOP + payload(KEY, (A, False), (bytes(200), True)))
    sink = io.BytesIO()
    with pytest.raises(age.ArmorFailure):
        age.decrypt(age.dearmor(io.BytesIO(text.replace(b"-----END", b"*-----END"))), sink, [ME])
    assert sink.getvalue() == A


class _ShortSink:
    """Takes at most 1000 bytes at once."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def write(self, data: memoryview) -> int:
        self.taken += data[:1000]
        return len(data[:1000])


def test_a_sink_that_takes_little_at_once_gets_everything():
    sink, back = _ShortSink(), _ShortSink()
    age.encrypt(io.BytesIO(A + TAIL), sink, [RECIPIENT])
    age.decrypt(io.BytesIO(sink.taken), back, [ME])
    assert back.taken == A + TAIL


class _Taken:
    """Takes everything and says nothing of it, as a function that collects often does."""

    def __init__(self, answer: int | None) -> None:
        self.taken, self.answer = bytearray(), answer

    def write(self, data: memoryview) -> int | None:
        self.taken += data
        return self.answer


def test_a_sink_that_says_nothing_has_everything_and_one_that_takes_nothing_is_an_error():
    sink = _Taken(None)
    age.encrypt(io.BytesIO(A + TAIL), sink, [RECIPIENT])
    assert _decrypt(bytes(sink.taken)) == A + TAIL
    with pytest.raises(BlockingIOError):
        age.encrypt(io.BytesIO(A), _Taken(0), [RECIPIENT])


class _Waiting(io.RawIOBase):
    """A stream that is not ready."""

    def readinto(self, buffer):
        return None

    def write(self, data):
        return None


def test_a_stream_that_is_not_ready_is_an_error_and_never_an_end():
    with pytest.raises(BlockingIOError):
        age.encrypt(_Waiting(), io.BytesIO(), [RECIPIENT])
    with pytest.raises(BlockingIOError):
        age.decrypt(_Waiting(), io.BytesIO(), [ME])
    with pytest.raises(BlockingIOError):
        age.encrypt(io.BytesIO(b"x"), _Waiting(), [RECIPIENT])


def test_a_source_in_memory_stands_behind_what_was_read():
    source = io.BytesIO(_encrypt(A + TAIL))
    age.decrypt(source, io.BytesIO(), [ME])
    assert source.tell() == len(source.getvalue())
    source.close()
