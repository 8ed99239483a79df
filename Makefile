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
LOWEST := .venv-lowest
JOBS ?= $(shell nproc)
SPEC ?= analysis.yaml
RUN ?= runs/example
# Processes of pytest. The tests of a pool mostly wait, so there is one more than cores for each pool: in CI there are two.
WORKERS ?= $(shell n=$$(nproc); echo $$(( n < 8 ? n + $(if $(filter true,$(CI)),2,1) : 8 )))
PYTEST := $(BIN)/pytest -n $(WORKERS)
FAST := "not slow and not pool"
# What `make test` runs with the lowest versions: some tests of each dependency. `make lowest` alone runs all fast ones.
EACH_DEPENDENCY := $(addprefix tests/, engine/test_densities.py engine/test_trials.py test_bad_specs.py test_dagmaker_cli.py \
	test_dagmaker_display.py test_dagmaker_render.py test_report_parts.py test_report_style.py test_rings.py \
	test_specfile.py test_stats_checks.py)
# The first interpreter that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help run real test quick lowest lint docs bench clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: $(READY) ## SPEC (analysis.yaml) to a post-trial p-value and a report in RUN (runs/example), on JOBS processes
	@$(BIN)/dagmaker run $(SPEC) --run=$(RUN) --jobs=$(JOBS)

real: $(READY) ## the same on real data: fetches the 3-year release of IceCube (29 MB) into data/, runs it in runs/icecube_3yr
	@$(BIN)/dagmaker data fetch icecube_3yr --output=data/icecube_3yr
	DAGMAKER_DATA=$(CURDIR)/data $(BIN)/dagmaker run examples/icecube_3yr.yaml --run=runs/icecube_3yr --jobs=$(JOBS)

test: $(READY) ## everything: style, types, all tests, on a real HTCondor pool too
	@$(BIN)/python -m tests.needs
	# pip mostly waits for the network, and so does not delay the checks of style
	$(MAKE) -j2 --output-sync=target lint $(LOWEST)/.ready
	$(MAKE) lowest TESTS="$(EACH_DEPENDENCY)"
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

lowest: $(LOWEST)/.ready ## fast tests with exactly the lowest versions that pyproject.toml allows, in .venv-lowest
	@# A cache of its own, since another numba's would be made anew each time; docstrings are read by a tool of [docs].
	NUMBA_CACHE_DIR=$(CURDIR)/$(LOWEST)/numba $(LOWEST)/bin/pytest -n $(WORKERS) -m $(FAST) --ignore=tests/test_docstrings.py $(TESTS)

docs: $(READY) ## the documentation site, in build/docs; its tutorial is run for it
	@mkdir -p build
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs && echo "build/docs/index.html"

bench: $(READY) ## speed of the engine on this machine; RELEASE=folder for real events, beside SkyLLH
	@$(BIN)/python -m benchmarks $(RELEASE)

clean: ## forget the environment and the caches; runs/ stays
	@rm -rf $(VENV) $(LOWEST) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./runs -prune -o -name __pycache__ -type d -exec rm -rf {} +

# An environment in $(1), if the interpreter that it was made with has gone, or it was never made.
define environment
	if [ -z "$(PYTHON)" ]; then
		echo "no Python 3.11 or newer found: install one (Debian: apt-get install python3 python3-venv)," \
			"or name it: make PYTHON=/path/to/python3" >&2
		exit 1
	fi
	if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then
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
		echo "making $(1) with $$($(PYTHON) --version)"
		$(PYTHON) -m venv --clear $(1)
	fi
	echo "installing dagmaker and what it needs into $(1)"
endef
PIP_INSTALL := bin/python -m pip install -qq --disable-pip-version-check

# Made again when the project's dependencies change.
$(READY): pyproject.toml
	@$(call environment,$(VENV))
	$(VENV)/$(PIP_INSTALL) --editable '.[dev]'
	touch $(READY)

$(LOWEST)/.ready: pyproject.toml
	@$(call environment,$(LOWEST))
	sed -n '/^dependencies/,/^]/s/^ *"\([a-z0-9]*\)>=\([0-9.]*\).*/\1==\2/p' pyproject.toml > $(LOWEST)/constraints.txt
	$(LOWEST)/$(PIP_INSTALL) --no-compile --constraint $(LOWEST)/constraints.txt --editable '.[test]'
	touch $@
