"""Servers measured beside ours, each as its own documentation would have it. `MODEL` names the SavedModel's folder."""
