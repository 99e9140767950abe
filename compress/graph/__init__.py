"""Read and rewrite ONNX and OpenVINO graphs."""
