"""Model folders: configuration, tokenizer, weights and graphs that are damaged or dangerous."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtimes.listed import MANIFEST
from runtimes.piece_pairs import FORMAT, HEADER, PAIRS
from tests.hostile.case import BAD_INPUT, TOLERATED, Case, Cases
from tests.hostile.ground import IMPORT, PREDICT
from tests.hostile.values import changed, deep, json_text, places
from tests.runtimes.sealed import resealed

FAILED = (1,)
"""A model whose answers are none fails as it does in a gate."""
REFUSED = (5,)
"""A runtime that cannot run the model says so."""
EXPORT = ("export", "teacher", "--out", "out", "-q")
_CONFIG = (
    *("model_type", "architectures", "num_hidden_layers", "hidden_size", "num_attention_heads"),
    *("vocab_size", "max_position_embeddings", "id2label", "label2id", "intermediate_size"),
)
_VALUES: Mapping[str, Any] = {
    "null": None,
    "minus one": -1,
    "zero": 0,
    "a million": 1_000_000,
    "thirty digits": 10**30,
    "a text": "²",
    "a runner's command": "a\n::error::x",
    "an empty list": [],
    "an empty object": {},
}
_BYTES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in half": lambda raw: raw[: len(raw) // 2],
    "a byte short": lambda raw: raw[:-1],
    "noise": lambda raw: bytes(np.random.default_rng(1).bytes(len(raw))),
    "its start is noise": lambda raw: b"\xff" * 64 + raw[64:],
    "twice": lambda raw: raw + raw,
}


class _Bomb:
    """Become a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("exploded", "w"))


def cases() -> Cases:
    """Yield the cases of a torch model that is exported, and of an exported one that answers."""
    for field in _CONFIG:
        for name, value in _VALUES.items():
            prepare = _config({field: value})
            yield Case("config", f"{field} is {name}", EXPORT, prepare, TOLERATED)
    for name, raw in (("nested", deep(100_000)), ("empty", ""), ("an array", "[]")):
        yield Case("config", name, EXPORT, _replaced(raw))
    code = {"auto_map": {"AutoModelForSequenceClassification": "evil.Model"}}
    yield Case("config", "code of its own", EXPORT, _config(code), TOLERATED)
    for file in ("model.safetensors", "tokenizer.json"):
        for name, harm in _BYTES.items():
            harmed = _unsealed(file, harm)
            codes = TOLERATED if name == "twice" else BAD_INPUT
            yield Case("weights" if file[0] == "m" else "tokenizer", name, EXPORT, harmed, codes)
    yield Case("weights", "a pickle", EXPORT, _pickled)
    yield from _tokenizers()
    for name, content in _PAIRS.items():
        yield Case("pairs", name, PREDICT, _with_pairs(content))
    yield Case("pairs", "ids that the model lacks", PREDICT, _with_pairs(_FAR), REFUSED)
    yield from _graphs()


