"""Whether a passphrase can be guessed, and new ones that cannot."""

from __future__ import annotations

from collections.abc import Iterable

from crypto import words
from vault import errors

_LONGEST_CHARACTERS = 4096
_JUDGED_CHARACTERS = 72
_LEAST_SCORE = 3

# The same keys on the two layouts, so that a common Russian word typed on the wrong one is still found.
_RUSSIAN = "йцукенгшщзхъфывапролджэячсмитьбюё"
_LATIN = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`"
_TO_LATIN = str.maketrans(_RUSSIAN + _RUSSIAN.upper(), _LATIN + _LATIN.upper())


def judge(passphrase: str, *, own_words: Iterable[str] = ()) -> None:
    """Raise if the passphrase is unusable or would be guessed.

    It is judged as typed, and once more as the same keys give on a Latin keyboard; the weaker verdict counts.
    Only the first 72 characters are judged: longer ones are no weaker. Raises ``UnusablePassphrase`` and
    ``WeakPassphrase``.
    """
    if not passphrase:
        raise errors.UnusablePassphrase(reason="empty")
    if len(passphrase) > _LONGEST_CHARACTERS:
        raise errors.UnusablePassphrase(reason="long")
    from zxcvbn import zxcvbn  # 50 ms to import, and needed only when a passphrase is chosen

    for typed in {passphrase, passphrase.translate(_TO_LATIN)}:
        verdict = zxcvbn(typed[:_JUDGED_CHARACTERS], user_inputs=list(own_words))
        if verdict["score"] < _LEAST_SCORE:
            raise errors.WeakPassphrase(guesses=f"10^{int(verdict['guesses_log10'])}")


def with_hyphens(typed: str) -> str | None:
    """The generated passphrase that ``typed`` would be if its spaces were hyphens; None if it is none."""
    return words.as_generated(typed)


def generate(number: int = 7) -> str:
    """Random words, 11 bits each: seven have 77."""
    return words.generated_passphrase(number)
