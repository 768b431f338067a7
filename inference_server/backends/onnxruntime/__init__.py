"""The python-based `onnxruntime` backend of the embedded Triton."""
