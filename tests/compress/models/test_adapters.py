"""A LoRA adapter is merged first, and the result answers as the adapted model does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compress.models.teacher import open_model
from runtimes.errors import ArtifactError
from tests.compress.text_models import load_model
from tests.compress.tiny_models import encode, make_model

# peft asks transformers for an attribute that is to be removed.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

peft = pytest.importorskip("peft")


def adapted(tmp_path: Path) -> tuple[Path, Path]:
    """Return a base model without a manifest and a trained-looking adapter of it."""
    import torch

    base = tmp_path / "base"
    make_model(base, "bert")
    (base / "artifact.json").unlink()
    torch.manual_seed(3)
    model = load_model(base, labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    config = peft.LoraConfig(
        task_type="SEQ_CLS", r=4, target_modules=["query", "value"], init_lora_weights=False
    )
    wrapped = peft.get_peft_model(model, config)
    wrapped.peft_config["default"].base_model_name_or_path = str(base)
    wrapped.save_pretrained(tmp_path / "adapter")
    return base, tmp_path / "adapter"


def test_a_merged_adapter_answers_as_the_adapted_model(tmp_path: Path) -> None:
    import torch

    base, folder = adapted(tmp_path)
    artifact = open_model(str(folder), task="text-classification")
    assert artifact.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    plain = load_model(base, labels=artifact.labels)
    wrapped = peft.PeftModel.from_pretrained(plain, str(folder)).eval()
    inputs = encode(artifact, ["my card was charged twice", "great service"])
    with torch.inference_mode():
        wanted = wrapped(**inputs).logits.numpy()
        logits = load_model(artifact.path)(**inputs).logits.numpy()
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


def test_an_adapter_without_a_head_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    _, folder = adapted(tmp_path)
    weights = load_file(folder / "adapter_model.safetensors")
    kept = {name: value for name, value in weights.items() if "classifier" not in name}
    save_file(kept, folder / "adapter_model.safetensors")
    with pytest.raises(ArtifactError, match="no classification head"):
        open_model(str(folder), task="text-classification")
