# An image of the Dockerfile, and what torch.compile and Triton need: a C++ compiler and Python's headers.
# `make image TARGET=compile` builds the one and then this, from the same arguments.
ARG IMAGE=samebits
ARG MICROMAMBA
ARG INTERPRETER=conda

# --- conda's, as locks/compiler-lock.yml has it: it brings its own C library's headers, so any base does ---
FROM ${MICROMAMBA} AS compiler
USER root
# The name must end in -lock.yml, or micromamba takes the file for an environment.yml.
COPY locks/compiler-lock.yml /tmp/lock/compiler-lock.yml
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export MAMBA_SSL_VERIFY=/run/secrets/ca; fi \
    && micromamba create --yes --prefix /opt/compiler --file /tmp/lock/compiler-lock.yml

# Python's headers came with conda's Python. Last on PATH: the compiler serves no other name than its own.
FROM ${IMAGE} AS compile-conda
COPY --from=compiler /opt/compiler /opt/compiler
ENV PATH=$PATH:/opt/compiler/bin

# --- The base's own, as its headers must be. Its package mirror has the version: NAME=VERSION pins one ---
FROM ${IMAGE} AS compile-base
ARG COMPILER="g++ libc6-dev python3.11-dev"
USER root
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $COMPILER \
    && rm -rf /var/lib/apt/lists /var/cache/apt /var/cache/debconf /var/cache/ldconfig /var/log/*

FROM compile-${INTERPRETER}
USER 1000:1000
