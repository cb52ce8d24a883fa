from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.errors import NoSpace
from vault.pipeline import BUFFER_BYTES, Pipeline

HINTS = [None, 10, 3 * BUFFER_BYTES]


def poured(parts: list[bytes], hint: int | None, consumers: int = 3) -> list[bytes]:
    seen = [bytearray() for _ in range(consumers)]
    with Pipeline([each.extend for each in seen], size_hint=hint) as pipeline:
        for part in parts:
            buffer = pipeline.free()
            buffer[: len(part)] = part
            pipeline.feed(buffer, len(part))
    return [bytes(each) for each in seen]


@given(st.lists(st.binary(max_size=50), max_size=40), st.sampled_from(HINTS))
@settings(max_examples=40)
def test_every_consumer_sees_every_byte_in_order(parts: list[bytes], hint: int | None) -> None:
    assert poured(parts, hint) == [b"".join(parts)] * 3


@pytest.mark.parametrize("hint", HINTS)
def test_a_slow_consumer_is_waited_for_and_buffers_are_not_overwritten_under_it(hint: int | None) -> None:
    seen: list[bytes] = []

    def slow(part: memoryview) -> None:
        time.sleep(0.001)
        seen.append(bytes(part))

    with Pipeline([lambda _: None, slow], size_hint=hint) as pipeline:
        for number in range(60):
            buffer = pipeline.free()
            buffer[:1] = bytes([number])
            pipeline.feed(buffer, 1)
    assert seen == [bytes([number]) for number in range(60)]


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("at", [0, 1, 30, 59])
def test_an_error_of_a_consumer_is_raised_where_the_data_comes_from(hint: int | None, at: int) -> None:
    calls = 0

    def full(_: memoryview) -> None:
        nonlocal calls
        calls += 1
        if calls == at + 1:
            raise NoSpace(path="x")

    def run() -> None:
        with Pipeline([full, lambda _: None], size_hint=hint) as pipeline:
            for _ in range(60):
                pipeline.feed(pipeline.free(), 1)

    with pytest.raises(NoSpace):
        run()
    assert calls == at + 1  # nothing more is written after an error


@pytest.mark.parametrize("hint", HINTS)
def test_an_error_of_the_source_ends_all_threads_and_stays_the_one_that_is_raised(hint: int | None) -> None:
    before = threading.active_count()

    def fails(_: memoryview) -> None:
        raise NoSpace(path="x")

    def run() -> None:
        with Pipeline([fails] if hint is None else [lambda _: None], size_hint=hint) as pipeline:
            pipeline.feed(pipeline.free(), 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert threading.active_count() == before


def test_small_data_starts_no_thread() -> None:
    before = threading.active_count()
    with Pipeline([lambda _: None] * 3, size_hint=100) as pipeline:
        assert threading.active_count() == before
        pipeline.feed(pipeline.free(), 100)


def test_memory_does_not_grow_with_the_data() -> None:
    buffers = set()
    with Pipeline([lambda _: None], size_hint=None) as pipeline:
        for _ in range(100):
            buffer = pipeline.free()
            buffers.add(id(buffer))
            pipeline.feed(buffer, 1)
    assert len(buffers) <= 8