def _unsealed(file: str, harm: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Harm a file of a folder that edgepress did not write: no digest speaks for it."""

    def prepare(folder: Path) -> None:
        (folder / "teacher" / MANIFEST).unlink()
        place = folder / "teacher" / file
        place.write_bytes(harm(place.read_bytes()))

    return prepare


def _config(fields: Mapping[str, Any]) -> Callable[[Path], None]:
    return _unsealed("config.json", lambda raw: json_text({**json.loads(raw), **fields}).encode())


def _replaced(text: str) -> Callable[[Path], None]:
    return _unsealed("config.json", lambda _: text.encode())


def _pickled(folder: Path) -> None:
    teacher = folder / "teacher"
    (teacher / MANIFEST).unlink()
    (teacher / "model.safetensors").unlink()
    (teacher / "pytorch_model.bin").write_bytes(pickle.dumps(_Bomb()))


def _tokenizers() -> Cases:
    """Yield an exported model whose tokenizer.json has a strange value somewhere, resealed."""
    for place in _TOKENIZER_PLACES:
        for name, value in _VALUES.items():
            edit = _at(place, value)
            named = f"{'.'.join(place)} is {name}"
            yield Case("tokenizer", named, PREDICT, _resealed("tokenizer.json", edit), TOLERATED)


_TOKENIZER_PLACES = (
    *(("version",), ("model",), ("model", "type"), ("model", "vocab"), ("model", "unk_token")),
    *(("model", "continuing_subword_prefix"), ("model", "max_input_chars_per_word")),
    *(("added_tokens",), ("normalizer",), ("pre_tokenizer",), ("post_processor",), ("truncation",)),
)


_FAR = FORMAT + HEADER.pack(10**6, 512) + struct.pack("<1024I", *[2] * 512, *range(512))
"""Ids for 512 pairs that begin with [CLS]."""

_PAIRS: Mapping[str, bytes] = {
    "empty": b"",
    "noise": np.random.default_rng(1).bytes(1000),
    "its first line alone": FORMAT,
    "a byte short": _FAR[:-1],
    "more pairs than it holds": FORMAT + HEADER.pack(10**6, 2**32 - 1) + _FAR[-4096:],
    "the id 0": FORMAT + HEADER.pack(0, 512) + _FAR[-4096:],
}


def _with_pairs(content: bytes) -> Callable[[Path], None]:
    """Put a file of pairs beside the exported model's tokenizer, and let the manifest list it."""

    def prepare(folder: Path) -> None:
        (folder / "onnx" / PAIRS).write_bytes(content)
        resealed(folder / "onnx")

    return prepare


def _at(place: tuple[str, ...], value: Any) -> Callable[[bytes], bytes]:
    def edit(raw: bytes) -> bytes:
        document = json.loads(raw)
        if place not in set(places(document)):
            document = {**document, place[-1]: value}
        else:
            document = changed(document, place, value)
        return json_text(document).encode()

    return edit


def _resealed(file: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change a file of the exported model, and let the manifest list it as it is then."""

    def prepare(folder: Path) -> None:
        place = folder / "onnx" / file
        place.write_bytes(edit(place.read_bytes()))
        resealed(folder / "onnx")

    return prepare


def _graphs() -> Cases:
    for name, harm in _BYTES.items():
        if name != "twice":  # protobuf's last value counts: two messages are one
            harmed = _resealed("model.onnx", harm)
            yield Case("graph", name, PREDICT, harmed)
            yield Case("graph", f"import, {name}", IMPORT, _theirs(harm))
    for name, change in _GRAPHS.items():
        for arguments in (PREDICT, (*PREDICT, "--json")):
            label = f"{name}{', as JSON' if '--json' in arguments else ''}"
            yield Case("graph", label, arguments, _regraphed(change), FAILED)


def _theirs(harm: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        shutil.copytree(folder / "onnx", folder / "theirs")
        (folder / "theirs" / MANIFEST).unlink()
        place = folder / "theirs" / "model.onnx"
        place.write_bytes(harm(place.read_bytes()))

    return prepare


def _regraphed(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        import onnx

        place = folder / "onnx" / "model.onnx"
        model = onnx.load(place)
        change(model)
        onnx.save(model, place)
        resealed(folder / "onnx")

    return prepare


def _all_weights(value: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype == np.float32:
                other = numpy_helper.from_array(np.full_like(array, value), tensor.name)
                tensor.CopyFrom(other)

    return change


def _cut_logits(model: Any) -> None:
    """Let the graph answer with one logit fewer than it has labels."""
    from onnx import helper, numpy_helper

    graph = model.graph
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["uncut" if name == output else name for name in node.output]
    for name, value in (("cut_from", 0), ("cut_to", -1), ("cut_axis", 1)):
        graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
    graph.node.append(
        helper.make_node("Slice", ["uncut", "cut_from", "cut_to", "cut_axis"], [output])
    )
    graph.output[0].type.tensor_type.shape.dim[1].ClearField("dim_value")
    graph.output[0].type.tensor_type.shape.dim[1].dim_param = "fewer"


_GRAPHS: Mapping[str, Callable[[Any], None]] = {
    "weights that are NaN": _all_weights(float("nan")),
    "weights that are infinite": _all_weights(float("inf")),
    "a logit too few": _cut_logits,
}
