"""Each rule of the age format, one file each: `tests/vectors/age`, made by `tests/vectors/make/age.py`."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from crypto import age

CASES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[1] / "vectors" / "age").glob("*.json"))
}
FAILURES = {
    "no match": age.NoMatch,
    "HMAC failure": age.HMACFailure,
    "header failure": age.HeaderFailure,
    "payload failure": age.PayloadFailure,
    "armor failure": age.ArmorFailure,
}


class Dripping(io.RawIOBase):
    """A source that gives few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(memoryview(buffer)[:1000])


class OnlyReads:
    """A source with nothing but `read`."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._data.read(size)


def _file(case: dict[str, Any]) -> bytes:
    data = base64.b64decode(case["file"])
    return zlib.decompress(data) if case["zlib"] else data


def _identities(case: dict[str, Any]) -> list[age.Identity]:
    known: list[age.Identity] = [age.passphrase_identity(text) for text in case["passphrases"]]
    return known + [age.parse_identity(text) for text in case["identities"]]


def _source(case: dict[str, Any], kind: type) -> Any:
    source = kind(_file(case))
    return age.dearmor(source) if case["armored"] else source


def test_there_are_cases_of_every_layer():
    assert {case["expect"] for case in CASES.values()} == {"success", *FAILURES}
    assert len(CASES) >= 200


@pytest.mark.parametrize("kind", [io.BytesIO, Dripping, OnlyReads], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", CASES)
def test_the_layer_that_must_fail_fails_and_only_what_is_authentic_is_released(name, kind):
    case = CASES[name]
    sink = io.BytesIO()
    if case["expect"] == "success":
        age.decrypt(_source(case, kind), sink, _identities(case))
    else:
        with pytest.raises(FAILURES[case["expect"]]) as caught:
            age.decrypt(_source(case, kind), sink, _identities(case))
        assert type(caught.value) is FAILURES[case["expect"]], case["rule"]
    assert hashlib.sha256(sink.getvalue()).hexdigest() == case["released_sha256"], case["rule"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case["armored"]])
def test_random_access_refuses_what_the_stream_refuses(name):
    case = CASES[name]
    if case["expect"] == "success":
        reader = age.open_range(io.BytesIO(_file(case)), _identities(case))
        plaintext = reader.read_at(0, reader.size_bytes)
        assert hashlib.sha256(plaintext).hexdigest() == case["released_sha256"]
    else:
        with pytest.raises(FAILURES[case["expect"]]):
            age.open_range(io.BytesIO(_file(case)), _identities(case))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case["armored"]])
def test_a_header_that_is_read_is_written_the_same(name):
    case = CASES[name]
    if case["expect"] == "header failure":
        return
    header = age.read_header(io.BytesIO(_file(case)))
    stanzas = b"".join(stanza.to_bytes() for stanza in header.stanzas)
    assert header.text.startswith(b"age-encryption.org/v1\n" + stanzas + b"--- ")
    assert _file(case).startswith(header.text)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case["armored"] and case["expect"] == "success"]
)
def test_armor_that_is_read_is_written_the_same_but_for_the_white_space_left_free(name):
    sink = io.BytesIO()
    with age.armor(sink) as armored:
        armored.write(_source(CASES[name], io.BytesIO).read())
    assert sink.getvalue() == _file(CASES[name]).replace(b"\r\n", b"\n").strip() + b"\n"
