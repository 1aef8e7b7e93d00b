# The base image, and uv by its hash, which installs the packages of both images. The context is requirements/.
ARG BASE=python:3.13-slim
FROM ${BASE}
COPY uv.txt /tmp/
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -q --require-hashes -r /tmp/uv.txt
# A base with another Python is an error. uv would download one.
ENV UV_PYTHON_DOWNLOADS=never
