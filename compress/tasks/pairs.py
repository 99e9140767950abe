"""What a task whose input is two texts does otherwise than one that reads a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from compress.data.batch import Tokens
from compress.data.dataset import DataSettings
from runtimes.pairs import PAIR, pair_of
from runtimes.tokenizing import encode_all

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class ReadsPairs:
    """Read {"text": ..., "text_pair": ...}, which a model takes as one sequence of tokens.

    The tokenizer's own template joins both texts and gives them their types. Where they are too
    long, the longer one is truncated first, as transformers does. It stands before the class of
    another task among the bases of a class.
    """

    pairs: ClassVar[bool] = True

    def input_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the columns of both texts."""
        return (settings.text, settings.text_pair)

    def input(self, cells: Sequence[Any]) -> Any:
        """Return both texts unchanged, by their keys."""
        return dict(zip(PAIR, map(str, cells), strict=True))

    def text(self, value: Any) -> tuple[str, str]:
        """Return both texts, which a tokenizer reads as a pair."""
        return pair_of(value)

    def encode(self, tokenizer: Tokenizer, inputs: Sequence[Any]) -> list[Tokens]:
        """Return the tokens of each pair, with the type of each token."""
        rows = encode_all(tokenizer, [self.text(value) for value in inputs]) if inputs else []
        return [Tokens((row.ids,), types=(row.type_ids,)) for row in rows]
