"""The description in a model's own files: labels, tokenizer and number of tokens."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compress.importing.found import Found, read_settings
from compress.models.slow_tokenizer import SLOW_FILES, open_tokenizer
from compress.models.teacher import DEFAULT_MAX_LENGTH, check_tokenizer, usable_positions
from compress.models.torch_model import TOKENIZER_FILES
from compress.tasks.heads import numbered_names
from runtimes.errors import ArtifactError, InputError, UnsupportedError
from runtimes.packages import require_packages
from runtimes.parsing import parse_json
from runtimes.tokenizing import TOKENIZER

_LABEL_FILES = ("labels.json", "labels.txt", "labels")
_LONGEST = 1_000_000
"""transformers writes 1e30 for a tokenizer without a limit."""


def labels_of(found: Found, given: str | None, outputs: int) -> tuple[str, ...]:
    """Return the names of a model's outputs, as many as it has.

    `given` is the option's value: a file, or names separated by commas. Raises InputError without
    names or for another number of them.
    """
    place, names = _names(found, given)
    if not names:
        raise InputError(
            f"{found.model}: nothing names its {outputs} labels",
            expected=f"id2label in config.json, {', '.join(_LABEL_FILES)} beside it, or --labels",
            action="--labels FILE (a label a line, in the order of the outputs), or --labels a,b,c",
        )
    if empty := [number for number, name in enumerate(names, 1) if not name.strip()]:
        raise InputError(
            f"{place}: label {empty[0]} of {len(names)} is empty",
            expected="a name for each output",
            action="name it, or give others: --labels FILE, or --labels a,b,c",
        )
    if len(names) != outputs:
        raise InputError(
            f"{place}: {len(names)} labels for a model with {outputs} outputs",
            expected="a name for each output, in their order",
            action="mend it, or give others: --labels FILE, or --labels a,b,c",
        )
    return names


def tokenizer_folder(found: Found, given: Path | None) -> Path:
    """Return the folder with the model's tokenizer; raise ArtifactError without one."""
    folders = (given,) if given else found.folders
    wanted = (TOKENIZER, *SLOW_FILES)
    for folder in folders:
        if any((folder / name).is_file() for name in wanted):
            return folder
    known = found.made_from
    raise ArtifactError(
        f"{given or found.folders[0]}: no tokenizer",
        expected=f"{TOKENIZER}, as transformers saves it",
        action=f"--tokenizer {known or 'FOLDER, the one of the model that was exported'}",
    )


def copy_tokenizer(source: Path, folder: Path, config: Mapping[str, Any], max_length: int) -> None:
    """Copy a tokenizer's files; one of an older transformers is converted to tokenizer.json.

    Raises ArtifactError for one that cannot be read, or has more pieces than the model.
    """
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    if not (folder / TOKENIZER).is_file():
        require_packages(f"{source}: converting its tokenizer to {TOKENIZER}", "transformers")
        open_tokenizer(source, max_length).save(str(folder / TOKENIZER))
    embeddings = config.get("vocab_size")
    tokenizer = open_tokenizer(folder, max_length)
    if isinstance(embeddings, int):
        check_tokenizer(source, tokenizer, embeddings)


def max_length_of(found: Found, tokenizer: Path, asked: int | None, positions: int | None) -> int:
    """Return the maximum number of tokens, special tokens included.

    `positions` is the number in its weights. Raises UnsupportedError for more than the model takes,
    InputError when its files do not give the number.
    """
    known = _positions(found, positions)
    if asked is not None and known is not None and asked > known:
        raise UnsupportedError(
            f"--max-length {asked}",
            expected=f"at most {known} tokens, which is all that {found.model.name} takes",
            action="lower it, or leave it out",
        )
    limits = [limit for limit in (known, _said(tokenizer)) if limit is not None]
    if asked is None and not limits:
        raise InputError(
            f"{found.model}: nothing says how many tokens it takes",
            expected="model_max_length in tokenizer_config.json, max_position_embeddings in"
            " config.json, or --max-length",
            action="--max-length N",
        )
    return asked or min(DEFAULT_MAX_LENGTH, *limits)


def _positions(found: Found, positions: int | None) -> int | None:
    said = found.config.get("max_position_embeddings")
    rows = said if isinstance(said, int) and said > 0 else positions
    if rows is None:
        return None
    padding = found.config.get("pad_token_id")
    return usable_positions(
        rows, str(found.config.get("model_type")), padding if isinstance(padding, int) else None
    )


def _said(tokenizer: Path) -> int | None:
    """Return the limit in a tokenizer's settings, None for no real limit."""
    file = tokenizer / "tokenizer_config.json"
    limit = read_settings(file).get("model_max_length") if file.is_file() else None
    usable = isinstance(limit, int | float) and 0 < limit < _LONGEST
    return int(limit) if usable and limit is not None else None


def _names(found: Found, given: str | None) -> tuple[Path | str, tuple[str, ...]]:
    """Return where the labels are named, and the labels; () if they are not named."""
    if given is not None:
        return _typed(given)
    if classes := found.config.get("id2label"):
        return found.place, numbered_names(found.place, classes)
    file = found.file(*_LABEL_FILES)
    return (file, _read(file)) if file else (found.place, ())


def _typed(given: str) -> tuple[Path | str, tuple[str, ...]]:
    if Path(given).is_file():
        return Path(given), _read(Path(given))
    names = tuple(name.strip() for name in given.split(","))
    if len(names) < 2:
        raise InputError(
            f"--labels {given}: no such file, and one label alone",
            expected="a file with a label a line, or labels parted by commas: --labels a,b,c",
            action="name the file, or write two labels or more",
        )
    return f"--labels {given}", numbered_names("--labels", dict(_numbered(names)))


def _read(file: Path) -> tuple[str, ...]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = parse_json(text) if file.suffix == ".json" else _lines(text)
    except ValueError as error:
        raise ArtifactError(
            f"{file}: cannot be read ({error})",
            expected="UTF-8: a label a line, or JSON",
            action="write the file again",
        ) from error
    if isinstance(content, dict):
        content = content.get("id2label", content)
    rows = dict(_numbered(content)) if isinstance(content, list) else content
    return numbered_names(file, rows)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _numbered(names: Any) -> list[tuple[str, str]]:
    return [(str(number), str(name)) for number, name in enumerate(names)]
