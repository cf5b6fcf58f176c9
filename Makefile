# Every verb of the project. `make` alone lists them; `make run` needs nothing but Debian, Python and this checkout.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.stamp
TRAINING := .venv-training/.stamp
SCHEMAS := .schemas/.stamp
PYTEST_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export UV_LINK_MODE := copy
export UV_NO_PROGRESS := 1

.PHONY: help setup training schemas run up down doctor check test lock clean

help: ## list the verbs
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP) ## the virtual environment (.venv)

training: $(TRAINING) ## the training environment (.venv-training)

schemas: $(SCHEMAS) ## GitHub's published GraphQL schema for the tests (.schemas)

run: $(SETUP) $(TRAINING) ## one whole pass of the pipeline; the Airflow UI stays up
	@$(BIN)/swemill run

up: $(SETUP) ## start PostgreSQL, the Docker engine and Airflow, and leave them up
	@$(BIN)/swemill up

down: ## stop everything that was started here, and only that
	@if [ -x $(BIN)/swemill ]; then $(BIN)/swemill down; else echo "nothing is set up here"; fi

doctor: $(SETUP) ## what is missing on this machine, and how to get it
	@$(BIN)/swemill doctor

check: $(SETUP) ## formatting, lint, types, import contracts, unit tests: under two minutes
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q -n auto --dist loadfile tests/unit

# The training environment has no settings of ours: its pytest reads no configuration file.
# Much of the suite waits for containers. A file stays with one process, which has a PostgreSQL of its own.
test: $(SETUP) $(TRAINING) $(SCHEMAS) ## every test, against real PostgreSQL, Docker and Airflow
	@$(BIN)/python -m swemill.embedded engine
	@.venv-training/bin/python -m pytest -q -c /dev/null --rootdir=. --confcutdir=tests/training --import-mode=importlib tests/training
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --ignore=tests/training $(PYTEST_ARGS)

lock: $(SETUP) ## resolve requirements.in into requirements.txt anew
	@$(BIN)/uv pip compile requirements.in -o requirements.txt --upgrade --python-version 3.11 --no-emit-index-url --no-annotate --quiet
	@git --no-pager diff --stat -- requirements.txt

clean: down ## remove the environments and caches; data and results are kept
	@rm -rf .venv .venv-training .schemas .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# uv does not read pip's configuration: an index configured there is handed over.
$(SETUP): requirements.txt pyproject.toml
	@.ci/python-ready "$(PYTHON)"
	@echo "setup     virtual environment (.venv)"
	@[ -x $(BIN)/pip ] || "$(PYTHON)" -m venv .venv
	@$(BIN)/pip install --quiet --quiet "$$(grep '^uv==' requirements.txt)"
	@index="$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null || true)}"; \
	  export VIRTUAL_ENV="$(CURDIR)/.venv"; \
	  [ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	  $(BIN)/uv pip install --quiet -r requirements.txt; \
	  $(BIN)/uv pip install --quiet --no-deps -e .
	@touch $@

# pip and not uv, because pip's find-links configuration is what offers a local build of torch. After .venv, so that
# a parallel make does not install system packages twice at once.
$(TRAINING): training/requirements.txt | $(SETUP)
	@echo "setup     training environment (.venv-training): torch and torchtune, a few minutes"
	@[ -x .venv-training/bin/pip ] || "$(PYTHON)" -m venv .venv-training
	@.venv-training/bin/pip install --quiet --quiet -r training/requirements.txt
	@touch $@

# After .venv for the same reason: it may install a system package.
$(SCHEMAS): tests/github_standin/package.json .ci/schemas-ready | $(SETUP)
	@echo "setup     GitHub's GraphQL schema (.schemas)"
	@.ci/schemas-ready .schemas
	@touch $@
