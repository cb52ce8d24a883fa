"""What an item's bytes are, told from how they begin: only what is known by sight is handed to a player.

A file's name may lie, and a player that guesses for itself can be made to take a list of addresses for a film. So the
player is told which of its formats to use, and lists, scripts and pages are text here and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

LOOKED_AT_BYTES = 4096
_TS_PACKETS = ((188, 0), (192, 4))  # length of a packet, place of its first byte: broadcasts, and cameras


@dataclass(frozen=True, slots=True)
class Media:
    """A recording or picture: ``format`` is the player's name for it, ``sound_only`` if it can't hold a picture."""

    format: str
    picture: bool = False
    sound_only: bool = False


PAGE = Media("png_pipe", picture=True)
_MOVIE = Media("mov")
_MP3 = Media("mp3", sound_only=True)

# What stands at the beginning, and the format's name in libavformat. Formats that can name other files or addresses to be
# fetched are left out on purpose.
_BEGINNINGS: tuple[tuple[bytes, Media], ...] = (
    (b"\xff\xd8\xff", Media("jpeg_pipe", picture=True)),
    (b"\x89PNG\r\n\x1a\n", PAGE),
    (b"GIF87a", Media("gif", picture=True)),
    (b"GIF89a", Media("gif", picture=True)),
    (b"BM", Media("bmp_pipe", picture=True)),
    (b"II*\0", Media("tiff_pipe", picture=True)),
    (b"MM\0*", Media("tiff_pipe", picture=True)),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Media("j2k_pipe", picture=True)),
    (b"\x1aE\xdf\xa3", Media("matroska")),
    (b"OggS", Media("ogg")),
    (b"fLaC", Media("flac", sound_only=True)),
    (b"ID3", _MP3),
    (b"#!AMR", Media("amr", sound_only=True)),
    (b"caff", Media("caf", sound_only=True)),
    (b"FLV\x01", Media("flv")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Media("asf")),
    (b"\0\0\x01\xba", Media("mpeg")),
    (b"\0\0\x01\xb3", Media("mpegvideo")),
)
_RIFF = {
    b"AVI ": Media("avi"),
    b"WAVE": Media("wav", sound_only=True),
    b"WEBP": Media("webp_pipe", picture=True),
}
_ATOMS = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"skip", b"free"})
_STILL_BRANDS = frozenset({b"heic", b"heix", b"mif1", b"avif"})


def media(start: bytes) -> Media | None:
    """The recording or picture that begins like this; None for anything else."""
    for beginning, found in _BEGINNINGS:
        if start.startswith(beginning):
            return found
    if start[:4] == b"RIFF":
        return _RIFF.get(start[8:12])
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return Media("aiff", sound_only=True)
    if start[4:8] in _ATOMS:
        return Media("mov", picture=True) if start[8:12] in _STILL_BRANDS else _MOVIE
    for length, place in _TS_PACKETS:
        marks = start[place::length]
        if len(marks) >= 3 and set(marks[:3]) == {0x47}:
            return Media("mpegts")
    return _sound_frame(start)


def _sound_frame(start: bytes) -> Media | None:
    """MP3 and AAC may begin with a frame at once: eleven or twelve set bits, then fields with forbidden values."""
    if len(start) < 4 or start[0] != 0xFF:
        return None
    if start[1] & 0xF6 == 0xF0:
        return Media("aac", sound_only=True)
    version, layer, bitrate, rate = start[1] >> 3 & 3, start[1] >> 1 & 3, start[2] >> 4, start[2] >> 2 & 3
    if start[1] & 0xE0 == 0xE0 and version != 1 and layer and bitrate not in (0, 15) and rate != 3:
        return _MP3
    return None


def is_pdf(start: bytes) -> bool:
    """Whether it is a PDF document."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-")
