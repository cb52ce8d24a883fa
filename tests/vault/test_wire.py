"""What passes between an agent and its clients: every argument and answer of the keeper, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crypto.encoding import canonical_json
from vault import AnyOf, KeyFileUnlocker, PassphraseUnlocker, RecoveryUnlocker, errors, unlock, wire
from vault.agent import served
from vault.client import SessionState
from vault.launch import Begun, Orders
from vault.requests import ItemSummary, Note, ObjectGrant, PersonDetails, PersonFields
from vault.unlock import SecretUnlocker, Unlocker

WORDS, _ = RecoveryUnlocker.generate()
TEXT = st.text(st.characters(), max_size=20)  # lone surrogates too: a file's name may hold them
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.binary(max_size=40)
WAYS = st.sampled_from([KeyFileUnlocker(b"k" * 32), PassphraseUnlocker("open sesame"), WORDS])


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type hint. Fails for a hint that is not plain."""
    if hint in (str,):
        return TEXT
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(-(2**53), 2**53)
    if hint is bytes:
        return st.binary(max_size=40)
    if hint is None or hint is type(None):
        return st.none()
    if hint is object:
        return LEAVES | st.lists(TEXT, max_size=3).map(tuple) | st.dictionaries(TEXT, LEAVES, max_size=3)
    if hint is SecretUnlocker:
        return WAYS
    if hint is Unlocker:
        return WAYS | st.lists(WAYS, min_size=2, max_size=4).map(lambda ways: AnyOf(*ways))
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values_of, parts))
    if origin is tuple and parts[1:] == (Ellipsis,):
        return st.lists(values_of(parts[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, parts))
    if origin is dict and parts[0] is str:
        return st.dictionaries(TEXT, values_of(parts[1]), max_size=3)
    assert dataclasses.is_dataclass(hint), f"{hint} is no plain value"
    assert hint.__dataclass_params__.frozen
    known = typing.get_type_hints(hint)
    return st.builds(hint, **{field.name: values_of(known[field.name]) for field in dataclasses.fields(hint)})


def sent(value: object) -> object:
    """The same value after a journey as bytes."""
    data = wire.frame({"value": wire.encode(value)}, largest=wire.LARGEST_ANSWER_BYTES)
    assert wire.announced_size(data[: wire.PREFIX_BYTES], largest=len(data)) == len(data) - wire.PREFIX_BYTES
    return wire.parse(data[wire.PREFIX_BYTES :])["value"]


def comparable(value: Any) -> Any:
    return unlock.packed(value) if isinstance(value, (SecretUnlocker, AnyOf)) else value


REQUESTS = served()


def test_every_request_of_the_keeper_is_served() -> None:
    assert {"case_list", "item_open", "item_close", "item_finish_add", "search", "change_passphrase"} <= set(REQUESTS)
    # What belongs to the process that holds the vault, and what is the door's own.
    assert not {"end_readings", "record_creation", "close", "opened", "settle", "adopt"} & set(REQUESTS)


@pytest.mark.parametrize("name", REQUESTS)
@settings(max_examples=20)
@given(data=st.data())
def test_every_argument_and_answer_of_the_keeper_makes_the_round_trip(name: str, data: st.DataObject) -> None:
    signature = wire.Signature(REQUESTS[name])
    for argument, hint in signature.hints.items():
        value = data.draw(values_of(hint), label=argument)
        arrived = wire.decode(sent(value), hint)
        assert comparable(arrived) == comparable(value)
    answer = data.draw(values_of(signature.answer), label="answer")
    assert wire.decode(sent(answer), signature.answer) == answer
    assert wire.decode(sent(answer)) == answer, "a client knows no type hints"


@pytest.mark.parametrize("kind", [SessionState, Orders, Begun])
@given(data=st.data())
def test_what_the_agent_says_of_itself_makes_the_round_trip(kind: type, data: st.DataObject) -> None:
    value = data.draw(values_of(kind))
    assert wire.decode(sent(value), kind) == value


@given(values_of(PersonFields))
def test_what_is_sent_is_canonical_json(value: PersonFields) -> None:
    data = wire.frame({"value": wire.encode(value)}, largest=wire.LARGEST_ANSWER_BYTES)[wire.PREFIX_BYTES :]
    assume(not any("\ud800" <= char <= "\udfff" for char in data.decode(errors="surrogatepass")))
    assert canonical_json(json.loads(data)) == data


def test_secrets_are_not_in_what_is_printed() -> None:
    way = unlock.unpacked([("passphrase", b"\x01open sesame")])
    assert "sesame" not in repr(way)
    assert "sesame" not in repr(AnyOf(way))


def test_a_way_in_that_travelled_makes_the_same_keys() -> None:
    place = unlock.Place(b"f" * 32, b"s" * 16, __import__("crypto.kdf", fromlist=["kdf"]).FLOOR)
    for way in (KeyFileUnlocker(b"k" * 32), WORDS):
        arrived = wire.decode(sent(way), SecretUnlocker)
        assert arrived.kind == way.kind
        assert arrived.slot_key(place).public_bytes() == way.slot_key(place).public_bytes()


NOTE = {"requests.Note": {"text": "a", "written": "b"}}


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1, str),
        ("1", int),
        (True, int),
        (1, bool),
        (None, str),
        ([], str),
        ("a", tuple[str, ...]),
        (["a", 1], tuple[str, ...]),
        (["a"], tuple[str, str]),
        ({"bytes": "0"}, bytes),
        ({"bytes": "AB"}, bytes),
        ({"bytes": "a b"}, bytes),
        ({"bytes": 1}, bytes),
        ("00", bytes),
        ({"bytes": "00", "more": 1}, bytes),
        ({"dict": []}, dict[str, str]),
        ({"dict": {"a": 1}}, dict[str, str]),
        ({"a": "b"}, dict[str, str]),
        ({"requests.Note": {"text": "a"}}, Note),
        ({"requests.Note": {"text": "a", "written": "b", "more": None}}, Note),
        ({"requests.Note": {"text": "a", "written": 1}}, Note),
        ({"requests.Note": ["a", "b"]}, Note),
        (NOTE | {"more": 1}, Note),
        (NOTE, PersonFields),
        (NOTE, ItemSummary | None),
        ({"requests.Nothing": {}}, object),
        ({"requests.dataclass": {}}, object),
        ({"requests.KINDS": {}}, object),
        ({"errors.VaultError": {}}, object),
        ({"door.Act": {}}, object),
        ({"vault.requests.Note": {"text": "a", "written": "b"}}, object),
        ({"os.path.Note": {}}, object),
        ({"..Note": {}}, object),
        ({"": {}}, object),
        ({}, object),
        ({"unlocker": []}, Unlocker),
        ({"unlocker": [["keyfile"]]}, Unlocker),
        ({"unlocker": [["keyfile", "zz"]]}, Unlocker),
        ({"unlocker": [["keyfile", "00"], ["keyfile", "01"]]}, SecretUnlocker),
        ({"unlocker": "x"}, Unlocker),
        (2**63, int),
    ],
)
def test_what_is_not_of_its_type_is_refused(value: object, hint: Any) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode(value, hint)


