"""Side by side: one producer fills buffers, several consumers each see every buffer, in order.

Hashing, encryption and writing of large files release Python's global lock, so each consumer has a thread; buffers
are reused, because fresh ones cost more than the encryption. Small files are handled in place.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

BUFFER_BYTES = 1 << 20
_BUFFERS = 8

Consumer = Callable[[memoryview], object]


class Pipeline:
    """``free`` gives a buffer to fill, ``feed`` passes it on. Leaving the block waits for the consumers.

    An error of a consumer is raised at the next ``free`` or at the end of the block.
    """

    def __init__(self, consumers: Sequence[Consumer], *, size_hint: int | None = None) -> None:
        self._consumers = consumers
        self._threaded = size_hint is None or size_hint > 2 * BUFFER_BYTES
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._queues: list[queue.SimpleQueue[_Filled | None]] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Pipeline:
        for _ in range(_BUFFERS if self._threaded else 1):
            self._free.put(bytearray(BUFFER_BYTES))
        for consumer in self._consumers if self._threaded else ():
            waiting: queue.SimpleQueue[_Filled | None] = queue.SimpleQueue()
            thread = threading.Thread(target=self._consume, args=(consumer, waiting), daemon=True)
            self._queues.append(waiting)
            self._threads.append(thread)
            thread.start()
        return self

    def free(self) -> bytearray:
        """A buffer of ``BUFFER_BYTES`` that nobody uses any more."""
        buffer = self._free.get()
        if self._error is not None:
            raise self._error
        return buffer

    def feed(self, buffer: bytearray, size_bytes: int) -> None:
        """Hand the first ``size_bytes`` of the buffer to all consumers."""
        if not self._threaded:
            with memoryview(buffer) as view, view[:size_bytes] as part:
                for consumer in self._consumers:
                    consumer(part)
            self._free.put(buffer)
            return
        filled = _Filled(buffer, size_bytes, len(self._consumers))
        for waiting in self._queues:
            waiting.put(filled)

    def _consume(self, consumer: Consumer, waiting: queue.SimpleQueue[_Filled | None]) -> None:
        while (filled := waiting.get()) is not None:
            if self._error is None:
                try:
                    with memoryview(filled.buffer) as view, view[: filled.size_bytes] as part:
                        consumer(part)
                except BaseException as error:  # noqa: BLE001 (raised again in the producer's thread)
                    self._error = error
            with self._lock:
                filled.users -= 1
                last = filled.users == 0
            if last:
                self._free.put(filled.buffer)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for waiting in self._queues:
            waiting.put(None)
        for thread in self._threads:
            thread.join()
        if kind is None and self._error is not None:
            raise self._error


class _Filled:
    __slots__ = ("buffer", "size_bytes", "users")

    def __init__(self, buffer: bytearray, size_bytes: int, users: int) -> None:
        self.buffer = buffer
        self.size_bytes = size_bytes
        self.users = users
