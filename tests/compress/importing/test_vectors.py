"""An encoder that another tool exported is imported with its vector, and needs no labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from compress.answers.folder import folder_answers
from compress.data.dataset import no_rows
from compress.export.stage import Export
from compress.importing.importing import Import, import_exported
from compress.models.teacher import import_model
from compress.progress import Silence
from compress.stage import RunContext, execute
from tests.compress.tiny_vectors import make_encoder, opened

TEXTS = ("refund my card", "the screen is broken", "thanks")


def test_a_vector_s_dimensions_are_numbered(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder", layers=1)
    source = import_model(opened(encoder), tmp_path / "teacher")
    context = RunContext(no_rows(source.labels), None, 7, tmp_path / "work")
    made = execute(Export(format="onnx"), source, context, tmp_path / "made")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("model.onnx", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(made.path / name, other / name)
    asked = Import(other, task="sentence-similarity", max_length=48)
    found = import_exported(asked, tmp_path / "imported", Silence())
    assert found.task == "feature-extraction"
    assert found.labels == source.labels
    assert found.outputs == made.outputs
    expected = folder_answers(made, made.path, TEXTS)
    for one, answer in zip(expected, folder_answers(found, found.path, TEXTS), strict=True):
        np.testing.assert_array_equal(one, answer)
