"""The model card and the bill of materials say where a model comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compress.models.teacher import import_model, open_model
from compress.release.bom import bill_of_materials
from compress.release.card import card
from compress.run.bundle import write_bundle
from compress.stage import RunContext, execute
from runtimes.artifact import Artifact, open_artifact
from tests.absent import needs
from tests.compress.stand_in import Copy
from tests.compress.tiny_models import make_data, make_model
from tests.runtimes.tiny import tiny_onnx

README = "---\nlicense: apache-2.0\nlanguage: en\n---\n\n# A teacher\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Return what a stage made of a teacher with papers."""
    folder = tmp_path_factory.mktemp("papers")
    make_model(folder / "theirs")
    (folder / "theirs" / "artifact.json").unlink()
    (folder / "theirs" / "README.md").write_text(README)
    (folder / "theirs" / "LICENSE").write_text("Apache License")
    teacher = open_model(str(folder / "theirs"), task="text-classification")
    source = import_model(teacher, folder / "teacher")
    context = RunContext(make_data(), source, seed=7, scratch=folder / "scratch")
    execute(Copy(), source, context, folder / "made")
    return open_artifact(folder / "made")


def test_the_manifest_names_the_teacher_the_data_and_the_code(made: Artifact) -> None:
    teacher, data, code = (made.provenance[part] for part in ("teacher", "data", "code"))
    assert (teacher["name"], teacher["license"]) == ("theirs", "apache-2.0")
    assert len(teacher["digest"]) == 64
    assert (data["digest"], data["train"], data["test"]) == (make_data().digest, 300, 130)
    assert set(code) == {"edgepress", "copy"}
    (record,) = made.history
    assert len(record.source) == 64
    assert record.tools["tokenizers"] != "not installed"


def test_the_teacher_s_papers_are_carried_along(made: Artifact) -> None:
    assert (made.path / "teacher-README.md").read_text() == README
    assert {"teacher-README.md", "teacher-LICENSE"} <= set(made.files)


def test_a_bundle_carries_papers_and_names_the_recipe(tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path / "model")
    recipe = {"name": "first", "digest": "0" * 64}
    bundle = open_artifact(write_bundle(model, tmp_path / "bundle", recipe=recipe))
    assert bundle.provenance["recipe"] == recipe


def test_the_card_s_head_is_what_the_hub_reads(made: Artifact) -> None:
    needs("huggingface_hub")
    from huggingface_hub import ModelCard

    read = ModelCard(card(made))
    head: dict[str, Any] = read.data.to_dict()  # type: ignore[no-untyped-call]
    assert head["license"] == "apache-2.0"
    assert head["pipeline_tag"] == "text-classification"
    assert {"edgepress", "fp32"} <= set(head["tags"])
    for told in (made.digest, "theirs", make_data().digest, "**copy**", "edgepress gate --verdict"):
        assert told in read.text


def test_a_label_cannot_write_the_card(tmp_path: Path) -> None:
    import dataclasses

    needs("huggingface_hub")
    labels = ("<script>alert(1)</script>", "a\n## Evidence\n| PASS |", "c")
    text = card(dataclasses.replace(tiny_onnx(tmp_path), labels=labels))
    assert "<script>" not in text
    assert text.count("\n## Evidence") == 1


def test_the_bill_of_materials_is_valid_and_complete(made: Artifact) -> None:
    needs("cyclonedx")
    content = json.loads(bill_of_materials(made))
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    model = content["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert {part["name"] for part in model["components"]} == set(made.files)
    kinds = {part["name"]: part["type"] for part in content["components"]}
    assert kinds["theirs"] == "machine-learning-model"
    assert kinds["data"] == "data"
    assert kinds["tokenizers"] == "library"
