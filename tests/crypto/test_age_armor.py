"""ASCII armor: one strict form, but for white space around it and the ends of lines."""

from __future__ import annotations

import base64
import contextlib
import io
import tracemalloc

import pytest
from age_writer import BEGIN, END, armored
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crypto import age

SIZES = [1, 2, 3, 47, 48, 49, 95, 96, 97, 48 * 1023, 48 * 1024, 48 * 1024 + 1, 200_000]


def _dearmor(text: bytes) -> bytes:
    return age.dearmor(io.BytesIO(text)).read()


def _armor(*pieces: bytes) -> bytes:
    sink = io.BytesIO()
    with age.armor(sink) as stream:
        for piece in pieces:
            assert stream.write(piece) == len(piece)
    return sink.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_armor_is_what_another_writer_writes_and_is_read_with_either_line_end(size):
    data = bytes(i * 7 % 256 for i in range(size))
    assert _armor(data) == armored(data)
    assert _dearmor(armored(data)) == data
    assert _dearmor(armored(data, end_of_line=b"\r\n")) == data


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=100) | st.integers(0, 60_000).map(bytes), max_size=5), st.integers(1, 70_000))
def test_armor_does_not_depend_on_how_it_is_written_and_read(pieces, step):
    text = _armor(*pieces)
    assert text == armored(b"".join(pieces))
    reader = age.dearmor(io.BytesIO(text))
    parts = []
    while part := reader.read(step):
        parts.append(part)
    assert b"".join(parts) == b"".join(pieces)


@given(st.binary(min_size=1, max_size=200), st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=9, max_size=9))
def test_ends_of_lines_may_be_mixed(data, ends):
    lines = armored(data).splitlines()
    assert _dearmor(b"".join(line + end for line, end in zip(lines, ends, strict=False))) == data


def test_whole_lines_of_white_space_before_and_any_white_space_after_are_skipped():
    text = armored(b"statement")
    for before in (b"", b"\n", b"\r\n", b" \t\n\n", b" " * 1023 + b"\n"):
        for after in (b"", b"\n", b" ", b"\t\r\n\n", b"\n" * 1024):
            assert _dearmor(before + text + after) == b"statement"


@pytest.mark.parametrize("size", [0, 1, 1023])
def test_white_space_without_end_is_refused(size):
    text = armored(b"statement")
    for hostile in (b" " * (1025 + size) + b"\n" + text, b"\n" * (1025 + size) + text, text + b" " * (1025 + size)):
        with pytest.raises(age.ArmorFailure):
            _dearmor(hostile)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([BEGIN, END, b"AAAA", b"A" * 64 + b"\n", b"AA==\n", b"\n", b"\r\n", b" ", b"=", b"\x00"]),
        max_size=12,
    ).map(b"".join)
)
@example(BEGIN + END)
@example(BEGIN + b"A" * 64 + b"\n" + END)
def test_any_text_is_armor_in_one_form_or_refused(text):
    try:
        data = _dearmor(text)
    except age.ArmorFailure:
        return
    assert _armor(data) == text.replace(b"\r\n", b"\n").strip() + b"\n"


@settings(max_examples=200)
@given(st.integers(0, 5000), st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_gives_other_bytes_or_a_refusal(size, at, value):
    data = bytes(i % 251 for i in range(size))
    text = bytearray(armored(data))
    text[at % len(text)] = value
    try:
        read = _dearmor(bytes(text))
    except age.ArmorFailure:
        return
    assert (read == data) == (bytes(text).replace(b"\r\n", b"\n").strip() == armored(data).strip())


@pytest.mark.parametrize("size", [1, 47, 48, 96, 100])
def test_armor_cut_anywhere_is_refused(size):
    text = armored(bytes(size))
    for cut in range(len(text) - 1):
        with pytest.raises(age.ArmorFailure):
            _dearmor(text[:cut])


def _collect(reader: age.ArmorReader, parts: bytearray) -> None:
    while part := reader.read(1000):
        parts += part


def test_what_stands_before_a_fault_is_given_and_nothing_after_it():
    data = bytes(i % 251 for i in range(100_000))
    lines = armored(data).splitlines(keepends=True)
    for at in (1, 2, 1000, 1024, 1025, 1026, 2000):
        reader = age.dearmor(io.BytesIO(b"".join([*lines[: at + 1], b"*\n", *lines[at + 1 :]])))
        parts = bytearray()
        with pytest.raises(age.ArmorFailure):
            _collect(reader, parts)
        assert parts == data[: at * 48]
        for _ in range(2):
            with pytest.raises(age.ArmorFailure):
                reader.read(1)


class Endless(io.RawIOBase):
    def __init__(self, beginning: bytes, piece: bytes) -> None:
        self._beginning, self._piece, self.count = beginning, piece, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        data = (self._beginning or self._piece)[: len(buffer)]
        self._beginning = self._beginning[len(data) :]
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


@pytest.mark.parametrize(
    ("beginning", "piece"), [(b"", b"\n"), (b"", b"-"), (BEGIN, b"A"), (BEGIN, b"\n"), (armored(b"x"), b"\n")]
)
def test_a_text_without_end_is_refused_in_little_memory(beginning, piece):
    source = Endless(beginning, piece * 65_536)
    tracemalloc.start()
    try:
        with pytest.raises(age.ArmorFailure):
            age.dearmor(source).read()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert source.count <= 4 * 66_560
    assert peak < 4 << 20


def test_a_text_without_end_that_is_in_order_is_read_in_little_memory():
    line = base64.b64encode(bytes(48)) + b"\n"
    reader = age.dearmor(Endless(BEGIN, line * 1024))
    tracemalloc.start()
    try:
        for _ in range(2000):
            assert reader.read(4096) is not None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_text_whose_writing_failed_has_no_end_and_is_refused():
    sink = io.BytesIO()
    stream = age.armor(sink)
    with contextlib.suppress(ZeroDivisionError), stream:
        stream.write(bytes(1000))
        raise ZeroDivisionError
    with pytest.raises(ValueError):
        stream.write(b"more")
    stream.close()
    assert END not in sink.getvalue()
    with pytest.raises(age.ArmorFailure):
        _dearmor(sink.getvalue())


def test_closing_twice_ends_the_text_once_and_leaves_the_sink_open():
    sink = io.BytesIO()
    stream = age.armor(sink)
    stream.write(b"statement")
    stream.flush()
    stream.close()
    stream.close()
    assert sink.getvalue() == armored(b"statement")
    assert not sink.closed


def test_an_armored_file_goes_through_both_doors():
    identity = age.X25519Identity.generate()
    text, back = io.BytesIO(), io.BytesIO()
    with age.armor(text) as stream:
        age.encrypt(io.BytesIO(bytes(200_000)), stream, [identity.recipient()])
    text.seek(0)
    age.decrypt(age.dearmor(text), back, [identity])
    assert back.getvalue() == bytes(200_000)
