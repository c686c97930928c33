"""Make the locks out of environment.yml (and pyproject.toml), or say which of them is stale.

    lock                                what is in it         asked for in                         solved by
    conda-lock.yml                      the interpreter, uv   environment.yml without `pip:`       conda-lock
    requirements.lock                   torch, TensorFlow, …  environment.yml, `pip:`              uv

A project with a folder locks/ has three more, as this repository does:

    locks/requirements-dev.lock         ruff, pytest, …, uv   pyproject.toml, group `dev`          uv
    locks/requirements-conda-lock.lock  conda-lock itself     pyproject.toml, group `conda-lock`   uv
    locks/compiler-lock.yml             a C++ compiler        locks/compiler.yml, if it is there   conda-lock

conda-lock is not asked for the wheels, since its PyPI solver gets the CUDA pins wrong; as it solves `pip:`
whenever it sees it, it gets a copy of environment.yml without. A lock keeps the versions that it has where
the request allows (`--upgrade` moves them), and says in its header which request it answers. Works on the
current folder; nothing is written unless every solver has answered.
"""
