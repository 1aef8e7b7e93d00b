"""A version as a function of rows: its translation run by ONNX Runtime, or the SavedModel run by TensorFlow."""

import os

# Set before the import: since 1.29 ONNX Runtime reports each session to Microsoft and keeps an id of the machine in ~/.cache.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
