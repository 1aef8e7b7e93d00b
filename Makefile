# One door per chore, the same for people and CI.  make help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
export BENTOML_HOME ?= $(CURDIR)/.bentoml
export BENTOML_DO_NOT_TRACK ?= True
export TF_CPP_MIN_LOG_LEVEL ?= 3
export HOST ?= 127.0.0.1
export PORT ?= 3000
ifdef WORKERS
export UNROLL_WORKERS := $(WORKERS)
endif
export PYTHONPATH := $(CURDIR)
# What uv installs has no bytecode: without a place for it, each process would compile TensorFlow anew, for 4 s.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
IMAGE_ARGS = $(if $(TOOL),--tool $(TOOL)) $(if $(VARIANT),--variant $(VARIANT)) $(if $(BASE_IMAGE),--base $(BASE_IMAGE))
UV_PIP = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes
# The `unroll` command, from this checkout; built by the pinned setuptools of the lock files.
OWN = $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
# One file for every platform, and for Python 3.11 and later.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-annotate --no-header
SERVE_READY := .venv/.serve
DEV_READY := .venv/.dev

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | while IFS=$$'\t' read -r name what; do printf '  %-12s %s\n' "$$name" "$$what"; done

# A new virtual environment has no uv, which installs the rest three times as fast as pip does.
$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "expected Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) -V 2>&1). Type: make PYTHON=python3.13" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@

# The first run installs what serving and training need; a later `make test` adds the rest.
$(SERVE_READY): requirements/run.txt pyproject.toml | $(BIN)/uv
	@echo "installing what serving and training need into .venv (about half a minute) ..."
	$(UV_PIP) --requirement requirements/run.txt
	$(OWN)
	@touch $@

$(DEV_READY): requirements/dev.txt pyproject.toml | $(BIN)/uv
	@echo "installing everything, tools and load tests included, into .venv (about half a minute) ..."
	$(UV_PIP) --requirement requirements/dev.txt
	$(OWN)
	@touch $@ $(SERVE_READY)

setup: $(DEV_READY)  ## install everything into .venv

serve: $(SERVE_READY)  ## train what is missing, then serve on HOST:PORT  (WORKERS=n)
	@$(BIN)/unroll train --if-missing
	@exec $(BIN)/unroll serve --host $(HOST) --port $(PORT)

train: $(SERVE_READY)  ## train, gate and publish all three topologies  (ARGS="--seed 1 ...")
	$(BIN)/unroll train $(ARGS)

retrain: $(SERVE_READY)  ## train again, compare with production too, publish as candidate  (ARGS="--promote ...")
	$(BIN)/unroll retrain $(ARGS)

# Three processes on two cores: a third of the time tests wait. A file's tests stay together, with the services that they share.
test: $(DEV_READY)  ## every test but those of images, faults and the page  (ARGS="-n 0 ...": in one process)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/deploy/images --ignore tests/faults --ignore tests/page $(ARGS)

test-image: $(DEV_READY)  ## build the images and run them (podman, some minutes)
	$(BIN)/python -m pytest tests/deploy/images $(ARGS)

test-page: $(DEV_READY)  ## look at the page in a real Chromium (apt-get install chromium)
	$(BIN)/python -m pytest tests/page $(ARGS)

test-faults: $(DEV_READY)  ## do to a running service what goes wrong in production
	$(BIN)/python -m pytest tests/faults $(ARGS)

fuzz: $(DEV_READY)  ## requests that follow the OpenAPI document, and others, to a service of its own: all routes  (ARGS="--seed 2 ...")
	@$(BIN)/unroll train --if-missing
	$(BIN)/python -m tests.openapi.fuzz --max-examples 200 --seed 1 $(ARGS)

lint: $(DEV_READY)  ## ruff and mypy, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# --strict: where the service of advisories knows nothing, or cannot be reached, that is a failure and no clean bill.
audit: $(DEV_READY)  ## known vulnerabilities of everything pinned; asks pypi.org
	$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --no-deps -r requirements/dev.txt -r requirements/serve-gpu.txt -r requirements/run-gpu.txt \
	  || { echo "audit: vulnerable, or not audited: the lines above say which. It needs pypi.org." >&2; exit 1; }

format: $(DEV_READY)  ## let ruff rewrite
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

load: $(DEV_READY)  ## load test, headless, every answer checked  (SHAPE=smoke|ramp|spike|soak  URL=...)
	$(if $(URL),,@$(BIN)/unroll train --if-missing)
	$(BIN)/unroll load $(if $(SHAPE),--shape $(SHAPE)) $(if $(URL),--url $(URL)) $(ARGS)

