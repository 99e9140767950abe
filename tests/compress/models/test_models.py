"""Models are loaded completely or refused, run no foreign code, and are saved without traces."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from compress.models.torch_model import (
    describe,
    load_config,
    model_inputs,
    quiet_transformers,
    save_model,
)
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError
from runtimes.tokenizing import load_tokenizer
from tests.compress.text_models import load_model
from tests.compress.tiny_models import MODEL_TYPES, encode, make_data, make_model

TEXTS = list(make_data().test.inputs[:4])


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return make_model(tmp_path / "model")


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8")) | values
    file.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_saved_model_is_the_same_when_loaded(tmp_path: Path, model_type: str) -> None:
    source = make_model(tmp_path / "source", model_type)
    model = load_model(source.path)
    folder = tmp_path / "saved"
    folder.mkdir()
    made = save_model(model, source, folder, metrics={"accuracy": 0.5})
    feeds = encode(source, TEXTS)
    assert {spec.name for spec in made.inputs} == feeds.keys()
    with torch.no_grad():
        torch.testing.assert_close(load_model(folder)(**feeds).logits, model(**feeds).logits)
    assert (made.model_type, made.precision, made.metrics) == (
        model_type,
        "fp32",
        {"accuracy": 0.5},
    )
    assert made.outputs[0].shape == ("batch", 3)
    assert made.parameters == source.parameters
    assert not model.training
    assert model.config._attn_implementation == "eager"
    assert all(weight.dtype == torch.float32 for weight in model.parameters())


def test_nothing_of_this_machine_is_saved(artifact: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    save_model(load_model(artifact.path), artifact, folder)
    for file in folder.iterdir():
        if file.suffix == ".json":
            assert str(tmp_path) not in file.read_text(encoding="utf-8")


def test_a_rewritten_tokenizer_is_not_overwritten(artifact: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    save_model(load_model(artifact.path), artifact, folder)
    assert (folder / "tokenizer.json").read_text() == "{}"
    assert (folder / "tokenizer_config.json").is_file()


def test_half_precision_weights_become_fp32(artifact: Artifact) -> None:
    with quiet_transformers():
        load_model(artifact.path).half().save_pretrained(artifact.path)
    assert next(load_model(artifact.path).parameters()).dtype == torch.float32


def test_new_labels_make_a_new_head(artifact: Artifact) -> None:
    model = load_model(artifact.path, labels=("x", "y", "z", "w"))
    assert model.config.id2label == {0: "x", 1: "y", 2: "z", 3: "w"}
    assert model.config.label2id["w"] == 3
    assert model(**encode(artifact, TEXTS)).logits.shape == (4, 4)
    assert describe(model, artifact, labels=("x", "y", "z", "w")).outputs[0].shape == ("batch", 4)


def test_a_pickle_is_refused(artifact: Artifact) -> None:
    (artifact.path / "model.safetensors").unlink()
    (artifact.path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ArtifactError, match="pickle"):
        load_model(artifact.path)


def test_truncated_weights_are_refused(artifact: Artifact) -> None:
    file = artifact.path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_model(artifact.path)


def test_weights_of_another_size_are_refused(artifact: Artifact) -> None:
    change(artifact.path / "config.json", intermediate_size=96)
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_model(artifact.path)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_model_without_a_head_is_refused_until_it_gets_one(
    tmp_path: Path, model_type: str
) -> None:
    artifact = make_model(tmp_path / "model", model_type)
    with quiet_transformers():
        load_model(artifact.path).base_model.save_pretrained(artifact.path)
    with pytest.raises(ArtifactError, match="lacks"):
        load_model(artifact.path)
    model = load_model(artifact.path, labels=("x", "y"))
    assert model(**encode(artifact, TEXTS)).logits.shape == (4, 2)


@pytest.mark.parametrize("labels", [None, ("x", "y")])
def test_weights_of_another_model_are_never_replaced_by_random_ones(
    tmp_path: Path, labels: tuple[str, ...] | None
) -> None:
    one, two = make_model(tmp_path / "one", "bert"), make_model(tmp_path / "two", "distilbert")
    shutil.copyfile(two.model_file, one.model_file)
    with pytest.raises(ArtifactError, match="lacks"):
        load_model(one.path, labels=labels)


def test_a_new_head_does_not_excuse_a_narrow_backbone(artifact: Artifact) -> None:
    change(artifact.path / "config.json", intermediate_size=96)
    with pytest.raises(ArtifactError, match="lacks"):
        load_model(artifact.path, labels=("x", "y"))


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": "no-such-type"}', "{}"])
def test_a_foreign_configuration_is_refused(artifact: Artifact, content: str) -> None:
    (artifact.path / "config.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"config\.json"):
        load_config(artifact.path)


def test_a_missing_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no config\.json"):
        load_config(tmp_path)


@pytest.mark.parametrize("model_type", ["bert", "no-such-type"])
def test_code_in_a_folder_is_never_run(artifact: Artifact, model_type: str) -> None:
    (artifact.path / "evil.py").write_text("raise SystemExit('was run')\n")
    change(
        artifact.path / "config.json",
        model_type=model_type,
        auto_map={"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"},
    )
    if model_type == "bert":
        load_model(artifact.path)
    else:
        with pytest.raises(ArtifactError):
            load_model(artifact.path)


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": {"type": "WordPiece"}}'])
def test_a_foreign_tokenizer_is_refused(artifact: Artifact, content: str | None) -> None:
    file = artifact.path / "tokenizer.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        load_tokenizer(artifact.path, 8)


def test_the_tokenizer_truncates_and_never_pads(artifact: Artifact) -> None:
    tokenizer = load_tokenizer(artifact.path, 6)
    rows = tokenizer.encode_batch(["card " * 20, "card"])
    assert [len(row.ids) for row in rows] == [6, 3]
    assert rows[0].tokens[-1] == "[SEP]"


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_inputs_are_those_that_the_model_takes(tmp_path: Path, model_type: str) -> None:
    config = load_config(make_model(tmp_path / "model", model_type).path)
    names = [spec.name for spec in model_inputs(config)]
    assert names[:2] == ["input_ids", "attention_mask"]
    assert ("token_type_ids" in names) == (model_type in ("bert", "electra", "albert"))
    assert all(spec.shape == ("batch", "sequence") for spec in model_inputs(config))


def test_quiet_leaves_the_settings_as_they_were() -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()

    def noisy() -> None:
        with quiet_transformers():
            warnings.warn("a warning that pytest would make an error", stacklevel=1)
            assert logging.get_verbosity() == logging.ERROR
            raise KeyError

    with pytest.raises(KeyError):
        noisy()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
