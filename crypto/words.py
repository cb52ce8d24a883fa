"""Recovery words (BIP-39) and generated passphrases. The only home of the `mnemonic` package."""

from __future__ import annotations

import functools
import hashlib
import secrets
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

from crypto.errors import BadWords

if TYPE_CHECKING:
    from mnemonic import Mnemonic

LANGUAGES = ("english", "russian")
ENTROPY_SIZE = 32
WORD_COUNT = 24
SIZES = {12: 16, WORD_COUNT: ENTROPY_SIZE}  # bytes by the number of words
FEWEST_PASSPHRASE_WORDS = 5
_PREFIX_LENGTH = 4
_YO, _YE = "\N{CYRILLIC SMALL LETTER IO}", "\N{CYRILLIC SMALL LETTER IE}"


def words_from_entropy(entropy: bytes, language: str) -> tuple[str, ...]:
    """The 24 words of 32 bytes, or the 12 of 16, in Unicode NFC. Raises ValueError for another length or language."""
    if len(entropy) not in SIZES.values():
        raise ValueError("words stand for 32 bytes or for 16")
    return tuple(unicodedata.normalize("NFC", word) for word in _mnemonic(language).to_mnemonic(entropy).split())


def entropy_from_words(words: str | Iterable[str], *, count: int = WORD_COUNT) -> bytes:
    """The 32 bytes that 24 words stand for, or the 16 of 12 words, in whichever language of LANGUAGES they are.

    White space, letter case and Unicode form do not matter; nor do the dots of the Russian "yo". English words may be
    cut after four letters or more. Raises BadWords.
    """
    written = (words if isinstance(words, str) else " ".join(words)).split()
    if len(written) != count:
        raise BadWords("count")
    found = min(
        ([_listed_number(language, word) for word in written] for language in LANGUAGES),
        key=lambda numbers: numbers.count(None),
    )
    bits = 0
    for position, number in enumerate(found, start=1):
        if number is None:
            raise BadWords("word", position)
        bits = bits << 11 | number
    # 24 words are 264 bits: the entropy, then the first 8 bits of its SHA-256 (of 12 words 132 and 4). Not by the
    # library, which normalizes a word but not its list, and so does not find Russian words with a composed letter.
    size, checksum_bits = SIZES[count], count // 3
    entropy = (bits >> checksum_bits).to_bytes(size, "big")
    if bits & (1 << checksum_bits) - 1 != hashlib.sha256(entropy).digest()[0] >> 8 - checksum_bits:
        raise BadWords("checksum")
    return entropy


def generated_passphrase(words: int = 7) -> str:
    """Random words of the English list joined by hyphens, 11 bits each: 77 bits unless told otherwise.

    Raises ValueError for fewer than five words.
    """
    if words < FEWEST_PASSPHRASE_WORDS:
        raise ValueError(f"a generated passphrase has at least {FEWEST_PASSPHRASE_WORDS} words")
    wordlist = _mnemonic("english").wordlist
    return "-".join(secrets.choice(wordlist) for _ in range(words))


def as_generated(text: str) -> str | None:
    """The generated passphrase that was typed with spaces for hyphens; None for a text that is nothing of the kind."""
    hyphened = "-".join(text.split())
    typed = hyphened.split("-")
    if hyphened == text or len(typed) < FEWEST_PASSPHRASE_WORDS:
        return None
    return hyphened if set(typed) <= set(_mnemonic("english").wordlist) else None


def _listed_number(language: str, word: str) -> int | None:
    folded, numbers = _fold(word), _numbers(language)
    if language == "english" and folded not in numbers and len(folded) >= _PREFIX_LENGTH:
        # No two words of the list share their first four letters, so at most one of them begins like this.
        return next((number for listed, number in numbers.items() if listed.startswith(folded)), None)
    return numbers.get(folded)


def _fold(word: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return folded.replace(_YO, _YE)


@functools.cache
def _numbers(language: str) -> dict[str, int]:
    return {_fold(word): number for number, word in enumerate(_mnemonic(language).wordlist)}


@functools.cache
def _mnemonic(language: str) -> Mnemonic:
    if language not in LANGUAGES:
        raise ValueError("no word list of that language")
    from mnemonic import Mnemonic

    return Mnemonic(language)
