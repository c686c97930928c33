# Every target goes through ./entrypoint, which exports determinism.env before Python starts.
.DEFAULT_GOAL := help
SHELL = /bin/sh
.DELETE_ON_ERROR:

# Options of a run on make's command line: make train ARGS="--epochs 5 --seed 7"
FRAMEWORK ?=
ARGS ?=
export FRAMEWORK NET PROFILE RUNS NO_RESUME SEEDS JOBS DEVICE KEEP JSON
# Empty: the first docker on PATH whose engine answers, then podman.
DOCKER ?=
# Empty: the project's name.
IMAGE ?=
export DOCKER IMAGE BASE INTERPRETER TARGET CA
# The interpreter that the environment is built on; it must be Python 3.11.
PYTHON ?=
# An executable for conda-lock to solve with; without it conda-lock finds its own.
CONDA ?=

# A variable that nothing reads is a misspelt one. Where another Makefile called this one, its own variables come along.
KNOWN := ARGS BASE CA CONDA DEVICE DOCKER FILE FRAMEWORK IMAGE INDEX INTERPRETER JOBS JSON KEEP KILLS NET NO_RESUME ONLY PACKAGE PORT \
    PROFILE PYTHON REGISTRY RUNS SEEDS STRESS TARGET VERSION WRITE SAMEBITS_%
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
UNKNOWN := $(if $(filter 0,$(MAKELEVEL)),$(filter-out $(KNOWN),$(GIVEN)))
ifneq ($(UNKNOWN),)
$(error $(UNKNOWN): no target reads this variable. Known: $(KNOWN). Options of a training: ARGS="--epochs 2". \
    Variables of other programs stand before make: NAME=value make TARGET)
endif

CREATE_ENV := src/samebits/bootstrap/create-env
READY := .venv/.ready
READY_DEV := .venv/.ready-dev
LOCKS := requirements.lock locks/requirements-dev.lock pyproject.toml determinism.env environment.yml src/samebits_begin.pth
# Another interpreter than the environment's is never passed over in silence.
ASKED := $(if $(PYTHON),asked)

# What a newcomer needs, in this order; help lists the others below.
FIRST := train smoke test doctor new
ROW = sed -n 's/^\($(1)\):.*\#\# \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

.PHONY: help
help:  ## list the targets
	@$(foreach name,$(FIRST),$(call ROW,$(name));) echo
	@$(call ROW,[a-z-]*) | grep -v $(FIRST:%=-e '^  make % ')

# ---------------------------------------------------------------- the environment
.PHONY: env
env:  ## install the locked environment into .venv, or bring .venv back to it (PYTHON=/usr/bin/python3.11)
	@$(CREATE_ENV) $(PYTHON)
	@echo ".venv is what the locks say"

.PHONY: asked
$(READY): $(LOCKS) $(CREATE_ENV) $(ASKED)
	@$(CREATE_ENV) $(PYTHON)

$(READY_DEV): $(LOCKS) $(CREATE_ENV) $(ASKED)
	@$(CREATE_ENV) --dev $(PYTHON)

.PHONY: add
add: $(READY_DEV)  ## add the newest version that fits, with its lock, to the environment (PACKAGE="pandas rich==15.0.0")
	@./entrypoint samebits add $(PACKAGE) $(ARGS)

.PHONY: lock
lock: $(READY_DEV)  ## solve environment.yml again and write the locks (INDEX=ADDRESS of other builds)
	@./entrypoint samebits lock $(if $(CONDA),--conda $(CONDA)) $(if $(INDEX),--index $(INDEX)) $(ARGS)

.PHONY: lock-diff
lock-diff: $(READY_DEV)  ## what `make lock` would change, and nothing written (ARGS=--upgrade, ARGS=--json)
	@./entrypoint samebits lock --dry-run $(if $(CONDA),--conda $(CONDA)) $(if $(INDEX),--index $(INDEX)) $(ARGS)

.PHONY: lock-check
lock-check: $(READY_DEV)  ## fail when environment.yml has changed since the locks were written
	@./entrypoint samebits lock --check

.PHONY: sbom
sbom: $(READY_DEV)  ## write sbom.cdx.json, the bill of materials of a release, from the locks
	@./entrypoint python tools/sbom.py

# ---------------------------------------------------------------- a run
.PHONY: train
train: $(READY)  ## train the starter (ARGS="--epochs 5 --seed 7"); SEEDS=5: with five seeds, and how much they vary
	@./entrypoint $(if $(SEEDS),seeds,train) $(ARGS)

.PHONY: notebook
notebook: $(READY_DEV)  ## JupyterLab on loopback with a token (PORT=8888)
	@./entrypoint python tools/notebooks.py lab $(if $(PORT),--port $(PORT))

.PHONY: notebooks
notebooks: $(READY_DEV)  ## make the notebooks from the starter's scripts
	@./entrypoint python tools/notebooks.py write

.PHONY: notebook-strip
notebook-strip: $(READY_DEV)  ## remove outputs and counts from the notebooks, as they are committed
	@./entrypoint python tools/notebooks.py strip

.PHONY: smoke
smoke: $(READY)  ## train twice, interrupt the second, compare (RUNS=10 JOBS=2 NET=hazards DEVICE=cuda)
	@./entrypoint smoke $(ARGS)

.PHONY: resume-proof
resume-proof: $(READY)  ## stop, kill and damage a training; it must resume to the same weights (KILLS=25)
	@./entrypoint samebits resume-proof ./entrypoint train --epochs 3 $(ARGS)

