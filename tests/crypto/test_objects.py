"""Encrypted objects."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import DecryptionFailed, Truncated
from crypto.keys import ObjectKey
from crypto.labels import OBJECT
from crypto.objects import (
    CHUNK,
    PREFIX,
    SEALED_CHUNK,
    ChunkDecryptor,
    StreamDecryptor,
    StreamEncryptor,
    ciphertext_size,
    object_context,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "cobblestone-256.json").read_text("utf-8"))
KEY = ObjectKey(bytes(range(32)))
PLACE = {"folder_id": bytes(range(32)), "case_id": b"c" * 16, "object_id": b"o" * 16, "segment": 3}
CONTEXT = object_context(**PLACE)
SIZES = [0, 1, 15, 16, 17, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 100_000]


def _plaintext(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def _through(stream, pieces) -> bytes:
    """Every piece goes through a buffer of exactly the size that the stream asks for."""
    output = b""
    for piece in pieces:
        buffer = bytearray(stream.output_size(len(piece)))
        size = stream.update_into(piece, buffer)
        output += buffer[:size]
    return output + stream.finalize()


def _encrypt(data: bytes, context: bytes = CONTEXT) -> bytes:
    return _through(StreamEncryptor(KEY, context), [data])


def _decrypt(data: bytes, key: ObjectKey = KEY, context: bytes = CONTEXT) -> bytes:
    return _through(StreamDecryptor(key, context), [data])


def _chunks(sealed: bytes) -> list[bytes]:
    return [sealed[start : start + SEALED_CHUNK] for start in range(PREFIX, len(sealed), SEALED_CHUNK)]


@pytest.mark.parametrize("vector", VECTORS["tests"], ids=lambda vector: vector["comment"])
def test_published_streams_open_both_ways(vector):
    key, context = ObjectKey(bytes.fromhex(VECTORS["key"])), bytes.fromhex(VECTORS["context"])
    sealed = zlib.decompress(bytes.fromhex(vector["ct"]))
    plaintext = _decrypt(sealed, key, context)
    assert (len(plaintext), hashlib.sha512(plaintext).hexdigest()) == (vector["length"], vector["sha512"])
    assert len(sealed) == ciphertext_size(vector["length"])
    chunks = ChunkDecryptor(key, context, sealed[:PREFIX])
    assert b"".join(chunks.decrypt_chunk(number, data) for number, data in enumerate(_chunks(sealed))) == plaintext


@pytest.mark.parametrize("size", SIZES)
def test_random_access_agrees_with_the_stream(size):
    plaintext = _plaintext(size)
    sealed = _encrypt(plaintext)
    assert len(sealed) == ciphertext_size(size)
    assert _decrypt(sealed) == plaintext
    decryptor = ChunkDecryptor(KEY, CONTEXT, sealed[:PREFIX])
    chunks = list(enumerate(_chunks(sealed)))
    assert len(chunks) == size // CHUNK + 1
    random.Random(1).shuffle(chunks)
    for number, data in chunks:
        assert decryptor.decrypt_chunk(number, data) == plaintext[number * CHUNK : (number + 1) * CHUNK]


def test_a_stream_opens_by_the_steps_of_the_specification_alone():
    plaintext = _plaintext(20_000)
    sealed = _encrypt(plaintext)
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + sealed[:24] + CONTEXT
    derived = HKDFExpand(SHA512(), 76, info).derive(KEY.raw)
    assert sealed[24:56] == derived[44:]
    last = bytearray(derived[32:44])
    last[-1] ^= 1
    assert AESGCM(derived[:32]).decrypt(derived[32:44], sealed[56 : 56 + 16_400], None) == plaintext[:16_384]
    assert AESGCM(derived[:32]).decrypt(bytes(last), sealed[56 + 16_400 :], None) == plaintext[16_384:]


cuts = st.lists(st.integers(min_value=0, max_value=200_000), max_size=6)


@settings(max_examples=60)
@given(size=st.integers(0, 60_000) | st.sampled_from(SIZES), before=cuts, after=cuts)
def test_a_stream_does_not_depend_on_how_it_is_cut(size, before, after):
    plaintext = _plaintext(size)
    sealed = _through(StreamEncryptor(KEY, CONTEXT), _pieces(plaintext, before))
    assert len(sealed) == ciphertext_size(size)
    assert _through(StreamDecryptor(KEY, CONTEXT), _pieces(sealed, after)) == plaintext


@given(st.integers(0, 2**45))
def test_the_size_of_a_stream_is_the_formula_of_the_format(size):
    assert ciphertext_size(size) == 56 + size + 16 * (size // 16384 + 1)


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError):
        ciphertext_size(-1)


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_a_stream_with_any_byte_altered_does_not_open(bit):
    sealed = _encrypt(b"left of my own will")
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= bit
        with pytest.raises(DecryptionFailed):
            _decrypt(bytes(altered))
        with pytest.raises(DecryptionFailed):
            ChunkDecryptor(KEY, CONTEXT, bytes(altered[:PREFIX])).decrypt_chunk(0, bytes(altered[PREFIX:]))


def test_a_stream_cut_anywhere_does_not_open():
    sealed = _encrypt(b"left of my own will")
    for size in range(len(sealed)):
        with pytest.raises(DecryptionFailed):
            _decrypt(sealed[:size])


@pytest.mark.parametrize(
    "size", [0, 1, 55, 56, 71, PREFIX + SEALED_CHUNK, PREFIX + SEALED_CHUNK + 15, PREFIX + 2 * SEALED_CHUNK]
)
def test_a_stream_that_ends_where_none_can_end_is_truncated(size):
    sealed = _encrypt(_plaintext(2 * CHUNK + 100))
    with pytest.raises(Truncated):
        _decrypt(sealed[:size])


def test_a_stream_with_something_after_its_end_does_not_open():
    for size in (0, 10, CHUNK):
        sealed = _encrypt(_plaintext(size))
        for more in (b"\x00", bytes(16), bytes(SEALED_CHUNK), sealed, sealed[PREFIX:]):
            with pytest.raises(DecryptionFailed):
                _decrypt(sealed + more)


def test_exchanged_doubled_or_missing_chunks_do_not_open():
    sealed = _encrypt(_plaintext(3 * CHUNK + 5))
    prefix, (first, second, third, last) = sealed[:PREFIX], _chunks(sealed)
    for chunks in (
        (second, first, third, last),
        (first, first, second, last),
        (first, third, last),
        (second, third, last),
    ):
        with pytest.raises(DecryptionFailed):
            _decrypt(prefix + b"".join(chunks))
    decryptor = ChunkDecryptor(KEY, CONTEXT, prefix)
    for number, chunk in ((0, second), (1, first), (2, last), (3, third), (4, last)):
        with pytest.raises(DecryptionFailed):
            decryptor.decrypt_chunk(number, chunk)


@pytest.mark.parametrize(
    "other",
    [{"folder_id": bytes(32)}, {"case_id": b"d" * 16}, {"object_id": b"p" * 16}, {"segment": 4}],
    ids=lambda other: next(iter(other)),
)
def test_an_object_moved_to_another_place_does_not_open(other):
    sealed = _encrypt(b"statement")
    context = object_context(**{**PLACE, **other})
    with pytest.raises(DecryptionFailed):
        _decrypt(sealed, context=context)
    with pytest.raises(DecryptionFailed):
        ChunkDecryptor(KEY, context, sealed[:PREFIX])


def test_an_object_under_another_key_does_not_open():
    sealed = _encrypt(b"statement")
    other = ObjectKey(bytes(32))
    with pytest.raises(DecryptionFailed):
        _decrypt(sealed, key=other)
    with pytest.raises(DecryptionFailed):
        ChunkDecryptor(other, CONTEXT, sealed[:PREFIX])


def test_a_failed_stream_stays_failed_and_leaves_nothing_in_the_buffer():
    sealed = bytearray(_encrypt(_plaintext(2 * CHUNK)))
    sealed[PREFIX + SEALED_CHUNK + 5] ^= 1
    decryptor = StreamDecryptor(KEY, CONTEXT)
    buffer = bytearray(b"\xaa" * decryptor.output_size(len(sealed)))
    with pytest.raises(DecryptionFailed):
        decryptor.update_into(bytes(sealed), buffer)
    assert not any(buffer)
    with pytest.raises(DecryptionFailed):
        decryptor.update_into(b"", buffer)
    with pytest.raises(DecryptionFailed):
        decryptor.finalize()


def test_a_truncated_stream_stays_failed():
    decryptor = StreamDecryptor(KEY, CONTEXT)
    with pytest.raises(Truncated):
        decryptor.finalize()
    with pytest.raises(DecryptionFailed):
        decryptor.finalize()


def test_a_finished_stream_takes_no_more():
    encryptor, decryptor = StreamEncryptor(KEY, CONTEXT), StreamDecryptor(KEY, CONTEXT)
    sealed = encryptor.finalize()
    decryptor.update_into(sealed, bytearray(100))
    assert decryptor.finalize() == b""
    for stream in (encryptor, decryptor):
        with pytest.raises(ValueError):
            stream.update_into(b"", bytearray(100))
        with pytest.raises(ValueError):
            stream.finalize()


def test_a_buffer_that_is_too_small_is_refused_and_the_stream_goes_on():
    plaintext = _plaintext(CHUNK + 1)
    encryptor = StreamEncryptor(KEY, CONTEXT)
    with pytest.raises(ValueError):
        encryptor.update_into(plaintext, bytearray(100))
    sealed = _through(encryptor, [plaintext])
    decryptor = StreamDecryptor(KEY, CONTEXT)
    with pytest.raises(ValueError):
        decryptor.update_into(sealed, bytearray(100))
    assert _through(decryptor, [sealed]) == plaintext


def test_streams_of_the_same_bytes_differ():
    first, second = _encrypt(bytes(1000)), _encrypt(bytes(1000))
    assert first[:24] != second[:24]
    assert first[PREFIX:] != second[PREFIX:]


def test_a_context_has_fixed_widths():
    expected = OBJECT + b"\x00\x00\x00\x01" + bytes(range(32)) + b"c" * 16 + b"o" * 16 + b"\x00\x00\x00\x03"
    assert expected == CONTEXT


@pytest.mark.parametrize(
    "wrong",
    [{"folder_id": bytes(31)}, {"case_id": bytes(15)}, {"object_id": bytes(17)}, {"segment": -1}, {"segment": 2**32}],
    ids=str,
)
def test_a_context_of_other_widths_is_refused(wrong):
    with pytest.raises(ValueError):
        object_context(**{**PLACE, **wrong})


def test_random_access_refuses_what_is_no_chunk():
    sealed = _encrypt(_plaintext(CHUNK))
    decryptor = ChunkDecryptor(KEY, CONTEXT, sealed[:PREFIX])
    for size in (0, 15):
        with pytest.raises(Truncated):
            decryptor.decrypt_chunk(0, sealed[PREFIX : PREFIX + size])
    with pytest.raises(DecryptionFailed):
        decryptor.decrypt_chunk(0, sealed[PREFIX : PREFIX + SEALED_CHUNK + 1])
    for number in (-1, 1 << 38):
        with pytest.raises(ValueError):
            decryptor.decrypt_chunk(number, sealed[PREFIX : PREFIX + SEALED_CHUNK])


def test_random_access_needs_the_whole_prefix():
    sealed = _encrypt(b"")
    for size in (0, 24, 55):
        with pytest.raises(Truncated):
            ChunkDecryptor(KEY, CONTEXT, sealed[:size])
    with pytest.raises(ValueError):
        ChunkDecryptor(KEY, CONTEXT, sealed[: PREFIX + 1])
