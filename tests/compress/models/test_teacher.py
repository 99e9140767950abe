"""A teacher's folder is opened unchanged, or refused with the reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress.models.teacher import import_model, open_model, resolve
from compress.models.torch_model import quiet_transformers
from compress.models.weights import INDEX, WEIGHTS
from runtimes.errors import ArtifactError, InputError, UnknownNameError, UnsupportedError
from runtimes.listed import MANIFEST
from runtimes.tokenizing import load_tokenizer
from tests.absent import needs
from tests.compress.text_models import load_model
from tests.compress.tiny_models import LABELS, encode, make_model

TASK = "text-classification"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("teacher") / "model").path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Copy a teacher as transformers writes it, without edgepress's manifest."""
    copy = shutil.copytree(made, tmp_path / "model")
    (copy / MANIFEST).unlink()
    return copy


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8")) | values
    file.write_text(json.dumps(content), encoding="utf-8")


def config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / "config.json", **values)


def text(name: str, content: str) -> Callable[[Path], None]:
    def overwrite(folder: Path) -> None:
        (folder / name).write_text(content)

    return overwrite


def cut(size: int) -> Callable[[Path], None]:
    def truncate(folder: Path) -> None:
        content = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(content[:size])

    return truncate


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def pickled(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def sharded(folder: Path) -> None:
    model = load_model(folder)
    (folder / WEIGHTS).unlink()
    with quiet_transformers():
        model.save_pretrained(folder, max_shard_size="60KB")


def slow(folder: Path) -> None:
    """Leave the files of an older BERT tokenizer: vocab.txt and its settings."""
    pieces = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(pieces, key=pieces.get)) + "\n")
    change(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer", do_lower_case=True)


def junk_pieces(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_bytes(b"junk")
    change(folder / "tokenizer_config.json", tokenizer_class="AlbertTokenizer")


def test_a_plain_folder_is_described_without_being_written_to(made: Path, folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    described, known = open_model(str(folder), task=TASK), open_model(str(made), task=TASK)
    assert sorted(path.name for path in folder.iterdir()) == before
    for name in ("format", "labels", "max_length", "inputs", "outputs", "parameters", "digest"):
        assert getattr(described, name) == getattr(known, name), name


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (config(id2label={"0": "a", "1": "b"}), "3 outputs, config.json names 2"),
        (config(id2label={"x": "a", "1": "b", "2": "c"}), "id2label"),
        (config(id2label={"0": "a", "1": "b", "2": "b"}), "more than once"),
        (config(problem_type="regression"), "regression head"),
        (config(model_type="brt"), "did you mean 'bert'"),
        (config(model_type="gpt2"), "'gpt2'"),
        (config(vocab_size=10), "only 10 embeddings"),
        (text("config.json", "{"), "not JSON"),
        (text("config.json", "[]"), "a list"),
        (drop("config.json"), "no config.json"),
        (drop(WEIGHTS), f"no {WEIGHTS}"),
        (drop("tokenizer.json"), "no tokenizer.json"),
        (text("tokenizer.json", "{}"), "tokenizer.json"),
        (text("tokenizer_config.json", "{"), "tokenizer_config.json: not JSON"),
        (cut(0), "not an intact safetensors"),
        (cut(4), "not an intact safetensors"),
        (cut(100), "not an intact safetensors"),
        (cut(-500), "not an intact safetensors"),
        (pickled, "pickle"),
        (junk_pieces, "cannot be converted"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused(
    folder: Path, harm: Callable[[Path], None], said: str
) -> None:
    harm(folder)
    with pytest.raises(InputError) as caught:
        open_model(str(folder), task=TASK)
    assert said in str(caught.value)
    assert caught.value.expected


def test_the_command_that_a_pickle_is_refused_with_converts_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    pickled(folder)
    with pytest.raises(ArtifactError) as caught:
        open_model(str(folder), task=TASK)
    command = str(caught.value.action).partition(": ")[2]
    done = subprocess.run(["bash", "-c", command.replace("python ", _python(), 1)], cwd=folder)
    assert done.returncode == 0
    (folder / "pytorch_model.bin").unlink()
    assert load_model(open_model(str(folder), task=TASK).path)


def _python() -> str:
    import sys

    return f"{sys.executable} "


def test_a_folder_without_a_head_has_no_labels(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS)
    kept = {name: tensor for name, tensor in tensors.items() if "classifier" not in name}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    assert open_model(str(folder), task=TASK).labels == ()


def test_shards_become_one_file_with_the_same_answers(folder: Path, tmp_path: Path) -> None:
    import torch

    whole = open_model(str(folder), task=TASK)
    feeds = encode(whole, ["hello refund", "crash"])
    with torch.no_grad():
        wanted = load_model(folder)(**feeds).logits
    sharded(folder)
    assert len(list(folder.glob("*.safetensors"))) > 1
    source = open_model(str(folder), task=TASK)
    assert (source.parameters, source.labels) == (whole.parameters, LABELS)
    imported = import_model(source, tmp_path / "imported")
    assert [file.name for file in imported.path.glob("*.safetensors*")] == [WEIGHTS]
    with torch.no_grad():
        assert torch.equal(load_model(imported.path)(**feeds).logits, wanted)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: min(folder.glob("model-*")).unlink(), "is missing"),
        (text(INDEX, "{}"), "not an index"),
        (text(INDEX, '{"weight_map": {"x": "../x.safetensors"}}'), "plain file names"),
        (
            lambda folder: change(
                folder / INDEX,
                weight_map=json.loads((folder / INDEX).read_text())["weight_map"]
                | {"lost": min(folder.glob("model-*")).name},
            ),
            "'lost'",
        ),
    ],
)
def test_broken_shards_are_refused(folder: Path, harm: Callable[[Path], None], said: str) -> None:
    sharded(folder)
    harm(folder)
    with pytest.raises(ArtifactError, match=said):
        open_model(str(folder), task=TASK)


def test_a_vocabulary_is_converted_to_the_same_ids(
    made: Path, folder: Path, tmp_path: Path
) -> None:
    slow(folder)
    imported = import_model(open_model(str(folder), task=TASK), tmp_path / "imported")
    for row in ("hello refund", "Straße café 2nd!", "a crash again"):
        wanted = load_tokenizer(made, 64).encode(row).ids
        assert load_tokenizer(imported.path, 64).encode(row).ids == wanted


def test_a_manifest_does_not_hide_damage(made: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy")
    cut(-500)(copy)
    with pytest.raises(ArtifactError, match="do not match"):
        open_model(str(copy), task=TASK)


@pytest.mark.parametrize("manifest", [True, False])
def test_max_length_is_the_asked_one_within_the_model_s(
    made: Path, folder: Path, manifest: bool
) -> None:
    path = str(made if manifest else folder)
    assert open_model(path, task=TASK, max_length=16).max_length == 16
    with pytest.raises(UnsupportedError, match="at most 64"):
        open_model(path, task=TASK, max_length=65)


def test_other_tasks_are_refused(made: Path) -> None:
    with pytest.raises(UnknownNameError, match="text-classification"):
        open_model(str(made), task="summarization")


@pytest.mark.parametrize(
    "path",
    ["../nothing", "/nothing", "~/nothing", "nothing", "python:nothing_here/m", "python:click/m",
     "org/model"],
)  # fmt: skip
def test_a_path_to_nothing_says_where_it_looked(path: str, tmp_path: Path) -> None:
    if path == "org/model":
        needs("torch")
    with pytest.raises(ArtifactError) as caught:
        resolve(path, tmp_path)
    assert caught.value.expected
    assert caught.value.action


def test_paths_start_at_the_recipe_home_or_a_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert resolve("model", folder.parent) == folder
    assert resolve("~/model") == folder
    assert resolve("python:compress/cli").name == "cli"
