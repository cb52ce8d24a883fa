"""Which encoding a text is in, where nothing says so: the ones of this region read as each other."""

import pytest

from commands import _encodings

RUSSIAN = "Я уехала по собственной воле. Мои родственники попытаются меня вернуть, если узнают, где я нахожусь."
UKRAINIAN = "Я поїхала з власної волі, і ніхто мене не примушував; мої родичі спробують мене повернути."
SHORT = "Привет, мама"
FRENCH = "Je suis partie de ma propre volonté, et personne ne m'a forcée; ma famille cherchera à me ramener."
GEORGIAN = "ჩემი ნებით წავედი"


@pytest.mark.parametrize("text", [RUSSIAN, RUSSIAN.upper(), UKRAINIAN, FRENCH, GEORGIAN, SHORT, "plain", "a\x1b[2J"])
def test_utf8_is_known_by_its_form(text: str) -> None:
    found = _encodings.of_text(text.encode())
    assert found == _encodings.Encoding("utf-8")
    assert _encodings.of_text(text.encode()[: 4095 // 2 * 2]) is not None


@pytest.mark.parametrize("name", ["cp1251", "koi8-u", "cp866"])
@pytest.mark.parametrize("text", [RUSSIAN, UKRAINIAN, SHORT, RUSSIAN * 30])
def test_an_old_encoding_of_a_cyrillic_text_is_guessed(name: str, text: str) -> None:
    if name == "cp866" and text == UKRAINIAN:
        text = text.replace("і", "и")  # that encoding has no such letter
    found = _encodings.of_text(text.encode(name)[:4096])
    assert found == _encodings.Encoding(name, guessed=True)


def test_accents_in_words_of_plain_letters_are_western() -> None:
    assert _encodings.of_text(FRENCH.encode("cp1252")) == _encodings.Encoding("cp1252", guessed=True)


@pytest.mark.parametrize(("name", "marked"), [("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")])
@pytest.mark.parametrize("text", [RUSSIAN, FRENCH, GEORGIAN, SHORT])
def test_utf16_is_known_by_its_mark_or_guessed_without_it(name: str, marked: str, text: str) -> None:
    assert _encodings.of_text(("\ufeff" + text).encode(name)) == _encodings.Encoding(marked, 2)
    assert _encodings.of_unmarked_utf16(text.encode(name)) == _encodings.Encoding(marked, guessed=True)


@pytest.mark.parametrize(
    "start", [b"\0", bytes(range(256)), b"\x89PNG\r\n\x1a\n\0\0", b"PK\3\4\x14\0\6\0", b"abc\x01\xff"]
)
def test_what_is_no_text_is_not_taken_for_one(start: bytes) -> None:
    assert _encodings.of_text(start) is None
    assert _encodings.of_unmarked_utf16(start) is None


def test_every_offered_encoding_reads_any_bytes_and_gives_them_back() -> None:
    data = bytes(range(256)) * 2
    for name in _encodings.OFFERED:
        errors = "surrogatepass" if name.startswith("utf-16") else "surrogateescape"
        assert data.decode(name, errors).encode(name, errors) == data
