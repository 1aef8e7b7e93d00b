# The serving image, from the image that `bentoml containerize` built, without files that only building needs.
# python -m deploy.image serve   (make image)
ARG BASE=python:3.13-slim
ARG BENTO

FROM ${BASE} AS base

FROM ${BENTO} AS slim
USER root
COPY slim.sh /tmp/
# Compile to bytecode: on a read-only root, each start would compile every file.
RUN sh /tmp/slim.sh /app/.venv \
 && /app/.venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /home/bentoml/bento/src \
 && chmod -R a+rX /home/bentoml && rm /home/bentoml/bento/env/docker/Dockerfile

FROM slim AS sbom
ARG VERSION
COPY --from=base /etc/os-release /tmp/root/etc/
COPY --from=base /var/lib/dpkg /tmp/root/var/lib/dpkg
COPY sbom.sh sbom.txt page.cdx.json /tmp/
RUN sh /tmp/sbom.sh /app/.venv /tmp/root "${VERSION}" /sbom /tmp/page.cdx.json

# Only to export the file: build --target inventory --output type=local,dest=<folder>
FROM scratch AS inventory
COPY --from=sbom /sbom.cdx.json /

FROM ${BASE}
# BentoML made the user bentoml, 1034. USER below has the number, so that Kubernetes knows that it is not root.
COPY --from=slim --chown=0:0 /etc/passwd /etc/group /etc/
COPY --from=slim --chown=0:0 /app /app
COPY --from=slim --chown=0:0 /home/bentoml /home/bentoml
ARG MODELS_DIR=/home/bentoml/bento/models
ARG VERSION
ARG COMMIT
# BentoML writes to BENTOML_HOME at run time. It lies below /tmp, so that a read-only root needs one tmpfs.
ENV PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    VIRTUAL_ENV=/app/.venv \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    BENTO_PATH=/home/bentoml/bento \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_CONTAINERIZED=true \
    BENTOML_DO_NOT_TRACK=True \
    UNROLL_MODELS_DIR=${MODELS_DIR} \
    UNROLL_VERSION=${VERSION} \
    UNROLL_COMMIT=${COMMIT}
# A new volume takes its owner from this folder.
RUN install -d -o 1034 -g 1034 /store
# The official base has no bytecode of the standard library. Files that do not compile are none that we import.
RUN python -m compileall -qq -x '/(site|dist)-packages/' "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" || true
# Add NVIDIA's libraries to the linker's cache. Only the variant gpu has them.
RUN find /app/.venv/lib -path '*/nvidia/*/lib' > /etc/ld.so.conf.d/nvidia.conf && /sbin/ldconfig
WORKDIR /home/bentoml/bento
EXPOSE 3000
USER 1034:1034
ENTRYPOINT ["/home/bentoml/bento/env/docker/entrypoint.sh"]
