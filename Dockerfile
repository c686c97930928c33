# The image: a base that can reach the GPU, Python 3.11, the locked wheels and, last and in kilobytes, this project.
#
#   make image                                  build it (passes the arguments below; docs/container.md has the long form)
#   make image BASE=… INTERPRETER=base          on another base, with that base's own Python 3.11
#
# Written for BuildKit, Debian's Docker 20.10 (which the tests use) and buildah alike, hence no heredocs, no `COPY --link`, no `# syntax=`.
# Two optional build secrets, which no layer keeps: `ca` (a company's CA bundle) and `index` (the address of a PyPI mirror).

# CUDA's `base` flavour: what the NVIDIA container toolkit looks for, without cuDNN. CUDA and cuDNN come once, in the wheels.
ARG BASE=docker.io/nvidia/cuda:12.8.1-base-ubuntu24.04@sha256:133c78a0575303be34164d0b90137a042172bdf60696af01a3c424ab402d86e2
# Installs the conda half of the lock.
ARG MICROMAMBA=docker.io/mambaorg/micromamba:2.8.1@sha256:fb18405d6004af757a38ec498a078240b4fd5549146990a484c28bb7e78aace4
# Where Python 3.11 and uv come from: `conda` (conda-lock.yml), or `base` (the base's own Python, for places without conda-forge).
ARG INTERPRETER=conda


# --- INTERPRETER=conda: Python and uv as conda-lock.yml has them ---
FROM ${MICROMAMBA} AS uv-conda
# The prefix and the lock file's folder must be writable.
USER root
# The name must end in -lock.yml, or micromamba takes the file for an environment.yml.
COPY conda-lock.yml /tmp/lock/conda-lock.yml
# Each row's sha256 is checked. The package cache stays behind in this stage.
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export MAMBA_SSL_VERIFY=/run/secrets/ca; fi \
    && micromamba create --yes --prefix /opt/python --file /tmp/lock/conda-lock.yml

# uv is a tool of the build and stays behind.
FROM uv-conda AS python-conda
RUN rm -f /opt/python/bin/uv /opt/python/bin/uvx

FROM ${BASE} AS interpreter-conda
COPY --from=python-conda /opt/python /opt/python


# --- INTERPRETER=base: the base's own Python, and uv from PyPI ---
FROM ${BASE} AS interpreter-base
RUN command -v python3.11 >/dev/null \
    || { echo "samebits: INTERPRETER=base needs a BASE that has python3.11 with its venv module" >&2; exit 1; }
# The same path as conda's, so that the stages below need not know which one was chosen.
RUN mkdir -p /opt/python/bin && ln -s "$(command -v python3.11)" /opt/python/bin/python3.11

FROM interpreter-base AS uv-base
COPY locks/requirements-dev.lock /tmp/
# uv is a tool of the build: this stage stays behind, and with it pip and its virtual environment.
RUN --mount=type=secret,id=ca --mount=type=secret,id=index \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && if [ -s /run/secrets/index ]; then PIP_INDEX_URL=$(cat /run/secrets/index) && export PIP_INDEX_URL; fi \
    && grep '^uv==' /tmp/requirements-dev.lock > /tmp/uv.txt \
    && python3.11 -m venv /tmp/pip \
    && /tmp/pip/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/uv.txt \
    && cp /tmp/pip/bin/uv /opt/python/bin/uv


# --- The project, with modes that do not depend on the umask of whoever checked it out ---
FROM ${BASE} AS project
WORKDIR /opt/samebits
COPY LICENSE README.md pyproject.toml environment.yml conda-lock.yml requirements.lock ./
COPY determinism.env golden.toml entrypoint ./
COPY src src
# The kernel drops signals for a first process that has no handler for them. So without --init (as in a Kubernetes pod) Python gets
# one as it starts: `docker stop` then ends it while torch is still being imported, and a script that has none of its own.
RUN site=.venv/lib/python3.11/site-packages && mkdir -p $site \
    && echo 'import os, signal, sys; os.getpid() == 1 and signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))' \
        > $site/first_process.pth
RUN chmod -R u=rwX,go=rX .


# --- A C++ compiler, for `--target compile` with INTERPRETER=conda: it brings its own C library's headers, so any base will do ---
FROM ${MICROMAMBA} AS compiler-conda
USER root
COPY locks/compiler-lock.yml /tmp/lock/compiler-lock.yml
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export MAMBA_SSL_VERIFY=/run/secrets/ca; fi \
    && micromamba create --yes --prefix /opt/compiler --file /tmp/lock/compiler-lock.yml


# --- The image ---
FROM uv-${INTERPRETER} AS uv
FROM interpreter-${INTERPRETER} AS image
# The labels below are asserted, not believed. Read from the lock here, so that a wrong one costs a second and not 9 GB.
ARG CUDA
ARG CUDNN
RUN --mount=type=bind,source=requirements.lock,target=/opt/samebits/requirements.lock \
    for row in "nvidia-cuda-runtime-cu12==$CUDA" "nvidia-cudnn-cu12==$CUDNN"; do \
        grep -q "^$row " /opt/samebits/requirements.lock \
        || { echo "samebits: requirements.lock has no $row: build with \`make image\`, which passes CUDA and CUDNN as locked" >&2; exit 1; }; \
    done
