"""Small sentence encoders, as sentence-transformers saves them, that know which words belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from runtimes.artifact import Artifact
from tests.compress.tiny_models import make_model

_TYPE = "sentence_transformers.models."
TOPICS = {
    "billing": ("refund", "invoice", "card", "payment", "money"),
    "technical": ("crash", "error", "screen", "password", "broken"),
    "praise": ("thanks", "love", "great", "nice", "happy"),
}
_FILLER = ("the", "a", "my", "your", "it", "was", "is", "please", "today", "when", "after")


def topic_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return texts whose words tell their label."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = list(TOPICS)[number % len(TOPICS)]
        words = [*rng.choice(TOPICS[label], 3), *rng.choice(_FILLER, rng.integers(1, 4))]
        rows.append({"text": " ".join(rng.permutation(words)), "label": label})
    return rows


def make_encoder(
    folder: Path,
    model_type: str = "bert",
    *,
    pooling: str = "mean",
    normalize: bool = True,
    dense: dict[str, Any] | None = None,
    layers: int = 2,
) -> Path:
    """Write a random encoder with its modules, and return its folder; it has no manifest.

    `dense` is the configuration of a Dense module. Even random, an encoder gives texts with the
    same words vectors that are alike.
    """
    make_model(folder, model_type, layers=layers)
    (folder / "artifact.json").unlink()
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
    kinds += [("Dense", "2_Dense")] if dense else []
    kinds += [("Normalize", f"{len(kinds)}_Normalize")] if normalize else []
    modules = [{"type": _TYPE + kind, "path": path} for kind, path in kinds]
    write(folder / "modules.json", modules)
    modes = ("mean_tokens", "cls_token", "max_tokens", "lasttoken")
    chosen = next(mode for mode in modes if mode.startswith(pooling))
    write(folder / "1_Pooling" / "config.json", {f"pooling_mode_{m}": m == chosen for m in modes})
    write(folder / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    if dense:
        write(folder / "2_Dense" / "config.json", dense)
        _write_dense(folder / "2_Dense", dense)
    return folder


def opened(folder: Path) -> Artifact:
    """Return a folder's encoder as the toolchain opens it."""
    from compress.models.teacher import open_model

    return open_model(str(folder), task="feature-extraction")


def write(file: Path, content: Any) -> None:
    """Write JSON, in a folder that is made where it is missing."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def _write_dense(folder: Path, dense: dict[str, Any]) -> None:
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layer = torch.nn.Linear(dense["in_features"], dense["out_features"], dense["bias"])
    save_file(
        {f"linear.{name}": tensor.detach() for name, tensor in layer.named_parameters()},
        folder / "model.safetensors",
    )
