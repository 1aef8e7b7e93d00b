#!/bin/sh
# Lists the Python and Debian packages of an image (CycloneDX), and what other lists name. Fails where a Python package lacks
# another.
#   sbom.sh <environment> <root of the base image> <version> <list> [<other list> ...]
# Runs in the image's build, beside sbom.txt.
set -eu
folder=$(dirname "$0")
python=$1 root=$2 version=$3 list=$4
shift 4
uv pip check -q --python "$python"
uv venv -q "$folder/tools"
uv pip install -q --python "$folder/tools" --require-hashes -r "$folder/sbom.txt"
printf '[project]\nname = "unroll"\nversion = "%s"\n' "$version" > "$folder/pyproject.toml"
PATH=$folder/tools/bin:$PATH
cyclonedx-py environment --pyproject "$folder/pyproject.toml" --output-file "$folder/python.cdx.json" "$python/bin/python"
debsbom generate --sbom-type cdx --root "$root" --out "$folder/debian"
debsbom merge --sbom-type cdx --distro-name unroll --distro-version "$version" --out "$list" \
  "$folder/python.cdx.json" "$folder/debian.cdx.json" "$@"