# The same for the locks' own labels; without conda's interpreter there is none of conda-lock.yml.
ARG REQUIREMENTS_LOCK
ARG CONDA_LOCK
RUN --mount=type=bind,source=requirements.lock,target=/opt/samebits/requirements.lock \
    --mount=type=bind,source=conda-lock.yml,target=/opt/samebits/conda-lock.yml \
    digest() { echo "sha256:$(sha256sum < "/opt/samebits/$1" | cut -c-64)"; } \
    && conda=$(if [ -d /opt/python/conda-meta ]; then digest conda-lock.yml; fi) \
    && [ "$REQUIREMENTS_LOCK $CONDA_LOCK" = "$(digest requirements.lock) $conda" ] \
    || { echo "samebits: a lock's sha256 is not REQUIREMENTS_LOCK or CONDA_LOCK: build with \`make image\`, which passes both" >&2; exit 1; }

# The one big layer: every wheel as locked, and bytecode that is valid by its source's hash and not by its time. uv comes from
# the stage that has it; it and the cache are mounted below /run, where an empty mount point, which BuildKit leaves, means nothing.
# No second stage: copying 9 GB would store them twice. The .pth and the script are what an editable install of the project
# would leave; being here, they make a change of the project's code a mere COPY of kilobytes.
RUN --mount=type=bind,from=uv,source=/opt/python/bin,target=/run/uv \
    --mount=type=bind,source=requirements.lock,target=/opt/samebits/requirements.lock \
    --mount=type=cache,target=/run/uv-cache \
    --mount=type=secret,id=ca --mount=type=secret,id=index \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi \
    && if [ -s /run/secrets/index ]; then UV_DEFAULT_INDEX=$(cat /run/secrets/index) && export UV_DEFAULT_INDEX; fi \
    && export UV_CACHE_DIR=/run/uv-cache UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never \
    && export UV_COMPILE_BYTECODE=1 PYC_INVALIDATION_MODE=CHECKED_HASH \
    && cd /opt/samebits \
    && /run/uv/uv venv --python /opt/python/bin/python3.11 .venv \
    && /run/uv/uv pip sync --python .venv/bin/python --require-hashes --only-binary :all: requirements.lock \
    && echo /opt/samebits/src > .venv/lib/python3.11/site-packages/samebits.pth \
    && printf '#!/opt/samebits/.venv/bin/python\nfrom samebits.cli import main\nmain()\n' > .venv/bin/samebits \
    && chmod 755 .venv/bin/samebits \
    && rm -f .venv/.lock

# The libraries themselves say, without a GPU, which versions they are.
RUN --mount=type=bind,source=tools/cuda_versions.py,target=/opt/samebits/cuda_versions.py \
    /opt/samebits/.venv/bin/python -B /opt/samebits/cuda_versions.py "$CUDA" "$CUDNN"

# Runs come out here: ./runs is the default folder. Like /tmp, anybody may write to it, so any --user works without a volume.
RUN mkdir -m 1777 /workspace
WORKDIR /workspace

# One's own code last: changing it rebuilds and pushes this layer only.
COPY --from=project /opt/samebits /opt/samebits

# PATH serves those who come past the entrypoint (docker exec). The NVIDIA variables make the GPU visible on any base, and let the
# toolkit refuse a driver that is too old for the locked CUDA; NVIDIA's own bases say that in more detail, which is kept.
ENV PATH=/opt/samebits/.venv/bin:$PATH \
    SAMEBITS_ROOT=/opt/samebits \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_REQUIRE_CUDA="${NVIDIA_REQUIRE_CUDA:-cuda>=12.8}"
ARG COMMIT
# A manifest written in the image names the commit that it was built from.
ENV SAMEBITS_COMMIT=$COMMIT
LABEL org.opencontainers.image.title=samebits \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.revision=$COMMIT \
      samebits.cuda=$CUDA \
      samebits.cudnn=$CUDNN \
      samebits.lock.requirements=$REQUIREMENTS_LOCK \
      samebits.lock.conda=$CONDA_LOCK
# Not root. A number, since an arbitrary --user has no name either; the first user of most desktops, whose volumes then fit.
USER 1000:1000
ENTRYPOINT ["/opt/samebits/entrypoint"]
CMD ["train"]


# --- `--target compile`: the image and what torch.compile and Triton need, a C++ compiler and Python's headers ---
# conda's, as locks/compiler-lock.yml has it; the headers came with conda's Python. Last on PATH: it serves no other name than its own.
FROM image AS compile-conda
COPY --from=compiler-conda /opt/compiler /opt/compiler
ENV PATH=$PATH:/opt/compiler/bin

# The base's own, as its headers must be. Which versions, its package mirror decides: NAME=VERSION pins one.
FROM image AS compile-base
ARG COMPILER="g++ libc6-dev python3.11-dev"
USER root
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $COMPILER \
    && rm -rf /var/lib/apt/lists /var/cache/apt /var/cache/debconf /var/cache/ldconfig /var/log/*

FROM compile-${INTERPRETER} AS compile
USER 1000:1000


# --- Without --target: the image ---
FROM image
