"""A text's words, and hashes of its n-grams: of words, and of the characters of each word.

Words are lower-cased runs of what is neither ASCII punctuation nor white space. A word's characters
are taken with a space before and after it, so that an n-gram tells a word's ends. The hash is a
CRC-32 that begins with another value for words than for characters.
"""

from __future__ import annotations

from zlib import crc32

from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CHARACTERS = 2**18
"""Where a text is cut."""

_APART = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})
_WORD = crc32(b"word")
_CHARACTER = crc32(b"character")


def words_of(text: str) -> list[str]:
    """Return a text's words, lower-cased and without punctuation."""
    return text[:MOST_CHARACTERS].lower().translate(_APART).split()


def word_hash(word: str) -> int:
    """Return the hash of a word."""
    return crc32(word.encode(), _WORD)


def pair_hash(first: str, second: str) -> int:
    """Return the hash of two words that follow one another."""
    return crc32(f"{first} {second}".encode(), _WORD)


def character_hashes(word: str, shortest: int, longest: int) -> Iterator[int]:
    """Yield the hash of each n-gram of a word's characters, of `shortest` to `longest`.

    A hash continues that of the n-gram which is one character shorter.
    """
    if not longest:
        return
    characters = [character.encode() for character in f" {word} "]
    for start in range(len(characters)):
        value = _CHARACTER
        for length, character in enumerate(characters[start : start + longest], 1):
            value = crc32(character, value)
            if length >= shortest:
                yield value
