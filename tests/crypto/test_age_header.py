"""The header of age files: one text for each header, and limits that hold whatever the source holds."""

from __future__ import annotations

import io
import time
import tracemalloc

import pytest
from age_writer import VERSION, header, honest_payload, stanza, x25519_stanza
from age_writer import X25519 as IDENTITY
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crypto import age
from crypto.age_header import decode_base64, encode_base64
from crypto.errors import HeaderFailure

KEY = b"the file's key.."
TEXT = b"I left of my own will."
ME = age.parse_identity(IDENTITY)
OWN = x25519_stanza(KEY)
FILE = header(KEY, OWN) + honest_payload(KEY, TEXT)
ARGUMENTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


class Endless(io.RawIOBase):
    """A beginning, and then a repeated piece for ever; counts what was read of it."""

    def __init__(self, beginning: bytes, piece: bytes) -> None:
        self._beginning = beginning
        self._piece = piece * (65_536 // len(piece) + 1)
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        view = memoryview(buffer).cast("B")
        data, self._beginning = (
            (self._beginning[: len(view)], self._beginning[len(view) :])
            if self._beginning
            else (
                self._piece[: len(view)],
                b"",
            )
        )
        view[: len(data)] = data
        self.count += len(data)
        return len(data)


HOSTILE = {
    "one line that never ends": (b"", b"a"),
    "a version line that never ends": (b"age-encryption.org/v1", b"1"),
    "an argument that never ends": (VERSION + b"-> ", b"a"),
    "arguments without end": (VERSION + b"->", b" a"),
    "a body line that never ends": (VERSION + b"-> a\n", b"A"),
    "a body without end": (VERSION + b"-> a\n", b"A" * 64 + b"\n"),
    "stanzas without end": (VERSION, b"-> a\n\n"),
    "stanzas for me without end": (VERSION, OWN),
    "a MAC that never ends": (VERSION + OWN + b"--- ", b"A"),
    "line feeds without end": (VERSION + OWN, b"\n"),
    "zeros without end": (b"", b"\x00"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_without_end_is_refused_in_little_memory_and_soon(name):
    source = Endless(*HOSTILE[name])
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(HeaderFailure):
            age.decrypt(source, io.BytesIO(), [ME])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert source.count <= age.GENERAL_LIMITS.size_bytes + 65_536
    assert peak < 16 << 20
    # Generous on purpose: without limits it would never end.
    assert time.process_time() - started < 60


def test_the_limits_are_those_that_the_caller_sets():
    source = header(KEY, *[OWN] * 33)
    assert len(source) < 65_536
    for limits, accepted in (
        (age.HeaderLimits(size_bytes=65_536, stanzas=33), True),
        (age.HeaderLimits(size_bytes=65_536, stanzas=32), False),
        (age.HeaderLimits(size_bytes=len(source), stanzas=33), True),
        (age.HeaderLimits(size_bytes=len(source) - 1, stanzas=33), False),
    ):
        for read in (
            lambda limits: age.read_header(io.BytesIO(source), limits=limits),
            lambda limits: age.open_reader(io.BytesIO(source + bytes(16)), [ME], limits=limits),
            lambda limits: age.open_range(io.BytesIO(source + honest_payload(KEY, b"")), [ME], limits=limits),
        ):
            if accepted:
                read(limits)
            else:
                with pytest.raises(HeaderFailure):
                    read(limits)


def test_many_recipients_and_large_unknown_stanzas_are_within_the_general_limits():
    many = header(KEY, *[OWN] * 4096)
    assert len(age.read_header(io.BytesIO(many)).stanzas) == 4096
    large = header(KEY, stanza(b"plugin", body=bytes(500_000)), OWN) + honest_payload(KEY, TEXT)
    sink = io.BytesIO()
    age.decrypt(io.BytesIO(large), sink, [ME])
    assert sink.getvalue() == TEXT


def test_a_header_tells_its_stanzas_without_a_key():
    read = age.read_header(io.BytesIO(header(KEY, stanza(b"unknown", b"a", body=b"b" * 100), OWN) + b"more"))
    assert [each.kind for each in read.stanzas] == ["unknown", "X25519"]
    assert read.stanzas[0] == age.Stanza(("unknown", "a"), b"b" * 100)
    assert read.covered + b" " + encode_base64(read.mac).encode() + b"\n" == read.text
    assert read.text == header(KEY, stanza(b"unknown", b"a", body=b"b" * 100), OWN)


@given(st.lists(ARGUMENTS, min_size=1, max_size=6), st.binary(max_size=200))
@example(["a"], bytes(48))
@example(["a"], bytes(47))
@example(["a"], b"")
def test_any_stanza_is_written_as_the_other_writer_does_and_read_back(arguments, body):
    written = age.Stanza(tuple(arguments), body).to_bytes()
    assert written == stanza(*(argument.encode() for argument in arguments), body=body)
    read = age.read_header(io.BytesIO(header(KEY, written)))
    assert read.stanzas == (age.Stanza(tuple(arguments), body),)


@pytest.mark.parametrize("arguments", [(), ("",), ("a b",), ("a\n",), ("\x7f",), ("дом",)], ids=ascii)
def test_a_stanza_without_a_text_form_is_not_written(arguments):
    with pytest.raises(ValueError):
        age.Stanza(arguments, b"").to_bytes()


@given(st.binary(max_size=100))
def test_base64_comes_back(data):
    assert decode_base64(encode_base64(data)) == data


@given(st.text(st.sampled_from("AB+/=-_ \nzé\x00"), max_size=9))
def test_base64_in_any_other_form_is_refused(text):
    try:
        data = decode_base64(text)
    except HeaderFailure:
        return
    assert encode_base64(data) == text


@settings(max_examples=300)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([VERSION, b"-> a\n", b"AAAA\n", b"\n", b"---", b" ", OWN, b"\r"])).map(b"".join)
)
def test_any_bytes_are_a_header_in_one_form_or_refused(data):
    try:
        read = age.read_header(io.BytesIO(data))
    except HeaderFailure:
        return
    stanzas = b"".join(each.to_bytes() for each in read.stanzas)
    assert read.text == VERSION + stanzas + b"--- " + encode_base64(read.mac).encode() + b"\n"
    assert data.startswith(read.text)


FIRST_OF_MAC = FILE.index(b"\n---") + 5


def _class_of_a_flip(at: int) -> tuple[type[age.AgeFailure], ...]:
    """Every byte matters. Where one flip can have two meanings (is the character still base64?) both are named."""
    size = FILE.index(b"\n---") + 49
    if at >= size:
        return (age.PayloadFailure,)
    if FIRST_OF_MAC <= at < size - 1:
        return (age.HMACFailure, age.HeaderFailure)
    return (age.HeaderFailure, age.NoMatch)


@pytest.mark.parametrize("bit", range(8))
def test_a_file_with_any_bit_of_any_byte_flipped_is_refused_by_the_layer_it_hits(bit):
    for at in range(len(FILE)):
        altered = bytearray(FILE)
        altered[at] ^= 1 << bit
        sink = io.BytesIO()
        with pytest.raises(age.AgeFailure) as caught:
            age.decrypt(io.BytesIO(altered), sink, [ME])
        assert type(caught.value) in _class_of_a_flip(at), at
        assert sink.getvalue() == b""
