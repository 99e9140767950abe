"""Text to token ids, as a model's tokenizer.json says; `tokenizers` is imported when needed."""

from __future__ import annotations

import os
from _thread import allocate_lock  # threading would take 2 ms of a cold start

from runtimes.errors import ArtifactError
from runtimes.fast_encoder import Encoded, FastEncoder
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.packages import import_package
from runtimes.piece_pairs import PAIRS, read_pairs
from runtimes.token_table import TABLE, damaged, read_table
from runtimes.tokenizing import TOKENIZER, encode, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from _typeshed import StrPath
    from tokenizers import Tokenizer

    from runtimes.listed import ListedFile
    from runtimes.question_windows import Windows

PADDING = ("[PAD]", "<pad>")
"""The tokens that batches are padded with, the first that a tokenizer has."""


class Encoder:
    """Encode texts with a folder's tokenizer, truncated at `max_length` tokens.

    Where the manifest's `files` list a table, the texts that it serves are encoded with it, and the
    library is imported for the first other one. The ids are the library's in either case. Where
    `files` list pairs, the ids of a text's pairs follow those of its pieces.
    """

    def __init__(self, folder: StrPath, max_length: int, files: Mapping[str, ListedFile]) -> None:
        """Read what encoding needs; raise ArtifactError for a missing or damaged file."""
        self._folder = folder
        self._max_length = max_length
        self._fast = _fast(folder, max_length, files)
        self._pairs = read_pairs(folder) if PAIRS in files else None
        self._loading = allocate_lock()
        self._loaded: Tokenizer | None = None
        if self._fast is None:
            self._library()

    def encode(self, text: Any) -> Encoded:
        """Return the tokens of a text, or of a tuple of two; raise DataError for what is none."""
        encoded = self._encoded(text)
        return encoded if self._pairs is None else self._pairs.added(encoded)

    def _encoded(self, text: Any) -> Encoded:
        """Return the pieces alone."""
        if self._fast is not None and type(text) is str:
            try:
                encoded = self._fast.encode(text)
            except ValueError as error:
                raise damaged(os.path.join(self._folder, TABLE), error) from error
            if encoded is not None:
                return encoded
        encoding = encode(self._library(), text)
        return Encoded(encoding.ids, encoding.type_ids)

    def windows(self, row: Any) -> tuple[list[Encoded], Sequence[tuple[int, int]]]:
        """Return the overlapping windows of a text or a list of words, and the words' places.

        See `runtimes.words.windows_of`; raises DataError as it does.
        """
        from runtimes.words import overlapping, windows_of

        encodings, places = windows_of(overlapping(self._library()), row)
        return [Encoded(encoding.ids, encoding.type_ids) for encoding in encodings], places

    def question_windows(self, row: Any) -> Windows:
        """Return the windows of a question and its context, and where its pieces are read.

        See `runtimes.question_windows`; raises DataError as it does.
        """
        from runtimes.question_windows import encoded_windows

        tokenizer = self._library()
        if tokenizer.truncation is not None:
            tokenizer.no_truncation()
        return next(encoded_windows(tokenizer, [row], self._max_length))

    @property
    def padding_id(self) -> int:
        """Return the token that pads; 0 for a tokenizer without one."""
        if self._fast is not None:
            return self._fast.padding_id
        return padding_id(self._library())

    def _library(self) -> Tokenizer:
        with self._loading:
            if self._loaded is None:
                import_package("tokenizers")
                self._loaded = load_tokenizer(self._folder, self._max_length)
            return self._loaded


def padding_id(tokenizer: Tokenizer) -> int:
    """Return the token that pads; 0 for a tokenizer without one."""
    known = [tokenizer.token_to_id(name) for name in PADDING]
    return next((number for number in known if number is not None), 0)


def _fast(folder: StrPath, max_length: int, files: Mapping[str, ListedFile]) -> FastEncoder | None:
    """Return the encoder of a listed table; None without one that serves here."""
    if TABLE not in files or TOKENIZER not in files:
        return None
    source = os.path.join(folder, TOKENIZER)
    if not os.path.isfile(source):
        raise ArtifactError(f"{source}: no such file", action="make or copy the artifact again")
    table = read_table(folder, files[TOKENIZER].sha256)
    if table is None:
        return None
    try:
        encoder = FastEncoder(table, max_length)
    except (KeyError, ValueError) as error:
        raise damaged(os.path.join(folder, TABLE), error) from error
    return encoder if encoder.room > 0 else None
