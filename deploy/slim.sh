#!/bin/sh
# Removes files from a virtual environment that nothing needs at run time.  slim.sh <environment>
set -eu
packages=$(echo "$1"/lib/python3.*/site-packages)
rm -rf "$1/.lock" "$packages"/nvidia/*/include
# ONNX Runtime has its engine twice: in the Python module, and in a library for C programs. The three folders only prepare models.
runtime="$packages/onnxruntime"
rm -rf "$runtime"/capi/libonnxruntime.so.* "$runtime/quantization" "$runtime/tools" "$runtime/transformers"
[ -d "$packages/tensorflow" ] || exit 0
rm -rf "$packages/tensorflow/include" "$packages/clang"
apt-get update -qq
apt-get install -y -qq --no-install-recommends binutils >/dev/null
# Only TensorFlow's own libraries, which carry their symbols: NumPy's do not load once stripped.
find "$packages/tensorflow" -name '*.so*' -type f -exec strip --strip-unneeded {} +
