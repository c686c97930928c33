# The base's own Python 3.11 in place of conda's, for places that do not reach conda-forge; and uv from PyPI.
# `make image INTERPRETER=base` builds this and hands it to the Dockerfile as PYTHON_FROM.
ARG BASE
FROM ${BASE}
RUN command -v python3.11 >/dev/null \
    || { echo "samebits: INTERPRETER=base needs a BASE that has python3.11 with its venv module" >&2; exit 1; }
# Where the stage `conda` has them. Python is a link, which leads to the same place in the image.
RUN --mount=type=bind,source=locks/requirements-dev.lock,target=/tmp/requirements-dev.lock \
    --mount=type=secret,id=ca --mount=type=secret,id=index \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && if [ -s /run/secrets/index ]; then PIP_INDEX_URL=$(cat /run/secrets/index) && export PIP_INDEX_URL; fi \
    && mkdir -p /opt/python/bin /opt/uv \
    && ln -s "$(command -v python3.11)" /opt/python/bin/python3.11 \
    && grep '^uv==' /tmp/requirements-dev.lock > /opt/uv/uv.txt \
    && python3.11 -m venv /opt/pip \
    && /opt/pip/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /opt/uv/uv.txt \
    && mv /opt/pip/bin/uv /opt/uv/uv \
    && rm -r /opt/pip
