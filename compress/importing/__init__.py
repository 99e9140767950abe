"""Make an artifact of an ONNX or OpenVINO model that another tool wrote."""
