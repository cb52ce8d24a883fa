"""How a name sounds, whatever script and spelling it is written in.

A word becomes a string of sounds, one letter each: ``j`` for ж, ``q`` for ч, ``w`` for ш and щ, ``c`` for ц, ``h`` for х,
the others as in English. Doubled letters and soft or hard signs do not count, neither does the palochka, nor whether a
glide is written between vowels. Latin spellings are ambiguous (``ch`` is ч in English, х in German, ш in French), so
such a word has several readings. ``coarse`` sounds let go of what the spellings of one name confuse most.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import islice, product

_MOST_READINGS = 8
CYRILLIC, LATIN, OTHER = "c", "l", "o"

_CYRILLIC_SOUNDS = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "j", "з": "z", "и": "i", "й": "i", "к": "k", "л": "l", "м": "m",
    "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "h", "ц": "c", "ч": "q", "ш": "w", "щ": "w",
    "ъ": "", "ы": "i", "ь": "", "э": "e", "ю": "iu", "я": "ia", "ё": "e",
    "ґ": "g", "є": "e", "ї": "i", "ў": "u",  # Ukrainian, Belarusian
    "ә": "a", "ғ": "g", "қ": "k", "ң": "n", "ө": "o", "ұ": "u", "ү": "u", "һ": "h",  # Kazakh
    "ѓ": "g", "ђ": "j", "ј": "i", "љ": "l", "њ": "n", "ћ": "q", "ќ": "k", "џ": "j", "ѕ": "dz", "ҳ": "h", "ҷ": "j", "ҡ": "k",
    "ҙ": "z", "ҫ": "s", "ӣ": "i", "ӯ": "u",
    "ӏ": "", "l": "", "1": "", "|": "",  # the palochka, and what is typed for it
}  # fmt: skip
_CYRILLIC_LETTER = re.compile("[\u0400-\u052f]")
_PLAIN_CYRILLIC = re.compile("[абвгдежзийклмнопрстуфхцчшщъыьэюяё]*")
_PLAIN_SOUNDS = str.maketrans(_CYRILLIC_SOUNDS)
# Either a vowel of Ukrainian and Kazakh, or the palochka typed on a keyboard that has none.
_VOWEL_OR_PALOCHKA = "іi"
# Within a Cyrillic word these Latin letters are slips of the keyboard or of a text recognition, and the reverse.
_LATIN_LOOK_ALIKES = str.maketrans("aceopxykmthb", "асеорхукмтнв")
_CYRILLIC_LOOK_ALIKES = str.maketrans("асеорхукмтнві", "aceopxykmthbi")

# What letters of Latin spellings may stand for, likeliest first. Of two that match, the longer counts.
_LATIN_SOUNDS: dict[str, tuple[str, ...]] = {
    "schtsch": ("w",), "stsch": ("w",), "chtch": ("w",), "shch": ("w",), "šč": ("w",), "szcz": ("w",),
    "dsch": ("j",), "tsch": ("q",), "tch": ("q",), "dzh": ("j",), "dž": ("j",), "dj": ("j",), "zh": ("j",), "sch": ("w", "sh"),
    "sh": ("w", "sh"), "ch": ("q", "h", "w"), "chr": ("hr", "kr"), "chl": ("hl", "kl", "wl"), "kh": ("h",), "gh": ("g",),
    "ph": ("f",), "th": ("t", "th"), "tz": ("c",), "ts": ("c",), "cz": ("q", "c"), "sz": ("w", "s"), "ck": ("k",),
    "ou": ("u", "ou"), "oo": ("u", "o"), "ee": ("e", "i"), "gue": ("ge", "gue"), "gui": ("gi", "gui"),
    "ce": ("se", "ke", "je"), "ci": ("si", "ki", "ji"), "cy": ("si", "ki"), "c": ("k", "c", "j"),
    "h": ("h", "g"), "j": ("i", "j"), "q": ("k",), "w": ("v", "u"), "x": ("ks", "h"), "y": ("i",),
    "č": ("q",), "ć": ("q",), "ç": ("q", "s"), "š": ("w",), "ş": ("w",), "ș": ("w",), "ŝ": ("w",), "ś": ("w", "s"),
    "ž": ("j",), "ż": ("j",), "ź": ("j", "z"), "ğ": ("g", ""), "ö": ("o", "e"), "ü": ("u", "iu"), "ä": ("a", "e"),
    "â": ("a", "ia"), "û": ("u", "iu"), "ß": ("s",), "ı": ("i",),
}  # fmt: skip
_LATIN_SYMBOL = re.compile("|".join(sorted(_LATIN_SOUNDS, key=len, reverse=True)) + "|.", re.DOTALL)
_FINAL_F = re.compile(r"(?<=[eo])ff?$")
_SILENT = re.compile(r"[^a-z0-9čćçšşșŝśžżźğöüäâûßı]")

_SAME_SOUND = re.compile("kh|ts|dj")
_SIMPLER = {"kh": "h", "ts": "c", "dj": "j"}
_UNSETTLED = re.compile(r"(.)\1|kh|ts|dj|i[eo]|[jqw]i?[oau]")
_DOUBLED = re.compile(r"(.)\1+")
_GLIDE = re.compile("i[eo]")  # ie, ye, je, ё, yo, io: all е somewhere
_AFTER_HUSHING = re.compile("([jqw])i?([oau])")
_COARSE = str.maketrans({"z": "s", "c": "s", "j": "w", "q": "w"})
_FINAL_VOWELS = re.compile("(?<=..)[aeiou]+$")

# The sounds that the last letters of an unfinished Latin word may turn out to be the beginning of, coarse.
_UNFINISHED = {
    "c": "whk", "d": "w", "e": "i", "k": "h", "o": "u", "p": "f", "s": "w", "t": "sw", "z": "w",
}  # fmt: skip


def script(word: str) -> str:
    """The script that most of a word's letters have: ``CYRILLIC``, ``LATIN`` or ``OTHER``."""
    if word.isascii():
        return LATIN
    cyrillic = len(_CYRILLIC_LETTER.findall(word))
    if cyrillic == len(word):
        return CYRILLIC
    latin = sum(letter < "\u0250" and letter.isalpha() for letter in word)
    if cyrillic or latin:
        return CYRILLIC if cyrillic >= latin else LATIN
    return OTHER