load-ui: $(DEV_READY)  ## Locust's page against a running or self-started service
	$(BIN)/unroll load --ui $(if $(URL),--url $(URL)) $(ARGS)

bento: $(SERVE_READY)  ## build the bento, with the models that are in the store
	$(BIN)/bentoml build

image: $(SERVE_READY)  ## the serving image  (TOOL=docker|podman|buildah VARIANT=tensorflow|gpu MODELS=mounted BASE_IMAGE=...)
	$(BIN)/python -m deploy.image serve $(IMAGE_ARGS) $(if $(MODELS),--models $(MODELS))

image-train: $(SERVE_READY)  ## the training image  (TOOL= VARIANT= BASE_IMAGE=)
	$(BIN)/python -m deploy.image train $(IMAGE_ARGS)

tools: $(DEV_READY)  ## fetch helm into .venv-tools, for the chart's tests
	$(BIN)/python -m deploy.tools

chart: tools  ## lint the chart and render what a cluster would get  (ARGS="-f values.yaml")
	@helm=$$($(BIN)/python -m deploy.tools) && $$helm lint --strict deploy/chart $(ARGS) >&2 && $$helm template unroll deploy/chart $(ARGS)

bench: $(DEV_READY)  ## measure the service against its peers, about 20 minutes  (ARGS=--quick)
	@$(BIN)/unroll train --if-missing
	$(BIN)/python -m benchmarks.serving $(ARGS)

bench-setup: $(DEV_READY)  ## install the peers into .venv-bench (some GB)
	$(BIN)/python -m benchmarks.install_peers

bench-training: $(DEV_READY)  ## the tutorial's fit calls against the tutorial recipe
	$(BIN)/python -m benchmarks.training

capacity: $(DEV_READY)  ## what the service sustains, with its interval, about 40 minutes  (ARGS="--compare A.json B.json")
	@$(if $(findstring --compare,$(ARGS)),:,$(BIN)/unroll train --if-missing)
	$(BIN)/python -m benchmarks.capacity $(ARGS)

soak: $(DEV_READY)  ## constant load, memory and tail watched  (HOURS=1)
	@$(BIN)/unroll train --if-missing
	$(BIN)/python -m benchmarks.soak --hours $(or $(HOURS),1) $(ARGS)

faults: $(DEV_READY)  ## break a real service in every way of tests/faults; rewrites the table of docs/reliability.md
	$(BIN)/python -m benchmarks.faults $(ARGS)

# No file may have another version than dev.txt has, which tests install.
lock: $(DEV_READY)  ## pin requirements/ anew from pyproject.toml  (KEEP=1: keep every pin that still fits)
	pin() { $(COMPILE) $(if $(KEEP),,--upgrade) --output-file requirements/$$1.txt "$${@:2}" > /dev/null; }; \
	same="--constraints requirements/dev.txt"; \
	pin dev pyproject.toml --all-extras; \
	pin run pyproject.toml --extra serve --extra train --extra client $$same; \
	pin run-gpu pyproject.toml --extra serve --extra train --extra client --group gpu-train --excludes <(echo tensorflow-cpu) $$same; \
	pin serve pyproject.toml --extra serve $$same; \
	pin serve-tensorflow pyproject.toml --extra serve --group tensorflow $$same; \
	pin serve-gpu pyproject.toml --extra serve --group gpu --excludes <(echo onnxruntime) $$same; \
	pin sbom --group sbom $$same; \
	pin helm --group helm --no-deps; \
	pin uv --group uv; \
	for version in 3.11 3.13; do $(UV_PIP) --dry-run --target .venv/none --python-version $$version --only-binary :all: --requirement requirements/dev.txt; done

clean:  ## remove what make made; asks before it removes models and runs
	rm -rf .venv .venv-tools .venv-bench build dist unroll.egg-info reports .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@if [ -e .bentoml ] || [ -e runs ]; then \
	  read -r -p "Remove the models in .bentoml and the records in runs for good? [y/N] " answer || answer=no; \
	  case "$$answer" in [yY]*) rm -rf .bentoml runs ;; *) echo "kept: .bentoml and runs" ;; esac; \
	fi

.PHONY: help setup serve train retrain test test-image test-page test-faults fuzz lint audit format load load-ui bento image image-train tools chart bench bench-setup bench-training capacity soak faults lock clean
