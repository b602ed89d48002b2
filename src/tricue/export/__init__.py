"""Models to hand on: a folder with its card, and the network as an ONNX file."""
