# The image: a base that can reach the GPU, Python 3.11, the locked wheels and, last, this project.
#
#   make image                      builds it, with the arguments below; by hand: docs/container.md
#   make image INTERPRETER=base     the base's own Python in place of conda's: docker/base-python.Dockerfile
#   make image TARGET=compile       with a C++ compiler: docker/compile.Dockerfile
#
# BuildKit, Debian's Docker 20.10 and buildah build it: no heredocs, no `COPY --link`, no `# syntax=`.
# Two optional secrets, which no layer keeps: `ca` (a company's CA bundle), `index` (a PyPI mirror's address).

# CUDA's `base` flavour: what the NVIDIA container toolkit looks for. CUDA and cuDNN come once, in the wheels.
ARG BASE=docker.io/nvidia/cuda:12.8.1-base-ubuntu24.04@sha256:133c78a0575303be34164d0b90137a042172bdf60696af01a3c424ab402d86e2
ARG MICROMAMBA=docker.io/mambaorg/micromamba:2.8.1@sha256:fb18405d6004af757a38ec498a078240b4fd5549146990a484c28bb7e78aace4
# What has Python in /opt/python and uv in /opt/uv: this stage, or an image of docker/base-python.Dockerfile.
ARG PYTHON_FROM=conda

# --- Python and uv as conda-lock.yml has them ---
FROM ${MICROMAMBA} AS conda
# The prefix and the lock's folder must be writable.
USER root
# The name must end in -lock.yml, or micromamba takes the file for an environment.yml.
COPY conda-lock.yml /tmp/lock/conda-lock.yml
# Each row's sha256 is checked. The package cache stays behind, and so does uv, which is a tool of the build.
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export MAMBA_SSL_VERIFY=/run/secrets/ca; fi \
    && micromamba create --yes --prefix /opt/python --file /tmp/lock/conda-lock.yml \
    && mkdir /opt/uv && mv /opt/python/bin/uv /opt/uv/uv && rm -f /opt/python/bin/uvx

FROM ${PYTHON_FROM} AS python

# --- The project, with modes that do not depend on the umask of the person who checked it out ---
FROM ${BASE} AS project
WORKDIR /opt/samebits
COPY LICENSE README.md pyproject.toml environment.yml conda-lock.yml requirements.lock ./
COPY determinism.env golden.toml entrypoint ./
COPY src src
# The kernel drops signals for a first process that has no handler for them. So without --init (as in a
# Kubernetes pod) Python gets one as it starts: `docker stop` then ends it even while torch is being imported.
RUN site=.venv/lib/python3.11/site-packages && mkdir -p $site \
    && echo 'import os, signal, sys; os.getpid() == 1 and signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))' \
        > $site/first_process.pth \
    && cp src/samebits_begin.pth $site
RUN chmod -R u=rwX,go=rX .

# --- The image ---
FROM ${BASE}
COPY --from=python /opt/python /opt/python

# The one big layer: every wheel as locked, and bytecode that is valid by its source's hash, not by its time.
# What only the build needs is mounted below /run, where the empty folders that BuildKit leaves do no harm.
# A second stage would store 9 GB twice. The .pth and the script are what an editable install of the project
# leaves; as they are here, a change of the project's code is a COPY of kilobytes.
# UV_INDEX_STRATEGY: for a lock that names a second index (make lock INDEX=…); its hashes decide.
RUN --mount=type=bind,from=python,source=/opt/uv,target=/run/uv \
    --mount=type=bind,source=requirements.lock,target=/opt/samebits/requirements.lock \
    --mount=type=cache,target=/run/uv-cache \
    --mount=type=secret,id=ca --mount=type=secret,id=index \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi \
    && if [ -s /run/secrets/index ]; then UV_DEFAULT_INDEX=$(cat /run/secrets/index) && export UV_DEFAULT_INDEX; fi \
    && export UV_CACHE_DIR=/run/uv-cache UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never \
    && export UV_INDEX_STRATEGY=unsafe-best-match UV_COMPILE_BYTECODE=1 PYC_INVALIDATION_MODE=CHECKED_HASH \
    && cd /opt/samebits \
    && /run/uv/uv venv --python /opt/python/bin/python3.11 .venv \
    && /run/uv/uv pip sync --python .venv/bin/python --require-hashes --only-binary :all: requirements.lock \
    && echo /opt/samebits/src > .venv/lib/python3.11/site-packages/samebits.pth \
    && printf '#!/opt/samebits/.venv/bin/python\nfrom samebits.cli import main\nmain()\n' > .venv/bin/samebits \
    && chmod 755 .venv/bin/samebits \
    && rm -f .venv/.lock

# The labels below are checked: the locks are hashed, and CUDA's libraries are asked for their versions.
ARG CUDA
ARG CUDNN
ARG REQUIREMENTS_LOCK
ARG CONDA_LOCK
RUN --mount=type=bind,source=requirements.lock,target=/opt/samebits/requirements.lock \
    --mount=type=bind,source=conda-lock.yml,target=/opt/samebits/conda-lock.yml \
    --mount=type=bind,source=tools/cuda_versions.py,target=/opt/samebits/cuda_versions.py \
    cd /opt/samebits && digest() { echo "sha256:$(sha256sum < "$1" | cut -c-64)"; } \
    && conda=$(if [ -d /opt/python/conda-meta ]; then digest conda-lock.yml; fi) \
    && if [ "$REQUIREMENTS_LOCK $CONDA_LOCK" != "$(digest requirements.lock) $conda" ]; then \
        echo "samebits: a lock's sha256 is not REQUIREMENTS_LOCK or CONDA_LOCK: build with \`make image\`, which passes both" >&2 && exit 1; \
    fi \
    && .venv/bin/python -B cuda_versions.py "$CUDA" "$CUDNN"

# Runs come out here, in ./runs. Anybody may write to it, as to /tmp: any --user works, without a volume.
RUN mkdir -m 1777 /workspace
WORKDIR /workspace

# The project's code comes last: changing it rebuilds and pushes this layer only.
COPY --from=project /opt/samebits /opt/samebits

# PATH is for those who come past the entrypoint (docker exec). The NVIDIA variables make the GPU visible on
# any base and let the toolkit refuse a driver too old for the locked CUDA; NVIDIA's own, longer list stays.
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
# Not root. A number, since an arbitrary --user has no name either; the first user of most desktops.
USER 1000:1000
ENTRYPOINT ["/opt/samebits/entrypoint"]
CMD ["train"]
