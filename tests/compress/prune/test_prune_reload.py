"""Pruned folders load elsewhere: in transformers, with and without trust, and in ONNX Runtime."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import transformers

from compress.export.stage import Export
from compress.models.architectures import FULL
from compress.models.torch_model import quiet_transformers, save_model
from compress.prune.stage import Prune
from compress.stage import RunContext, execute
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import ArtifactError
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import load_model
from tests.compress.tiny_models import encode, make_data, make_model

DATA = make_data()
TEXTS = list(DATA.test.inputs[:6])


def pruned(folder: Path, model_type: str, **settings: Any) -> Artifact:
    source = make_model(folder / "source", model_type, layers=3)
    context = RunContext(DATA, None, seed=7, scratch=folder / "scratch")
    return execute(Prune(recovery_epochs=0, **settings), source, context, folder / "pruned")


def by_transformers(folder: Path, *, trust: bool) -> Any:
    with quiet_transformers():
        return transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, trust_remote_code=trust
        ).eval()


def logits(model: Any, artifact: Artifact) -> Any:
    with torch.no_grad():
        return model(**encode(artifact, TEXTS)).logits


@pytest.fixture
def code_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the copies of trusted code that transformers makes outside the user's cache."""
    modules = str(tmp_path / "modules")
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", modules)
    monkeypatch.syspath_prepend(modules)


@pytest.mark.parametrize("model_type", FULL)
def test_plain_transformers_loads_narrow_ffns_fewer_layers_and_pieces(
    tmp_path: Path, model_type: str
) -> None:
    artifact = pruned(tmp_path, model_type, ffn=0.5, layers=2, vocabulary=True, vocabulary_floor=0)
    ours, theirs = load_model(artifact.path), by_transformers(artifact.path, trust=False)
    assert type(theirs) is type(ours)
    torch.testing.assert_close(logits(theirs, artifact), logits(ours, artifact))
    with quiet_transformers():
        tokenizer = transformers.AutoTokenizer.from_pretrained(artifact.path)
    rows = load_tokenizer(artifact.path, artifact.max_length).encode_batch(TEXTS)
    assert tokenizer(TEXTS)["input_ids"] == [row.ids for row in rows]


@pytest.mark.parametrize("model_type", FULL)
def test_plain_transformers_loads_a_narrower_stream(tmp_path: Path, model_type: str) -> None:
    artifact = pruned(tmp_path, model_type, hidden=48, ffn=0.5)
    ours, theirs = load_model(artifact.path), by_transformers(artifact.path, trust=False)
    assert (ours.config.hidden_size, ours.config.num_attention_heads) == (48, 3)
    assert type(theirs) is type(ours)
    torch.testing.assert_close(logits(theirs, artifact), logits(ours, artifact))


@pytest.mark.usefixtures("code_cache")
@pytest.mark.parametrize("model_type", FULL)
def test_transformers_loads_fewer_heads_when_it_may_run_the_shipped_file(
    tmp_path: Path, model_type: str
) -> None:
    artifact = pruned(tmp_path, model_type, ffn=0.5, heads=0.5)
    ours, theirs = load_model(artifact.path), by_transformers(artifact.path, trust=True)
    torch.testing.assert_close(logits(theirs, artifact), logits(ours, artifact))
    assert type(theirs).__module__.startswith("transformers_modules.")


@pytest.mark.parametrize("model_type", FULL)
def test_transformers_refuses_fewer_heads_without_the_shipped_file(
    tmp_path: Path, model_type: str
) -> None:
    artifact = pruned(tmp_path, model_type, heads=0.25)
    with pytest.raises(RuntimeError, match="mismatched"):
        by_transformers(artifact.path, trust=False)


def test_our_own_loading_never_runs_a_folders_code(tmp_path: Path) -> None:
    artifact = pruned(tmp_path, "bert", heads=0.25)
    (artifact.path / "modeling_edgepress.py").write_text("raise SystemExit('was run')\n")
    assert logits(load_model(artifact.path), artifact).shape == (6, 3)


def test_a_foreign_head_count_is_an_error(tmp_path: Path) -> None:
    artifact = pruned(tmp_path, "bert", heads=0.25)
    config = artifact.path / "config.json"
    content = json.loads(config.read_text()) | {"edgepress_heads": 1}
    config.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_model(artifact.path)


def test_a_pruned_model_survives_being_saved_again(tmp_path: Path) -> None:
    artifact = pruned(tmp_path, "roberta", heads=0.25)
    again = tmp_path / "again"
    again.mkdir()
    save_model(load_model(artifact.path), artifact, again)
    shutil.copyfile(artifact.path / "artifact.json", again / "artifact.json")
    assert (again / "modeling_edgepress.py").is_file()
    torch.testing.assert_close(
        logits(load_model(again), read_artifact(again)),
        logits(load_model(artifact.path), artifact),
    )


@pytest.mark.parametrize(
    "model_type",
    ["mpnet", *(pytest.param(name, marks=pytest.mark.slow) for name in FULL if name != "mpnet")],
)
def test_fewer_heads_export_to_onnx(tmp_path: Path, model_type: str) -> None:
    artifact = pruned(tmp_path, model_type, heads=0.5)
    context = RunContext(DATA, None, seed=7, scratch=tmp_path / "export-scratch")
    exported = execute(Export(format="onnx"), artifact, context, tmp_path / "onnx")
    feeds = {name: value.numpy() for name, value in encode(artifact, TEXTS).items()}
    session = onnxruntime.InferenceSession(str(exported.model_file))
    outputs = session.run(["logits"], {name: feeds[name] for name in names(session)})[0]
    expected = logits(load_model(artifact.path), artifact).numpy()
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


def names(session: Any) -> list[str]:
    return [value.name for value in session.get_inputs()]
