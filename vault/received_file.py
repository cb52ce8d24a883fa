"""An age file from outside: what shows of it without a key, and its content as an authentic stream."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from crypto import age
from crypto.errors import AgeFailure, CryptoError, HeaderFailure, NoMatch
from vault import errors, intake, passphrases
from vault.archive import refused
from vault.objects import Source

LIMITS = age.HeaderLimits(size_bytes=64 << 10, stanzas=32)

_START_BYTES = 4096
_BLOCK_BYTES = 512
_ARMOR = b"-----BEGIN "


@dataclass(frozen=True, slots=True)
class Outside:
    """What anybody can tell of a file without a key: its size, and for how many keys of which kinds it is sealed."""

    path: Path
    size_bytes: int
    armored: bool
    stanzas: tuple[str, ...]


class _Stream:
    """A source whose beginning was looked at already."""

    def __init__(self, start: bytes, source: Source) -> None:
        self._start, self._source = memoryview(start), source

    def readinto(self, buffer: memoryview, /) -> int | None:
        """See ``Source.readinto``."""
        if not len(self._start):
            return self._source.readinto(buffer)
        count = min(len(buffer), len(self._start))
        buffer[:count], self._start = self._start[:count], self._start[count:]
        return count


class SealedFile:
    """An age file being read; a context manager. Raises what ``intake.SourceFile`` raises, and ``NotAnAgeFile``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._source = intake.SourceFile(path)

    def __enter__(self) -> SealedFile:
        self._source.__enter__()
        try:
            start = intake.read_up_to(self._source, _START_BYTES)
            armored = start.lstrip().startswith(_ARMOR)
            stream: Source = _Stream(start, self._source)
            if armored:
                stream = age.dearmor(_Readable(stream))
            self._header, stream = _header(stream, self._path, armored=armored)
        except BaseException:
            self._source.__exit__(None, None, None)
            raise
        self._stream = stream
        self.outside = Outside(
            self._path, self._source.size_bytes, armored, tuple(each.kind for each in self._header.stanzas)
        )
        return self

    @property
    def header(self) -> bytes:
        """The header's bytes, with which the service unwraps the key."""
        return self._header.text

    @property
    def has_passphrase(self) -> bool:
        """Whether a passphrase opens it."""
        return self.outside.stanzas == (age.SCRYPT,)

    def key_of(self, passphrase: str) -> age.FileKey:
        """The key of a file that was sealed with a passphrase. Raises ``WrongFilePassphrase``, ``SealedFileRefused``."""
        typed = [passphrase, passphrases.with_hyphens(passphrase)]
        try:
            identities = [age.passphrase_identity(each) for each in typed if each]
            return age.unwrap_file_key(self.header, identities, limits=LIMITS)
        except (NoMatch, ValueError):
            raise errors.WrongFilePassphrase from None
        except HeaderFailure:
            raise refused(reason="its header is not as age writes it") from None
        except AgeFailure:
            raise refused(reason="its header was changed") from None
        except CryptoError:
            raise errors.Refused(reason="there is not enough memory for this file's passphrase") from None

    def content(self, key: age.FileKey) -> Source:
        """What is inside, each byte authentic. Reading it raises ``SealedFileRefused``."""
        whole = _Readable(_Stream(self.header, self._stream))
        with _as_refusal():
            reader, _ = age.open_reader(whole, [age.FileKeyIdentity(key)], limits=LIMITS)
        return _Content(reader)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, trace)


class _Readable(io.RawIOBase):
    """A source as ``crypto.age`` takes it."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # only crypto.age reads from it
        return self._source.readinto(buffer) or 0


class _Content:
    """The payload; what is wrong with it is said in the words of sealed files."""

    def __init__(self, reader: age.PayloadReader) -> None:
        self._reader = reader

    def readinto(self, buffer: memoryview, /) -> int:
        """See ``Source.readinto``."""
        with _as_refusal():
            return self._reader.readinto(buffer)


@contextlib.contextmanager
def _as_refusal() -> Iterator[None]:
    try:
        yield
    except AgeFailure:
        raise refused(reason="it was cut off or changed on its way") from None


def _header(stream: Source, path: Path, *, armored: bool) -> tuple[age.Header, Source]:
    """The header, and a source of what follows it. Raises ``NotAnAgeFile``, ``SealedFileRefused``."""
    kept = _Kept(stream)
    try:
        header = age.read_header(_Readable(kept), limits=LIMITS)
    except AgeFailure:
        if not armored and bytes(kept.taken[: len(age.VERSION_LINE)]) != age.VERSION_LINE:
            raise errors.NotAnAgeFile(path=str(path)) from None
        raise refused(reason="its header is not as age writes it") from None
    return header, _Stream(bytes(kept.taken[len(header.text) :]), stream)


class _Kept:
    """A source of which everything that was read is kept: a header, which is small."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.taken = bytearray()

    def readinto(self, buffer: memoryview, /) -> int | None:
        """See ``Source.readinto``."""
        count = self._source.readinto(buffer)
        if count:
            self.taken += buffer[:count]
        return count


class Peeked:
    """A source, and what it begins with."""

    def __init__(self, source: Source) -> None:
        self.start = intake.read_up_to(source, _BLOCK_BYTES)
        self._stream = _Stream(self.start, source)

    def readinto(self, buffer: memoryview, /) -> int | None:
        """See ``Source.readinto``."""
        return self._stream.readinto(buffer)


def look(path: Path) -> Outside:
    """What shows of a file without a key. Raises ``NotAnAgeFile``, ``SealedFileRefused``, ``SourceMissing``, ``NotAFile``."""
    with SealedFile(path) as file:
        return file.outside
