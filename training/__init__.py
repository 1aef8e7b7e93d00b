"""From sequences to a version in the store."""

import os

# Before it is imported: from 1.29 on ONNX Runtime tells Microsoft of every session, and keeps an id of the machine in ~/.cache.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
