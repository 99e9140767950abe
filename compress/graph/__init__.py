"""Read and rewrite graphs: ONNX, OpenVINO, and traced torch programs."""
