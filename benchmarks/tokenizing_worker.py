"""Time one way from text to token ids, in this process: python -m benchmarks.tokenizing_worker."""

from __future__ import annotations

import gc
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LIBRARY, OURS, TOKIE = "tokenizers", "edgepress", "tokie"
MAX_LENGTH = 128
_PASSES = 5

Encode = Callable[[str], Sequence[int]]


def _library() -> Callable[[Path], Encode]:
    from tokenizers import Tokenizer

    def opened(folder: Path) -> Encode:
        made = Tokenizer.from_file(str(folder / "tokenizer.json"))
        made.no_padding()
        made.enable_truncation(MAX_LENGTH)
        return lambda text: made.encode(text).ids

    return opened


def _ours() -> Callable[[Path], Encode]:
    from runtimes.encoder import Encoder
    from runtimes.manifest import read_manifest

    def opened(folder: Path) -> Encode:
        made = Encoder(folder, MAX_LENGTH, read_manifest(folder).files)
        return lambda text: made.encode(text).ids

    return opened


def _tokie() -> Callable[[Path], Encode]:
    tokie = importlib.import_module("tokie")  # no dependency of edgepress

    def opened(folder: Path) -> Encode:
        made = tokie.Tokenizer.from_json(str(folder / "tokenizer.json"))
        made.no_padding()
        made.enable_truncation(MAX_LENGTH)
        return lambda text: made.encode(text).ids

    return opened


_WAYS = {LIBRARY: _library, OURS: _ours, TOKIE: _tokie}


def measured(name: str, folder: Path, content: Any) -> dict[str, Any]:
    """Import, open and encode; return milliseconds, microseconds, and how many ids differ."""
    all_texts = content["texts"].items()
    texts = content["texts"]["rows"]
    gc.disable()
    began = time.perf_counter()
    opener = _WAYS[name]()
    imported = time.perf_counter()
    encode = opener(folder)
    opened = time.perf_counter()
    first = _pass(encode, texts)
    warm = [_pass(encode, texts) for _ in range(_PASSES)]
    return {
        "import_ms": (imported - began) * 1e3,
        "load_ms": (opened - imported) * 1e3,
        "first_pass_us": statistics.median(first),
        "first_pass_mean_us": statistics.fmean(first),
        "warm_us": [min(times) for times in zip(*warm, strict=True)],
        "differ": {key: _differ(encode, some, content["ids"][key]) for key, some in all_texts},
    }


def _differ(encode: Encode, texts: Sequence[str], ids: Sequence[Any]) -> int:
    """Count the texts that are encoded otherwise than expected."""
    return sum(list(encode(text)) != known for text, known in zip(texts, ids, strict=True))


def _pass(encode: Encode, texts: Sequence[str]) -> list[float]:
    """Encode each text once; return the microseconds of each."""
    clock, times = time.perf_counter_ns, []
    for text in texts:
        began = clock()
        encode(text)
        times.append((clock() - began) / 1e3)
    return times


if __name__ == "__main__":
    place = Path(sys.argv[2])
    known = json.loads((place.parent / "texts.json").read_text(encoding="utf-8"))
    print(json.dumps(measured(sys.argv[1], place, known)))