TRAININGS = --train "starter.train_torch" --train "starter.train_keras"
.PHONY: portable-proof
portable-proof: $(READY)  ## twelve hundred operations and trainings on four emulated CPUs: one hash each (JOBS=2)
	@./entrypoint samebits portable-proof $(TRAININGS) $(ARGS)

RECORDED = src/samebits/proof/portable/recorded.json
.PHONY: portable-check
portable-check: $(READY)  ## the same operations on this CPU, compared with a recording: a minute, no emulator
	@./entrypoint samebits portable-proof --against $(RECORDED) $(ARGS)

.PHONY: portable-record
portable-record: $(READY)  ## record them again, after the locks have changed
	@rows=$$(./entrypoint samebits portable-proof --here --json) && printf '%s\n' "$$rows" > $(RECORDED)

.PHONY: c-library-proof
c-library-proof: $(READY)  ## the same in a container with another C library, Debian trixie's: needs Docker, mmdebstrap
	@image=$$(tools/image.py test-base trixie) && ./entrypoint samebits portable-proof --image $$image $(TRAININGS) $(ARGS)

.PHONY: matrix
matrix: $(READY)  ## train under changes that must not matter, and some that must (ONLY="workers cores" STRESS=1)
	@./entrypoint matrix --epochs 2 $(ARGS)

.PHONY: smoke-controls
smoke-controls: $(READY)  ## show that smoke can fail: remove each protection once
	@./entrypoint samebits smoke-controls $(ARGS)

GOLDEN = runs/torch runs/torch-portable runs/keras runs/keras-portable
.PHONY: golden
golden: $(READY)  ## record today's hashes of the starters as the golden ones
	@PROFILE=run FRAMEWORK=torch ./entrypoint train
	@PROFILE=portable FRAMEWORK=torch ./entrypoint train
	@PROFILE=run FRAMEWORK=keras ./entrypoint train
	@PROFILE=portable FRAMEWORK=keras ./entrypoint train
	@./entrypoint samebits golden $(GOLDEN)

.PHONY: attest
attest: $(READY)  ## compare every installed file with the locks, its RECORD and its source
	@./entrypoint samebits attest $(ARGS)

.PHONY: doctor
doctor:  ## show which Docker, driver and toolkit are here, and what to install
	@if [ -e $(READY) ]; then ./entrypoint doctor --host; else tools/image.py doctor; fi

# ---------------------------------------------------------------- the proof
.PHONY: lint
lint: $(READY_DEV)  ## ruff, mypy, shellcheck, and how easy the pages are to read
	@./entrypoint tools/lint

.PHONY: test
test: $(READY_DEV) lint lock-check  ## everything that this machine can run, in under 25 minutes
	@./entrypoint python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 25 -m "not slow" $(ARGS)

.PHONY: proof
proof: $(READY_DEV)  ## all of it, resumable; says what each part showed
	@./entrypoint python tools/proof.py $(ARGS)

.PHONY: bench
bench: $(READY_DEV)  ## what samebits costs, as ratios measured side by side
	@./entrypoint python tools/bench.py $(ARGS)

.PHONY: localise
localise: $(READY_DEV)  ## how often diff names the place and the cause of a fault first (ARGS="--only epsilon")
	@./entrypoint python -m tests.localise $(ARGS)

.PHONY: new
new: $(READY_DEV)  ## start a project of your own beside this clone; asks for its name (ARGS="framework=keras")
	@./entrypoint cookiecutter . --output-dir .. $(ARGS)

.PHONY: wheel
wheel: $(READY_DEV)  ## build the library's wheel from the commit: the same bytes everywhere
	@./entrypoint python tools/wheel.py

.PHONY: release
release: $(READY_DEV)  ## check the golden hashes, put the wheel into the template, commit (VERSION=0.2.0)
	@./entrypoint python tools/release.py $(if $(VERSION),--version $(VERSION))

# ---------------------------------------------------------------- the image
.PHONY: image
image:  ## build the image (BASE=… INTERPRETER=conda|base TARGET=image|compile CA=bundle.pem)
	@tools/image.py build

.PHONY: image-test
image-test: $(READY_DEV)  ## build the image on a Debian base and train in it
	@./entrypoint python -m pytest -m image tests/image $(ARGS)

.PHONY: image-base
image-base:  ## make a Debian base for INTERPRETER=base, where no registry is reachable
	@tools/image.py test-base

.PHONY: update-base
update-base:  ## what the newest image of the base's tag changes (WRITE=1 puts it into the Dockerfile)
	@WRITE=$(WRITE) tools/image.py update-base

.PHONY: image-size
image-size:  ## the image's size over what its wheels unpack to
	@tools/image.py size

.PHONY: image-reproduce
image-reproduce:  ## build the image twice with buildah; fails and names the first file that differs
	@tools/image_reproduce.py $(ARGS)

.PHONY: image-save
image-save:  ## write the image into one file, named by its digest (ARGS=folder)
	@tools/image_keep.py save $(ARGS)

.PHONY: image-load
image-load:  ## check such a file and load it (FILE=…)
	@tools/image_keep.py load "$(FILE)"

.PHONY: mirror
mirror:  ## push the image and its bases to a registry of your own (REGISTRY=host/path)
	@tools/image_keep.py mirror "$(REGISTRY)"

.PHONY: docker-train
docker-train:  ## train in the image, on the GPU when the toolkit is there
	@tools/image.py run train $(ARGS)

.PHONY: docker-smoke
docker-smoke:  ## smoke in the image
	@tools/image.py run smoke $(ARGS)
