# Everything a newcomer, a developer and the CI need; each target sets up what it lacks.
# Needs python3 (3.11 or newer) and network for pip; `make test` also fetches a private HTCondor with apt, and Chromium.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= $(shell nproc)
SPEC ?= analysis.yaml
RUN ?= runs/example
# Processes of pytest. The tests of a pool mostly wait, so one more than there are cores.
WORKERS ?= $(shell n=$$(nproc); echo $$(( n < 8 ? n + 1 : 8 )))
PYTEST := $(BIN)/pytest -n $(WORKERS)
FAST := "not slow and not pool"
# The first interpreter that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help run test quick lowest lint docs bench clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: $(READY) ## SPEC (analysis.yaml) to a post-trial p-value and a report in RUN (runs/example), on JOBS processes
	@$(BIN)/dagmaker run $(SPEC) --run=$(RUN) --jobs=$(JOBS)

test: $(READY) ## everything: style, types, all tests, on a real HTCondor pool too
	@$(BIN)/python -m tests.needs
	$(MAKE) lint
	$(PYTEST) --durations=10

quick: $(READY) ## style, types and the fast tests: under two minutes
	@$(BIN)/python -m tests.needs $(FAST)
	$(MAKE) lint
	$(PYTEST) -m $(FAST)

lint: $(READY) ## style and types only
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p tests.pool

lowest: ## the fast tests with exactly the lowest versions that pyproject.toml allows, in .venv-lowest
	@$(PYTHON) -m venv --clear .venv-lowest
	sed -n '/^dependencies/,/^]/s/^ *"\([a-z0-9]*\)>=\([0-9.]*\).*/\1==\2/p' pyproject.toml > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install -qq --disable-pip-version-check --constraint .venv-lowest/constraints.txt --editable '.[test]'
	.venv-lowest/bin/pytest -n $(WORKERS) -m "not slow and not pool"

docs: $(READY) ## the documentation site, in build/docs; its tutorial is run for it
	@mkdir -p build
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs && echo "build/docs/index.html"

bench: $(READY) ## speed of the engine on this machine; RELEASE=folder for real events, beside SkyLLH
	@$(BIN)/python -m benchmarks $(RELEASE)

clean: ## forget the environment and the caches; runs/ stays
	@rm -rf $(VENV) .venv-lowest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./runs -prune -o -name __pycache__ -type d -exec rm -rf {} +

# Made again when the project's dependencies change, or the interpreter that it was made with has gone.
$(READY): pyproject.toml
	@if [ -z "$(PYTHON)" ]; then
		echo "no Python 3.11 or newer found: install one (Debian: apt-get install python3 python3-venv)," \
			"or name it: make PYTHON=/path/to/python3" >&2
		exit 1
	fi
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then
		if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then
			if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
				echo "$(PYTHON) lacks the venv module: installing Debian's python3-venv"
				apt-get -qq update
				DEBIAN_FRONTEND=noninteractive apt-get -qq -y install python3-venv >/dev/null
			else
				echo "$(PYTHON) cannot make a virtual environment: ask for the package python3-venv" \
					"(Debian: apt-get install python3-venv), or name another: make PYTHON=/path/to/python3" >&2
				exit 1
			fi
		fi
		echo "making $(VENV) with $$($(PYTHON) --version)"
		$(PYTHON) -m venv --clear $(VENV)
	fi
	echo "installing dagmaker and what it needs into $(VENV)"
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	touch $(READY)
