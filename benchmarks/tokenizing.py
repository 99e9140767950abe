"""Compare ways from text to token ids: the library, edgepress's own encoder, and tokie.

python -m benchmarks.tokenizing --tokenizer FOLDER --texts CSV --text COL [--rounds N] [--json FILE]

Each round starts a fresh process for each contestant, in random order, one after the other: it
imports, opens the tokenizer, encodes each text once (the first pass), then five times more. The
contestants are

    tokenizers     `Tokenizer.encode(text).ids`
    edgepress      the encoder of bundles, with tokenizer.table
    tokie          `Tokenizer.encode(text).ids`, where the package is installed

The texts are those that edgepress's encoder serves without the library. --json FILE holds
`schema_version`, `texts`, `left_to_the_library`, `proof_texts` and `contestants`, by name:
`import_ms`, `load_ms`, `first_pass_us`, `first_pass_mean_us`, `warm_us` (medians over the rounds;
of a pass, the median text), `differ` (of the texts, and of the fixed texts that each table is
proven with) and `faster` {value, lower, upper} (the library's warm median over its own, the
geometric mean of the rounds, one-sided 95 % bounds).
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from benchmarks.tokenizing_worker import LIBRARY, MAX_LENGTH, OURS, TOKIE
from compress.data.reading import read_table
from compress.models.token_proof import proof_texts
from compress.models.token_table import write_table
from compress.progress import Silence
from profiles.statistics import ratio_interval
from runtimes.contents import list_files
from runtimes.errors import BackendError, InputError
from runtimes.fast_encoder import FastEncoder
from runtimes.files import file_sha256
from runtimes.listed import files_to_json
from runtimes.manifest import write_content
from runtimes.token_table import read_table as read_token_table
from runtimes.tokenizing import TOKENIZER, encode_all, load_tokenizer

_CONFIDENCE = 0.95


@click.command(context_settings={"show_default": True})
@click.option("--tokenizer", required=True, metavar="FOLDER", help="A folder with tokenizer.json.")
@click.option("--texts", required=True, metavar="CSV", help="Rows to encode.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--rounds", default=7, type=click.IntRange(2), help="Fresh processes each.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(json_file: Path | None, **options: Any) -> None:
    """Compare ways from text to token ids."""
    run(lambda: compare(**options), table, json_file)


def compare(*, tokenizer: str, texts: str, text: str, rounds: int) -> dict[str, Any]:
    """Run every contestant in turn, and return the figures of the module's docstring."""
    rows = [row for (row,) in read_table(texts, Path(), (text,)).rows]
    names = [LIBRARY, OURS, *([TOKIE] if find_spec(TOKIE) else [])]
    draw = random.Random(7)
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="edgepress-tokenizing-") as place:
        folder = Path(place) / "model"
        served, proof = _prepared(Path(tokenizer), rows, folder)
        for _ in range(rounds):
            for name in draw.sample(names, len(names)):
                seen[name].append(_in_a_process(name, folder))
    return {
        "schema_version": 1,
        "texts": served,
        "left_to_the_library": len(rows) - served,
        "proof_texts": proof,
        "contestants": {name: _figures(seen[name], seen[LIBRARY]) for name in names},
    }


def _prepared(tokenizer: Path, rows: Sequence[str], folder: Path) -> tuple[int, int]:
    """Write the tokenizer, its table, and texts with the library's ids; return their numbers."""
    folder.mkdir()
    shutil.copyfile(tokenizer / TOKENIZER, folder / TOKENIZER)
    if not write_table(folder, MAX_LENGTH, Silence()):
        raise InputError(
            f"{tokenizer}: no table serves this tokenizer",
            expected="one of a kind that `edgepress export` writes a table for",
            action="give another one",
        )
    _write_manifest(folder)
    opened = read_token_table(folder, file_sha256(folder / TOKENIZER))
    assert opened is not None, "it was read when it was proven"
    fast, library = FastEncoder(opened, MAX_LENGTH), load_tokenizer(folder, MAX_LENGTH)
    served = [row for row in rows if fast.encode(row) is not None]
    texts = {"rows": served, "proof": list(proof_texts(library))}
    ids = {key: [one.ids for one in encode_all(library, some)] for key, some in texts.items()}
    content = json.dumps({"texts": texts, "ids": ids})
    (folder.parent / "texts.json").write_text(content, encoding="utf-8")
    return len(served), len(texts["proof"])


def _write_manifest(folder: Path) -> None:
    files = files_to_json(list_files(folder))
    described: dict[str, Any] = {
        "format": "onnx",
        "task": "text-classification",
        "labels": ["x", "y"],
    }
    described["inputs"] = []
    write_content(folder, {**described, "max_length": MAX_LENGTH, "files": files})


def _in_a_process(name: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.tokenizing_worker", name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"{name} failed: {done.stderr[-500:]}", action="run it alone")
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def _figures(own: Sequence[Any], library: Sequence[Any]) -> dict[str, Any]:
    """Return the medians over the rounds, and the ratio to the library."""
    ratio = ratio_interval(
        [one["warm_us"] for one in library], [one["warm_us"] for one in own], _CONFIDENCE
    )
    keys = ("import_ms", "load_ms", "first_pass_us", "first_pass_mean_us")
    return {
        **{key: statistics.median(one[key] for one in own) for key in keys},
        "warm_us": statistics.median(statistics.median(one["warm_us"]) for one in own),
        "differ": own[0]["differ"],
        "faster": {"value": ratio.value, "lower": ratio.lower, "upper": ratio.upper},
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the figures for a terminal."""
    lines = [
        f"{result['texts']} texts; {result['left_to_the_library']} others are left to the library;"
        f" {result['proof_texts']} fixed texts",
        "way         import ms  load ms  first pass us  warm us  faster                differ",
    ]
    for name, one in result["contestants"].items():
        ratio = "{value:.2f} [{lower:.2f}, {upper:.2f}]".format(**one["faster"])
        differ = f"{one['differ']['rows']} + {one['differ']['proof']}"
        lines.append(
            f"{name:<12}{one['import_ms']:>8.1f}{one['load_ms']:>9.2f}"
            f"{one['first_pass_us']:>15.2f}{one['warm_us']:>9.2f}  {ratio:<21} {differ}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
