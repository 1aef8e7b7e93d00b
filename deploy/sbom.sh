#!/bin/sh
# Lists the Python and Debian packages of an image (CycloneDX). Fails where a Python package lacks another.
#   sbom.sh <environment> <root of the base image> <version> <list>
# Runs in the image's build, beside sbom.txt.
set -eu
folder=$(dirname "$0")
uv pip check -q --python "$1"
uv venv -q "$folder/tools"
uv pip install -q --python "$folder/tools" --require-hashes -r "$folder/sbom.txt"
printf '[project]\nname = "unroll"\nversion = "%s"\n' "$3" > "$folder/pyproject.toml"
PATH=$folder/tools/bin:$PATH
cyclonedx-py environment --pyproject "$folder/pyproject.toml" --output-file "$folder/python.cdx.json" "$1/bin/python"
debsbom generate --sbom-type cdx --root "$2" --out "$folder/debian"
debsbom merge --sbom-type cdx --distro-name unroll --distro-version "$3" --out "$4" "$folder/python.cdx.json" "$folder/debian.cdx.json"
