"""Read from a tokenizer which tokens every row begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.encoder import PADDING
from runtimes.parsing import parse_json
from runtimes.tokenizing import encode_all, load_tokenizer

_PROBES = ("", "a", "Ünïcode 漢字 \t\n", "word " * 600)
_PAIRS = tuple((one, other) for one in _PROBES for other in _PROBES)


@dataclass(frozen=True, slots=True)
class Opening:
    """Hold what all rows have in common: `first_id`, and whether all tokens have type 0.

    `first_id` is None if the tokenizer does not put one fixed token first, `pad_id` if it has no
    token for padding.
    """

    first_id: int | None
    one_type: bool
    pad_id: int | None = None

    @classmethod
    def of(cls, folder: Path, max_length: int, *, pairs: bool = False) -> Opening:
        """Read the post-processor's template for single texts, or for `pairs`, and check it."""
        tree = parse_json((folder / "tokenizer.json").read_text(encoding="utf-8"))
        first, types = _template(tree.get("post_processor"), pairs=pairs)
        tokenizer = load_tokenizer(folder, max_length)
        rows = encode_all(tokenizer, _PAIRS if pairs else _PROBES)
        if any(row.ids[:1] != [first] for row in rows):
            first = None
        one_type = types <= {0} and all(not any(row.type_ids) for row in rows)
        pads = (tokenizer.token_to_id(name) for name in PADDING)
        return cls(first, one_type, next((one for one in pads if one is not None), None))


def _template(processor: dict[str, Any] | None, *, pairs: bool) -> tuple[int | None, set[int]]:
    """Return the id that a post-processor puts first, and the types that it assigns."""
    kind = processor["type"] if processor else None
    if processor is None or kind == "ByteLevel":
        return None, {0}
    if kind == "Sequence":
        parts = [_template(one, pairs=pairs) for one in processor["processors"]]
        firsts = [first for first, _ in parts if first is not None]
        return (firsts[0] if len(firsts) == 1 else None), set().union(*(row[1] for row in parts))
    if kind in ("BertProcessing", "RobertaProcessing"):
        types = {0, 1} if pairs and kind == "BertProcessing" else {0}
        return int(processor["cls"][1]), types
    if kind != "TemplateProcessing":
        return None, {-1}
    rows = processor["pair" if pairs else "single"]
    pieces = [(name, piece) for row in rows for name, piece in row.items()]
    types = {int(piece["type_id"]) for _, piece in pieces}
    name, piece = pieces[0] if pieces else ("", {})
    if name != "SpecialToken":
        return None, types
    return int(processor["special_tokens"][piece["id"]]["ids"][0]), types
