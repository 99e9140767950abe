"""Run and time a compressed model.

Importing this package switches the telemetry of every library off that is loaded later. All other
code of edgepress imports it first, so no library is loaded with its telemetry on.
"""

import os
import sys

_SETTINGS = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime reads it when it is imported
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and so transformers, datasets and peft
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    # A thread of transformers would ask the Hub to convert a checkpoint without safetensors.
    "DISABLE_SAFETENSORS_CONVERSION": "1",
}
os.environ.update(_SETTINGS)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # or tokenizers warns after each fork
# `import openvino` sends an event and writes below the home folder as soon as openvino_telemetry
# can be imported; where it cannot, openvino and nncf use a stub that does nothing. None is
# Python's way to say that a module cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
