"""A model that never answers: its graph ends in a loop whose condition stays true."""

from __future__ import annotations

from pathlib import Path

from runtimes.artifact import Artifact
from tests.runtimes.tiny import finish, onnx_graph


def endless_onnx(folder: Path) -> Artifact:
    """Make an ONNX artifact whose first run does not end."""
    import onnx
    from onnx import TensorProto, helper

    value, flag = helper.make_tensor_value_info, helper.make_tensor
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Mul", ["before", "one"], ["after"]),
        ],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("before", TensorProto.FLOAT, None),
        ],
        [value("on", TensorProto.BOOL, []), value("after", TensorProto.FLOAT, None)],
        [flag("one", TensorProto.FLOAT, [], [1.0])],
    )
    model = onnx_graph()
    model.graph.node[-1].output[0] = "scores"
    model.graph.initializer.append(flag("yes", TensorProto.BOOL, [], [True]))
    model.graph.node.append(helper.make_node("Loop", ["", "yes", "scores"], ["logits"], body=body))
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    return finish(folder, "onnx")
