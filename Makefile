# Everything a person does with this source tree. `make` alone lists the targets.
# Needs only Python >= 3.11 and PyPI; PYTHON=/path/to/python chooses which one.

# Python keeps what it has compiled, whatever the surroundings say: Madang starts in half the time.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
# uv must use the Python of .venv and never fetch one: nothing comes from outside PyPI.
# --inexact keeps what is there already (uv itself, the tools of another target).
UV := VIRTUAL_ENV= UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON_DOWNLOADS=never $(BIN)/uv
SYNC := $(UV) sync --quiet --locked --inexact
CODE := src tests bench tools hatch_build.py
# What the front end is made of; installing builds it (hatch_build.py).
FRONT_END := hatch_build.py $(shell find src/madang/web/ui -name node_modules -prune -o -type f -print)
# A file of tests stays in one process: its tests share servers. Tests wait a lot for others, so three share two cores.
BY_FILE := --dist loadfile --no-loadscope-reorder
# Measured by a whole `make bench`, not by its short form; those on recorded cities want ../shared/data.
LONG_BENCHES := mqtt rules services crossing relay live nab m4 leaks care_plug air waste twin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help up install web test fast lint lint-python lint-front-end format bench docs check changelog clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.runtime  ## install what is missing and start Madang with the demo city (ARGS="--no-demo --port 9090")
	@$(BIN)/madang up --demo $(ARGS)

install: $(VENV)/.runtime  ## install without starting

web: $(BIN)/uv  ## build the front end anew, if its sources have changed
	$(SYNC) --no-dev --reinstall-package madang

test: $(VENV)/.dev  ## run every test (ARGS="-k name")
	@sh tools/programs.sh
	$(BIN)/python -m tools.front_end install
	$(BIN)/python -m pytest -n 3 $(BY_FILE) $(ARGS)

fast: $(VENV)/.dev  ## run the tests that take no more than a few seconds each
	$(BIN)/python -m pytest -n 3 $(BY_FILE) -m "not slow" $(ARGS)

lint: $(VENV)/.dev  ## formatting, lint and types; Python's and TypeScript's side by side
	@$(MAKE) --no-print-directory -j 2 lint-python lint-front-end

lint-python:
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy --strict $(CODE)

lint-front-end:
	$(BIN)/python -m tools.front_end check

format: $(VENV)/.dev  ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(VENV)/.dev  ## measure; prints a table and writes bench/results (ARGS=--smoke)
	@sh tools/programs.sh
	$(BIN)/python bench/run.py $(ARGS)
	$(BIN)/python bench/trust.py $(filter --smoke,$(ARGS))
	$(BIN)/python bench/lake.py $(filter --smoke,$(ARGS))
	$(BIN)/python bench/replay.py $(filter --smoke,$(ARGS))
	$(BIN)/python bench/live_viewers.py $(filter --smoke,$(ARGS))
	$(BIN)/python bench/hubs.py $(filter --smoke,$(ARGS))
	$(BIN)/python bench/workers.py $(filter --smoke,$(ARGS))
	$(BIN)/python bench/shared_services.py $(filter --smoke,$(ARGS))
	$(if $(filter --smoke,$(ARGS)),,set -e; for one in $(LONG_BENCHES); do $(BIN)/python bench/$$one.py; done)

docs: $(VENV)/.docs  ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict --clean

check: lint fast docs  ## what a change must pass: lint, fast tests, docs

changelog: $(VENV)/.runtime  ## fold changelog.d into CHANGELOG.md (VERSION=0.2.0)
	$(BIN)/python tools/changelog.py $(VERSION)

clean:  ## remove everything that can be made again; the data folder stays
	rm -rf $(VENV) site dist src/madang/web/built src/madang/web/ui/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis
	find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/uv:
	sh tools/venv.sh $(VENV) $(PYTHON)

$(VENV)/.runtime: $(BIN)/uv pyproject.toml uv.lock $(FRONT_END)
	$(SYNC) --no-dev
	@touch $@

$(VENV)/.dev: $(BIN)/uv pyproject.toml uv.lock $(FRONT_END)
	$(SYNC) --group dev
	@touch $@ $(VENV)/.runtime

$(VENV)/.docs: $(BIN)/uv pyproject.toml uv.lock
	$(SYNC) --group dev --group docs
	@touch $@ $(VENV)/.dev $(VENV)/.runtime
