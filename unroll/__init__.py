"""The face of the project: the `unroll` command, and what a notebook imports. Nothing else in this project imports it.

Each name is imported at its first use, because a client needs no TensorFlow and a command no HTTP client.
"""
