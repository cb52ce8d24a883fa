"""A file whose key is unwrapped in one process and which is read in another."""

from __future__ import annotations

import copy
import io
import pickle

import pytest

from crypto import age

US, OTHERS = age.HybridIdentity.generate(), age.HybridIdentity.generate()
TEXT = b"I left of my own will." * 9000


def _encrypt(*recipients: age.Recipient, text: bytes = TEXT) -> bytes:
    sink = io.BytesIO()
    age.encrypt(io.BytesIO(text), sink, recipients)
    return sink.getvalue()


def _header(file: bytes) -> bytes:
    return age.read_header(io.BytesIO(file)).text


@pytest.mark.parametrize("kind", [age.HybridIdentity, age.X25519Identity], ids=lambda kind: kind.kind)
def test_a_file_is_read_with_the_key_that_was_unwrapped_elsewhere(kind):
    identity = kind.generate()
    file = _encrypt(identity.recipient())
    key = age.unwrap_file_key(_header(file), [OTHERS, identity])
    reader, header = age.open_reader(io.BytesIO(file), [age.FileKeyIdentity(age.FileKey(key.raw))])
    assert (reader.read(), header.text) == (TEXT, _header(file))


def test_the_key_of_one_file_opens_no_other():
    key = age.unwrap_file_key(_header(_encrypt(US.recipient())), [US])
    with pytest.raises(age.HMACFailure):
        age.open_reader(io.BytesIO(_encrypt(US.recipient())), [age.FileKeyIdentity(key)])


def test_a_changed_header_is_refused_before_its_key_is_given_out():
    header = _header(_encrypt(US.recipient()))
    with pytest.raises(age.NoMatch):
        age.unwrap_file_key(header, [OTHERS])
    with pytest.raises(age.HMACFailure):
        age.unwrap_file_key(header.replace(b"\n---", b"\n-> more\n\n---"), [US])
    for other in (header + b"x", header[:-1], header[1:], b"", header + header):
        with pytest.raises(age.HeaderFailure):
            age.unwrap_file_key(other, [US])


def test_the_limits_hold_for_a_header_alone():
    header = _header(_encrypt(*(US.recipient() for _ in range(3))))
    with pytest.raises(age.HeaderFailure):
        age.unwrap_file_key(header, [US], limits=age.HeaderLimits(size_bytes=1 << 16, stanzas=2))
    with pytest.raises(age.HeaderFailure):
        age.unwrap_file_key(header, [US], limits=age.HeaderLimits(size_bytes=1000, stanzas=32))


def test_a_file_key_shows_nothing_and_is_not_copied():
    key = age.FileKey(b"the file's key..")
    for each in (key, age.FileKeyIdentity(key)):
        assert "key.." not in repr(each)
        for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                duplicate(each)
    with pytest.raises(ValueError):
        age.FileKey(b"short")
