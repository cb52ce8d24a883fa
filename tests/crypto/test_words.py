"""Recovery words and generated passphrases."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mnemonic import Mnemonic

from crypto.errors import BadWords
from crypto.words import (
    LANGUAGES,
    as_generated,
    entropy_from_words,
    generated_passphrase,
    words_from_entropy,
)

entropies = st.binary(min_size=32, max_size=32)
languages = st.sampled_from(LANGUAGES)

# BIP-39 test vectors of 256 bits: https://github.com/trezor/python-mnemonic, vectors.json
VECTORS = [
    ("00" * 32, "abandon " * 23 + "art"),
    (
        "7f" * 32,
        "legal winner thank year wave sausage worth useful " * 2 + "legal winner thank year wave sausage worth title",
    ),
    (
        "80" * 32,
        "letter advice cage absurd amount doctor acoustic avoid " * 2
        + "letter advice cage absurd amount doctor acoustic bless",
    ),
    ("ff" * 32, "zoo " * 23 + "vote"),
    (
        "3edc83b60740d77af3afa2fcb82c2f1bc541ee4e2518ddef4996d32453f54a3c",
        (
            "disagree tomato unique attend aspect runway solid violin witness scrap armed daring favorite warm decade "
            "perfect target kid grant play early wide cigar night"
        ),
    ),
    (
        "911fec0fbd88029f6fa99164896c18d898c9232af18bdcca3e42d53b86493104",
        (
            "much youth advance kitchen lens exile salt cram goose enter alert raise milk muscle profit cousin system "
            "faint mouse price reveal cause series long"
        ),
    ),
]


@pytest.mark.parametrize(("entropy", "words"), VECTORS)
def test_known_words_stand_for_known_entropy(entropy, words):
    assert " ".join(words_from_entropy(bytes.fromhex(entropy), "english")) == words
    assert entropy_from_words(words) == bytes.fromhex(entropy)


@given(entropies, languages)
def test_words_come_back_as_their_entropy(entropy, language):
    words = words_from_entropy(entropy, language)
    assert len(words) == 24
    assert (
        entropy_from_words(words) == entropy_from_words(list(words)) == entropy_from_words(" ".join(words)) == entropy
    )


@given(
    entropies,
    languages,
    st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    st.sampled_from([str.upper, str.title, str.lower]),
    st.sampled_from([" ", "\n", "\t  ", "\u00a0", "\r\n", "\u2003"]),
)
def test_form_case_and_white_space_do_not_matter(entropy, language, form, case, space):
    words = words_from_entropy(entropy, language)
    written = space + space.join(unicodedata.normalize(form, case(word)) for word in words) + space
    assert entropy_from_words(written) == entropy


@given(entropies, st.integers(4, 8))
def test_english_words_may_be_cut_after_four_letters(entropy, letters):
    assert entropy_from_words([word[:letters] for word in words_from_entropy(entropy, "english")]) == entropy


def test_the_dots_of_the_russian_yo_do_not_matter():
    wordlist = Mnemonic("russian").wordlist
    position = next(number for number, word in enumerate(wordlist) if "е" in word)
    entropy = (position << 245).to_bytes(32, "big")
    words = words_from_entropy(entropy, "russian")
    assert words[0] == wordlist[position]
    for dotted in ("ё", "Ё", "е\u0308"):
        assert entropy_from_words([words[0].replace("е", dotted), *words[1:]]) == entropy


def test_the_russian_short_i_is_found_however_it_is_written():
    wordlist = Mnemonic("russian").wordlist
    position = next(number for number, word in enumerate(wordlist) if "й" in unicodedata.normalize("NFC", word))
    entropy = (position << 245).to_bytes(32, "big")
    words = words_from_entropy(entropy, "russian")
    assert "й" in words[0]
    assert entropy_from_words([words[0].replace("й", "и\u0306"), *words[1:]]) == entropy


def test_words_are_shown_composed():
    for number in range(0, 2048, 7):
        words = words_from_entropy((number << 245).to_bytes(32, "big"), "russian")
        assert all(unicodedata.is_normalized("NFC", word) for word in words)


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25, 48])
def test_another_number_of_words_is_refused(count):
    with pytest.raises(BadWords) as caught:
        entropy_from_words("abandon " * count)
    assert (caught.value.reason, caught.value.word_number) == ("count", None)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("number", [1, 2, 13, 24])
def test_an_unknown_word_is_named_by_its_number_and_not_repeated(language, number):
    words = list(words_from_entropy(bytes(32), language))
    words[number - 1] = "qwertz"
    with pytest.raises(BadWords) as caught:
        entropy_from_words(words)
    assert (caught.value.reason, caught.value.word_number) == ("word", number)
    assert "qwertz" not in repr(caught.value) + str(caught.value) + str(vars(caught.value))


def test_words_of_two_languages_are_refused():
    russian, english = (words_from_entropy(bytes(32), language) for language in ("russian", "english"))
    with pytest.raises(BadWords) as caught:
        entropy_from_words([*english[:20], *russian[20:]])
    assert (caught.value.reason, caught.value.word_number) == ("word", 21)


@pytest.mark.parametrize("beginning", ["aba", "a", "ab", "abandonx", "zzzz"])
def test_a_beginning_of_fewer_than_four_letters_or_of_no_word_is_refused(beginning):
    with pytest.raises(BadWords) as caught:
        entropy_from_words([beginning, *["abandon"] * 22, "art"])
    assert (caught.value.reason, caught.value.word_number) == ("word", 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_exchanged_words_are_noticed_by_the_checksum(language):
    # The checksum has eight bits, so fixed words, of which it is known that they fail.
    words = list(words_from_entropy(bytes(range(32)), language))
    words[0], words[1] = words[1], words[0]
    with pytest.raises(BadWords) as caught:
        entropy_from_words(words)
    assert (caught.value.reason, caught.value.word_number) == ("checksum", None)


@given(st.text(max_size=80))
def test_any_text_is_refused_by_name(text):
    with pytest.raises(BadWords):
        entropy_from_words(text)


def test_other_lengths_and_languages_are_refused():
    for entropy, language in ((bytes(15), "english"), (bytes(33), "english"), (bytes(32), "klingon")):
        with pytest.raises(ValueError):
            words_from_entropy(entropy, language)


def test_a_generated_passphrase_is_seven_listed_words():
    listed = set(Mnemonic("english").wordlist)
    passphrases = [generated_passphrase() for _ in range(50)]
    assert len(set(passphrases)) == 50
    for passphrase in passphrases:
        words = passphrase.split("-")
        assert len(words) == 7
        assert set(words) <= listed
    assert len(generated_passphrase(12).split("-")) == 12


def test_a_generated_passphrase_is_never_short():
    with pytest.raises(ValueError):
        generated_passphrase(4)


def test_a_generated_passphrase_typed_with_spaces_is_recognised_and_nothing_else_is() -> None:
    passphrase = generated_passphrase()
    assert as_generated(passphrase.replace("-", " ")) == passphrase
    assert as_generated("\t" + passphrase.replace("-", "  \n") + " ") == passphrase
    for other in (
        passphrase,
        passphrase.upper().replace("-", " "),
        passphrase.replace("-", " ") + " notinthelist",
        " ".join(passphrase.split("-")[:4]),
        "",
        " ",
        "seven quiet herons over the harbour at dawn",
    ):
        assert as_generated(other) is None
