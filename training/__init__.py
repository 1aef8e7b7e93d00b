"""Training: from sequences to a version in the store."""

import os

# Set before ONNX Runtime is imported: from 1.29 on it reports every session to Microsoft, and keeps a machine id in ~/.cache.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
