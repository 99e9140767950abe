"""Compare the device's own encoder with the library on texts made to tell them apart."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from runtimes.fast_encoder import FastEncoder
from runtimes.tokenizing import encode_all

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_SEED = 13
_TEXTS = 1000
_ASCII = "".join(map(chr, range(0x80)))
_OTHERS = "éÉÀçßıİſǅΣσςЖ漢字かなカ한🙂\u00a0\u2003\u2028\u200b\u200d\u0301\ufeff\ufffd\x85½²①ﬁ’“”–…"
_SPACES = ("", " ", "  ", "\t", "\n", "\r\n", " a", "a ", "a  b", "a\tb", "a\nb", "a\r\nb")
_MARKS = ("don't I'm you've we'll they're he'd it's", "'s", " 's", "a 's", "''", "` ``", "_", "a_b")
_FIXED = (
    *_SPACES,
    *_MARKS,
    *("\x00", "a\x00b", "\x7f", _ASCII, string.punctuation, string.printable),
    *("a" * count for count in (99, 100, 101, 102, 300)),
    *("ab1!" * count for count in (24, 25, 26)),
    "word " * 700,
    "!" * 200,
)


def difference(encoder: FastEncoder, tokenizer: Tokenizer) -> str | None:
    """Return the first text whose ids or types differ; None where all texts' are the same.

    The texts are the same at every call. Texts that the encoder leaves to the library do not count.
    """
    texts = list(proof_texts(tokenizer))
    return differing(encoder, texts, encode_all(tokenizer, texts))


def differing(
    encoder: FastEncoder, texts: Sequence[str], expected: Sequence[Encoding]
) -> str | None:
    """Return the first text that is encoded otherwise than expected."""
    for text, wanted in zip(texts, expected, strict=True):
        for _ in range(2):  # cut, and looked up
            made = encoder.encode(text)
            if made is not None and made != (wanted.ids, wanted.type_ids):
                return text
    return None


def proof_texts(tokenizer: Tokenizer) -> Iterator[str]:
    """Yield fixed texts, texts of the vocabulary's pieces, and texts of random characters."""
    draw = random.Random(_SEED)  # noqa: S311 - texts to compare, not secrets
    pieces = sorted(tokenizer.get_vocab())
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    yield from _FIXED
    yield from pieces[:200]
    for token in added[:50]:
        yield from (token, f"a{token}b", f"my {token} card", token.upper(), token.lower())
        yield from (token[:-1], f"{token[:1]} {token[1:]}", f"{token[:2]}\x00{token[2:]}")
    for _ in range(_TEXTS):
        yield _of_pieces(draw, pieces)
        yield _of_letters(draw, added)


def _of_pieces(draw: random.Random, pieces: Sequence[str]) -> str:
    """Return some pieces, cased and joined at random; most are words of the vocabulary."""
    chosen = [draw.choice(pieces).strip("#▁Ġ") for _ in range(draw.randint(1, 9))]
    cased = [draw.choice((str, str, str.upper, str.title))(one) for one in chosen]
    joiner = draw.choice((" ", " ", " ", "", "-", ", ", "  ", "'", "\n", "\t"))
    return joiner.join(cased) + draw.choice(("", "", "?", "!", ".", " ", "..."))


def _of_letters(draw: random.Random, added: Sequence[str]) -> str:
    """Return random characters: of words, of all ASCII, of other scripts, with added tokens."""
    letters = draw.choice(
        (string.ascii_lowercase, string.ascii_letters + " '", string.printable, _ASCII)
    )
    if draw.random() < 0.2:
        letters += _OTHERS
    words = [
        "".join(draw.choices(letters, k=draw.randint(1, 12))) for _ in range(draw.randint(1, 8))
    ]
    if added and draw.random() < 0.1:
        words.insert(draw.randrange(len(words) + 1), draw.choice(added))
    return draw.choice((" ", " ", "")).join(words)
