"""Write tests/data/tiny.tflite again: python -m tests.runtimes.tiny_tflite, with litert-torch.

It is the graph of `tests.runtimes.tiny.onnx_graph`, with its weights. litert-torch cannot live
beside the extra `release`, so that the file is kept for the tests of the runtime.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TFLITE = Path(__file__).parents[1] / "data" / "tiny.tflite"
LENGTHS = (8, 16, 32)


def tiny_module() -> Any:
    """Return the graph of `onnx_graph` as a torch module of the same weights."""
    import torch
    from onnx import numpy_helper

    from tests.runtimes.tiny import onnx_graph

    tensors = {t.name: numpy_helper.to_array(t) for t in onnx_graph().graph.initializer}
    weights = {name: torch.from_numpy(np.array(tensors[name])) for name in ("table", "w0", "head")}

    class Tiny(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.ParameterDict(weights)

        def forward(self, input_ids: Any, attention_mask: Any) -> dict[str, Any]:
            table, inner, head = (self.weights[name] for name in ("table", "w0", "head"))
            hidden = torch.tanh(torch.nn.functional.embedding(input_ids, table) @ inner)
            mask = attention_mask.to(torch.float32)[:, :, None]
            return {"logits": ((hidden * mask).sum(1) / mask.sum(1)) @ head}

    return Tiny().eval()


def write(path: Path) -> None:
    """Convert the module, one signature a length."""
    import litert_torch
    import torch

    from runtimes.litert_runtime import SIGNATURE

    signatures: Any = litert_torch
    for length in LENGTHS:
        ids = torch.ones((1, length), dtype=torch.int64)
        feeds = {"input_ids": ids, "attention_mask": ids.clone()}  # one tensor would be one input
        name = f"{SIGNATURE}{length}"
        signatures = signatures.signature(name, tiny_module(), sample_kwargs=feeds)
    signatures.convert(enable_x64=True).export(str(path))


if __name__ == "__main__":
    write(TFLITE)
