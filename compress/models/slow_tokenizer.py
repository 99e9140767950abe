"""Convert a tokenizer that was saved as a vocabulary into tokenizer.json."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from compress.models.torch_model import quiet_transformers
from runtimes.errors import ArtifactError
from runtimes.tokenizing import TOKENIZER, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SLOW_FILES = (
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
    "added_tokens.json",
)


def open_tokenizer(folder: Path, max_length: int) -> Tokenizer:
    """Load a folder's tokenizer.json, or convert the files of an older transformers version.

    Raises ArtifactError when there is no tokenizer, or it cannot be converted.
    """
    if (folder / TOKENIZER).is_file():
        return load_tokenizer(folder, max_length)
    if not any((folder / name).is_file() for name in SLOW_FILES):
        raise ArtifactError(
            f"{folder}: no {TOKENIZER}",
            expected=f"{TOKENIZER}, or {', '.join(SLOW_FILES[:4])} to make it from",
            action="save it beside the model: tokenizer.save_pretrained(folder)",
        )
    tokenizer = _converted(folder)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def _converted(folder: Path) -> Tokenizer:
    from transformers import AutoTokenizer

    try:
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            slow = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        tokenizer: Tokenizer = slow.backend_tokenizer
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # transformers raises many types, and tokenizers panics
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ArtifactError(
            f"{folder}: its tokenizer cannot be converted to {TOKENIZER} ({reason})",
            expected="a tokenizer that transformers has a fast version of",
            action="convert it elsewhere: AutoTokenizer.from_pretrained(…).save_pretrained(folder)",
        ) from error
    return tokenizer
