"""What holds for every task whose head reads every token's last state."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from compress.distill.stage import Distill
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.models.architectures import FULL
from compress.models.outline import outline_of
from compress.models.torch_model import load_model
from compress.prune.slicing import prune_heads
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from runtimes.artifact import read_artifact
from runtimes.errors import UnsupportedError
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_models import make_model


class EveryTokenContract(StagesContract):
    """Hold a task to the contract of stages, and its pruned models to their class.

    `labels` are the names of the outputs, `auto_class` the transformers class that loads a head.
    """

    labels: ClassVar[tuple[str, ...]]
    auto_class: ClassVar[str]

    def test_what_reads_one_token_alone_is_refused_before_any_work(self, bench: Bench) -> None:
        assert bench.teacher is not None
        outline = outline_of(bench.teacher)
        exported = dataclasses.replace(outline, format="onnx")
        for stage, source in (
            (Quantize(scheme="int8-dynamic", weights="int4"), exported),
            (Distill(layers=1, quantization_aware=["weights"]), outline),
            (Finetune(method="frozen"), outline),
        ):
            with pytest.raises(UnsupportedError, match=self.name):
                stage.check(source)

    @pytest.mark.parametrize("model_type", sorted(FULL))
    def test_every_architecture_is_pruned_saved_and_exported(
        self, model_type: str, tmp_path: Path
    ) -> None:
        """A model with fewer heads and a narrower stream answers the same in torch and in ONNX."""
        source = make_model(tmp_path / "model", model_type)
        model = load_model(source.path, self.name, labels=self.labels)
        heads = model.config.num_attention_heads
        prune_heads(model, [np.arange(heads // 2)] * model.config.num_hidden_layers)
        (name,) = model.config.auto_map
        assert name == self.auto_class
        bench = self.bench_of(tmp_path, 80)
        plain = dataclasses.replace(read_artifact(source.path), task=self.name)
        bench.teacher = bench.run(Finetune(epochs=1), plain, "teacher")
        cut = Prune(heads=0.5, hidden=3 * (model.config.hidden_size // heads), recovery_epochs=0)
        pruned = bench.run(cut, bench.teacher, "pruned")
        exported = bench.run(Export(format="onnx"), pruned, "onnx")
        for one, other in zip(bench.answers(exported), bench.answers(pruned), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
