"""Servers measured beside ours, each as its own documentation would have it. `MODEL` names the SavedModel's folder; all but
`asgi_echo` and `bentoml_idle` answer with the ONNX translation in it."""
