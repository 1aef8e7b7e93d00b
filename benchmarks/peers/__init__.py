"""Servers to compare with, each configured as its documentation recommends. `MODEL` names the SavedModel's folder. All but
`asgi_echo` and `bentoml_idle` answer with the ONNX translation in it."""
