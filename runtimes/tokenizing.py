"""Load a folder's tokenizer and encode texts: the library's own errors end here.

The library is written in Rust. A panic in it is a BaseException, and comes from a tokenizer's file
that it reads without a check, or from a text that such a file does not expect.
"""

from __future__ import annotations

import os

from runtimes.errors import ArtifactError, DataError, first_line
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from _typeshed import StrPath
    from tokenizers import Encoding, Tokenizer

TOKENIZER = "tokenizer.json"


def load_tokenizer(folder: StrPath, max_length: int) -> Tokenizer:
    """Load tokenizer.json; truncate at `max_length` tokens and never pad.

    Training, the pipeline's checks and the bundle use the same library and file. Raises
    ArtifactError without a file that the library can use.
    """
    from tokenizers import Tokenizer

    path = os.path.join(folder, TOKENIZER)
    if not os.path.isfile(path):
        raise ArtifactError(
            f"{path}: no such file",
            action="copy the tokenizer that the model was trained with into the folder",
        )
    try:
        tokenizer = Tokenizer.from_file(path)
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # plain exceptions and panics
        raise ArtifactError(
            f"{path}: cannot be read ({first_line(error)})",
            expected="a fast tokenizer's file, as transformers saves it",
            action="copy the tokenizer that the model was trained with into the folder",
        ) from error
    return tokenizer


def encode(tokenizer: Tokenizer, row: Any) -> Encoding:
    """Return the tokens of one text, or of a tuple of two; raise DataError when it fails."""
    try:
        return tokenizer.encode(*row) if isinstance(row, tuple) else tokenizer.encode(row)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # plain exceptions and panics
        raise _refused([row], error) from error


def encode_all(
    tokenizer: Tokenizer, rows: Sequence[Any], *, add_special_tokens: bool = True
) -> list[Encoding]:
    """Return the tokens of each text, or tuple of two; raise DataError when it fails on one."""
    try:
        return tokenizer.encode_batch(list(rows), add_special_tokens=add_special_tokens)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # plain exceptions and panics
        raise _refused(rows, error) from error


def _refused(rows: Sequence[Any], error: BaseException) -> DataError:
    for number, row in enumerate(rows, start=1):
        texts = row if isinstance(row, tuple) else (row,)
        for text in texts:
            if not isinstance(text, str):
                return DataError(
                    f"text {number} is a {type(text).__name__}",
                    expected="a text",
                    action="give texts alone",
                )
        if not all(map(_is_unicode, texts)):
            return DataError(
                f"text {number} holds half of a character (a lone surrogate)",
                expected="a text that UTF-8 can write",
                action="convert it again from its source, or leave it out",
            )
    return DataError(
        f"the tokenizer fails on a text ({first_line(error)})",
        expected=f"a {TOKENIZER} that takes every text",
        action="copy the tokenizer that the model was trained with into the folder",
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
