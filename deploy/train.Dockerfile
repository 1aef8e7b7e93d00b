# The training image: a job, `python -m training <arguments>`. The store is mounted at /store, as in the serving image.
# python -m deploy.image train   (make image-train)
ARG BASE=python:3.11-slim

FROM ${BASE} AS base

FROM ${BASE} AS build
RUN python3 -m venv /app/.venv
COPY requirements.txt slim.sh /tmp/
RUN /app/.venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check -q -r /tmp/requirements.txt \
 && /app/.venv/bin/python -m pip uninstall -q -y pip setuptools \
 && sh /tmp/slim.sh /app/.venv

FROM build AS sbom
ARG CYCLONEDX
COPY --from=base /var/lib/dpkg /tmp/dpkg
COPY sbom.py /tmp/
RUN python3 -m venv /sbom && /sbom/bin/python -m pip install --no-cache-dir -q cyclonedx-bom==${CYCLONEDX}
RUN /sbom/bin/cyclonedx-py environment --of JSON -o /tmp/python.json /app/.venv/bin/python \
 && /sbom/bin/python /tmp/sbom.py /tmp/python.json /tmp/dpkg /sbom.json

FROM scratch AS inventory
COPY --from=sbom /sbom.json /

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