def readings(word: str) -> tuple[str, ...]:
    """How a word (small letters, NFC) may sound, likeliest first, ``_MOST_READINGS`` at most."""
    found = _cyrillic(word) if script(word) == CYRILLIC else _latin(word)
    return tuple(dict.fromkeys(sounds for each in found if (sounds := _settled(each))))


def coarse(sounds: str) -> str:
    """Sounds without what spellings of one name confuse: s, z and ц; ж, ч, ш and щ; n and ng; u and ю."""
    found = sounds.translate(_COARSE)
    return _settled(found.replace("ng", "n").replace("iu", "u"))


def base(sounds: str) -> str:
    """Sounds without the vowels at the end, which endings of cases change; two sounds at least are left."""
    return _FINAL_VOWELS.sub("", sounds)


def beginnings(word: str, sounds: str) -> tuple[str, ...]:
    """The coarse sounds that longer words may begin with, when ``word`` sounds so and is the beginning of one."""
    found = [sounds]
    if script(word) == LATIN:
        found += [sounds[:-1] + other for other in _UNFINISHED.get(word[-1], "")]
    if sounds.endswith("i"):  # before е it is a glide, which does not count
        found.append(sounds[:-1])
    return tuple(found)


def _cyrillic(word: str) -> tuple[str, ...]:
    if _PLAIN_CYRILLIC.fullmatch(word):
        return (word.translate(_PLAIN_SOUNDS),)
    vowels = ("i", "") if any(letter in word for letter in _VOWEL_OR_PALOCHKA) else ("i",)
    found = []
    for vowel in vowels:
        sounds = []
        for letter in word.translate(_LATIN_LOOK_ALIKES):
            if letter in _VOWEL_OR_PALOCHKA:
                sounds.append(vowel)
            elif letter in _CYRILLIC_SOUNDS:
                sounds.append(_CYRILLIC_SOUNDS[letter])
            elif letter.isdigit():
                sounds.append(letter)
            else:
                sounds.append(_latin(_transliterated(letter))[0])
        found.append("".join(sounds))
    return tuple(found)


def _latin(word: str) -> tuple[str, ...]:
    plain = _transliterated(word.translate(_CYRILLIC_LOOK_ALIKES))
    symbols = _LATIN_SYMBOL.findall(plain)
    # A spelling is one system: what is ambiguous is read alike throughout the word.
    ambiguous = [symbol for symbol in dict.fromkeys(symbols) if len(_LATIN_SOUNDS.get(symbol, ())) > 1]
    found = []
    for chosen in islice(product(*(_LATIN_SOUNDS[symbol] for symbol in ambiguous)), _MOST_READINGS):
        choice = dict(zip(ambiguous, chosen, strict=True))
        found.append("".join(choice[s] if s in choice else _LATIN_SOUNDS.get(s, (s,))[0] for s in symbols))
    if _FINAL_F.search(plain):
        found += [_FINAL_F.sub("v", each) for each in found]
    return tuple(found) or ("",)


def _transliterated(word: str) -> str:
    """In Latin letters; those with marks that change the sound keep them."""
    if word.isascii():
        return _SILENT.sub("", word)
    letters = []
    for letter in word:
        if letter.isascii() or letter in _LATIN_SOUNDS:
            letters.append(letter)
            continue
        plain = unicodedata.normalize("NFKD", letter)[0]
        letters.append(plain if plain.isascii() else _from_any_script(letter))
    return _SILENT.sub("", "".join(letters))


def _from_any_script(letter: str) -> str:
    from anyascii import anyascii

    return anyascii(letter).lower()


def _settled(sounds: str) -> str:
    if not _UNSETTLED.search(sounds):
        return sounds
    sounds = _DOUBLED.sub(r"\1", sounds)
    sounds = _SAME_SOUND.sub(lambda found: _SIMPLER[found[0]], sounds)
    sounds = _GLIDE.sub("e", sounds)
    sounds = _AFTER_HUSHING.sub(lambda found: found[1] + ("e" if found[2] == "o" else found[2]), sounds)
    return _DOUBLED.sub(r"\1", sounds)
