# The training image: a job, `python -m training <arguments>`. The store is mounted at /store, as in the serving image.
# python -m deploy.image train   (make image-train)
ARG BASE=python:3.13-slim
ARG UV

FROM ${BASE} AS base

FROM ${UV} AS build
COPY requirements.txt slim.sh /tmp/
RUN uv venv -q /app/.venv \
 && uv pip install -q --no-cache --compile-bytecode --python /app/.venv --require-hashes -r /tmp/requirements.txt \
 && sh /tmp/slim.sh /app/.venv

FROM build AS sbom
ARG VERSION
COPY --from=base /etc/os-release /tmp/root/etc/
COPY --from=base /var/lib/dpkg /tmp/root/var/lib/dpkg
COPY sbom.sh sbom.txt /tmp/
RUN sh /tmp/sbom.sh /app/.venv /tmp/root "${VERSION}" /sbom

FROM scratch AS inventory
COPY --from=sbom /sbom.cdx.json /

FROM ${BASE}
COPY --from=build /app/.venv /app/.venv
COPY contract /app/src/contract
COPY training /app/src/training
ARG COMMIT
# Keras and TensorBoard write below HOME.
ENV PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    VIRTUAL_ENV=/app/.venv \
    PYTHONPATH=/app/src \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    BENTOML_HOME=/store \
    BENTOML_DO_NOT_TRACK=True \
    TF_CPP_MIN_LOG_LEVEL=2 \
    UNROLL_COMMIT=${COMMIT}
# A new volume takes its owner from this folder.
RUN install -d -o 1034 -g 1034 /store
# Records go to runs/ in the working directory, beside the store's models/ and unroll-staging/.
WORKDIR /store
# The serving image's user, so that both images may write the store.
USER 1034:1034
ENTRYPOINT ["python", "-m", "training"]
CMD ["run"]
