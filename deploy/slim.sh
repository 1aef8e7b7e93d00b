#!/bin/sh
# Takes from a virtual environment what only building against it needs.  slim.sh <environment>
set -eu
packages=$(echo "$1"/lib/python3.*/site-packages)
rm -rf "$packages/tensorflow/include" "$packages/clang" "$1/.lock"
apt-get update -qq
apt-get install -y -qq --no-install-recommends binutils >/dev/null
# TensorFlow's own libraries only, which carry their symbols: NumPy's stop loading when stripped.
find "$packages/tensorflow" -name '*.so*' -type f -exec strip --strip-unneeded {} +
