"""Mutate good inputs at random, for as many minutes as asked, and see how each command ends.

python -m tests.hostile.fuzz --minutes 5 [--target NAME …] [--seed N]

Each target is a file that a command reads: a recipe, a profile, a manifest (sealed again, so that
the digest does not answer for the rest), tokenizer.json (listed again), csv, jsonl and parquet
rows, an ONNX graph, and lines of the worker's protocol. JSON and TOML are mutated by their values
as well as by their bytes; hypothesis draws the mutations and shrinks the first failure.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from runtimes.listed import MANIFEST
from tests.hostile.case import Case
from tests.hostile.ground import DRY_RUN, IMPORT, PREDICT, make_ground
from tests.hostile.harness import carry_out
from tests.hostile.protocol import Talk
from tests.hostile.sealing import write_sealed
from tests.hostile.values import STRANGE, changed, json_text, places, without
from tests.runtimes.sealed import resealed

ENDS = (0, 1, 2)
"""A mutated input may be good still, give a model that fails, or be refused; 5 is our fault."""
ROUND = 40
"""Mutations between two looks at the clock."""

Bytes = st.SearchStrategy[bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """Name a file of the ground, the command that reads it, and what to do after a change."""

    file: str
    arguments: tuple[str, ...]
    mutations: Callable[[bytes], Bytes]
    afterwards: Callable[[Path], object] = lambda folder: folder


def _cut_and_pasted(raw: bytes) -> Bytes:
    """Draw bytes that are flipped, cut out, repeated or inserted at a few places."""
    place = st.integers(0, max(len(raw) - 1, 0))
    edit = st.tuples(place, place, st.sampled_from(("flip", "cut", "repeat", "insert")))
    pieces = st.binary(max_size=8) | st.sampled_from((b"\0", b"\xff" * 4, b"[" * 500, b"9" * 400))

    def applied(edits: list[tuple[int, int, str]], piece: bytes) -> bytes:
        result = raw
        for start, other, how in edits:
            low, high = sorted((start, min(other, start + 64)))
            if how == "flip" and low < len(result):
                result = result[:low] + bytes([result[low] ^ 0xFF]) + result[low + 1 :]
            elif how == "cut":
                result = result[:low] + result[high:]
            elif how == "repeat":
                result = result[:high] + result[low:high] + result[high:]
            else:
                result = result[:low] + piece + result[low:]
        return result

    return st.builds(applied, st.lists(edit, min_size=1, max_size=4), pieces)


def _documents(load: Callable[[bytes], Any], dump: Callable[[Any], bytes]) -> Callable[..., Bytes]:
    """Draw documents in which one to three values are strange or left out."""

    def mutations(raw: bytes) -> Bytes:
        document = load(raw)
        edits = st.lists(
            st.tuples(st.sampled_from(list(places(document))), st.sampled_from([None, *STRANGE])),
            min_size=1,
            max_size=3,
        )

        def applied(drawn: list[tuple[tuple[Any, ...], str | None]]) -> bytes:
            result = document
            for place, name in drawn:
                if place in set(places(result)):
                    changed_ = changed(result, place, STRANGE[name]) if name else None
                    result = without(result, place) if name is None else changed_
            try:
                return dump(result)
            except (TypeError, UnicodeEncodeError):
                return dump(document)  # TOML has no null and no lone surrogates

        return st.builds(applied, edits) | _cut_and_pasted(raw)

    return mutations


def _toml(document: Any) -> bytes:
    import tomli_w

    return tomli_w.dumps(document).encode()


def _sealed(folder: Path) -> None:
    """Give an edited manifest the digest of its content, where it is one."""
    try:
        content = json.loads((folder / "onnx" / MANIFEST).read_bytes())
    except (ValueError, RecursionError):
        return
    if isinstance(content, dict):
        write_sealed(folder / "onnx", content)


_JSON = _documents(json.loads, lambda document: json_text(document).encode())
_TOML = _documents(lambda raw: tomllib.loads(raw.decode()), _toml)

TARGETS: Mapping[str, Target] = {
    "recipe": Target("recipe.toml", DRY_RUN, _TOML),
    "profile": Target("card.toml", ("profile", "show", "card.toml"), _TOML),
    "manifest": Target("onnx/artifact.json", PREDICT, _JSON, _sealed),
    "tokenizer": Target(
        "onnx/tokenizer.json", PREDICT, _JSON, lambda folder: resealed(folder / "onnx")
    ),
    "csv": Target("test.csv", DRY_RUN, _cut_and_pasted),
    "jsonl": Target("rows.jsonl", ("predict", "onnx", "--rows", "rows.jsonl"), _cut_and_pasted),
    "parquet": Target(
        "rows.parquet", ("run", "parquet.toml", "--out", "out", "--dry-run"), _cut_and_pasted
    ),
    "onnx": Target("theirs/model.onnx", IMPORT, _cut_and_pasted),
}


def more_ground(folder: Path) -> Path:
    """Write the ground and what only the fuzzing reads."""
    import shutil

    import pyarrow as pa
    from pyarrow import parquet

    make_ground(folder)
    rows = [("my card", "a"), ("lost it", "b"), ("hello there", "c")] * 20
    lines = (json.dumps({"text": text, "label": label}) for text, label in rows)
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    parquet.write_table(table, folder / "rows.parquet")
    recipe = (folder / "recipe.toml").read_text()
    (folder / "parquet.toml").write_text(recipe.replace('"test.csv"', '"rows.parquet"'))
    shutil.copytree(folder / "onnx", folder / "theirs")
    (folder / "theirs" / "artifact.json").unlink()
    return folder


def attack(name: str, ground: Path, place: Path, count: int, number: int) -> str:
    """Carry out `count` mutations of a target; return what was wrong with the smallest, or ""."""
    target = TARGETS[name]
    raw = (ground / target.file).read_bytes()

    def mutated(content: bytes) -> None:
        def prepare(folder: Path) -> None:
            (folder / target.file).write_bytes(content)
            target.afterwards(folder)

        case = Case(f"fuzz {name}", repr(content[:60]), target.arguments, prepare, ENDS)
        ended = carry_out(case, ground, place)
        assert not ended.wrong, f"{'; '.join(ended.wrong)}: {ended.said.strip()[:300]}"

    return _drawn(mutated, target.mutations(raw), count, number)


def _drawn(check: Callable[[Any], None], inputs: st.SearchStrategy[Any], count: int, n: int) -> str:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    phases = (Phase.generate, Phase.shrink)
    bounded = settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=quiet, phases=phases
    )
    try:
        seed(n)(bounded(given(inputs)(check)))()
    except AssertionError as error:
        return "\n".join([str(error), *getattr(error, "__notes__", [])])[:2000]
    return ""


def talk(ground: Path, count: int, number: int) -> str:
    """Send `count` mutated requests to a worker; return what was wrong, or ""."""
    with Talk(ground / "onnx") as worker:
        return _drawn(worker.answers, Talk.requests(), count, number)


@click.command()
@click.option("--minutes", default=5.0, type=click.FloatRange(0.01), show_default=True)
@click.option("--seed", "first", default=7, show_default=True)
@click.option("--target", "names", multiple=True, type=click.Choice([*TARGETS, "protocol"]))
def main(minutes: float, first: int, names: tuple[str, ...]) -> None:
    """Fuzz the targets in turn until the time is over; exit with 1 where something was found."""
    ends, number = time.monotonic() + 60 * minutes, first
    chosen = names or (*TARGETS, "protocol")
    counts, found = dict.fromkeys(chosen, 0), dict.fromkeys(chosen, "")
    with tempfile.TemporaryDirectory() as place:
        ground = more_ground(Path(place) / "ground")
        while time.monotonic() < ends and not all(found.values()):
            for name in (name for name in chosen if not found[name]):
                if name == "protocol":
                    found[name] = talk(ground, ROUND, number)
                else:
                    found[name] = attack(name, ground, Path(place) / "case", ROUND, number)
                counts[name] += ROUND
            number += 1
    for name in chosen:
        click.echo(f"{name:<10} {counts[name]:>6} mutations  {found[name] or 'nothing found'}")
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