@pytest.mark.parametrize("ways", [[["key", "00"]], [["keyfile", ""]], [["keyfile", "00"]] * 17])
def test_a_way_in_of_no_kind_is_refused(ways: object) -> None:
    with pytest.raises(errors.BadValue):
        wire.decode({"unlocker": ways}, Unlocker)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b'{"a":1.5}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1,"a":2}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"a":' * 100_000,
        b'{"a":"\xff"}',
        b"\0" * 10,
    ],
)
def test_what_is_not_one_strict_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.parse(body)


def test_what_is_nested_too_deep_is_neither_sent_nor_taken() -> None:
    deep: object = "end"
    for _level in range(20):
        deep = (deep,)
    with pytest.raises(wire.Malformed):
        wire.encode(deep)
    value: object = "end"
    for _level in range(20):
        value = [value]
    with pytest.raises(wire.Malformed):
        wire.decode(value)


@pytest.mark.parametrize("value", [1.5, {1: "a"}, object(), {"a"}, 2**63, errors.VaultError(), print, Note])
def test_what_is_not_plain_is_not_sent(value: object) -> None:
    with pytest.raises(wire.Malformed):
        wire.encode(value)


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(wire.Malformed):
        wire.announced_size(b"\xff\xff\xff\xff", largest=wire.LARGEST_REQUEST_BYTES)
    with pytest.raises(wire.Malformed):
        wire.frame({"value": "x" * 100}, largest=50)


def every_error() -> list[errors.VaultError]:
    import string

    found = []
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.VaultError):
            names = [name for _, name, _, _ in string.Formatter().parse(kind.template) if name]
            found.append(kind(**dict.fromkeys(names, "x\u202e")))
    return found


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_is_raised_again_as_the_same_class_with_the_same_fields(error: errors.VaultError) -> None:
    again = wire.decode_error(wire.parse(json.dumps({"error": wire.encode_error(error)}).encode())["error"])
    assert type(again) is type(error)
    assert again.fields == error.fields
    assert str(again) == str(error)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        ["NoSuchCase"],
        ["NoSuchCase", {}],
        ["NoSuchCase", {"code": {"bytes": "00"}}, 1],
        ["Exception", {}],
        ["annotations", {}],
        [1, {}],
        ["__import__", {}],
    ],
)
def test_what_is_no_error_of_ours_is_refused(value: object) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode_error(value)


def test_calls_take_exactly_the_arguments_of_the_method() -> None:
    signature = wire.Signature(REQUESTS["item_show"])
    assert signature.decode(["HARBOUR", 1], {"purpose": None}) == {"code": "HARBOUR", "number": 1, "purpose": None}
    for positional, named in (
        ([], {}),
        (["HARBOUR"], {}),
        (["HARBOUR", 1, "x"], {}),
        (["HARBOUR", 1], {"number": 1}),
        (["HARBOUR", 1], {"self": 1}),
        (["HARBOUR", 1], {"other": 1}),
        (["HARBOUR", "1"], {}),
        ("HARBOUR", {}),
        (["HARBOUR", 1], []),
    ):
        with pytest.raises(wire.Malformed):
            signature.decode(positional, named)
    assert wire.Signature(REQUESTS["change_passphrase"]).reports_progress
    with pytest.raises(wire.Malformed):
        wire.Signature(REQUESTS["change_passphrase"]).decode([], {"progress": None})


def test_a_key_is_not_in_what_is_printed_of_a_grant() -> None:
    grant = ObjectGrant(1, "A/1", b"o", b"c", b"f", b"canary-key", 1, 2, "", None, None, None, "other", "t")
    assert "canary" not in repr(wire.decode(sent(grant)))


def test_a_subclass_keeps_its_class() -> None:
    person = PersonDetails(name="Anna", reference="HARBOUR/p1", added="now")
    assert wire.decode(sent(person), PersonFields) == person
