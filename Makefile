# Needs Python >= 3.11 and make; everything else is fetched into .venv at the first call. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
NIGHT ?= kz-2023
QUICK := tests/unit tests/property tests/contract
NEAR := $(QUICK) tests/fuzz
# Eight equal lines are a copy; fewer are usually the shape that two calls share.
DUPLICATE_LINES := 8

.PHONY: help run install dev test quick check supply fuzz bench chaos kafka clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.installed ## replay a night on this machine alone and serve it (NIGHT=kz-2023); prints the address
	@$(BIN)/tallyroom night $(NIGHT)

install: $(VENV)/.installed ## make .venv with the package and what it needs to run

dev: $(VENV)/.installed-dev ## make .venv with the tools for tests and checks as well

test: $(VENV)/.installed-dev ## all tests; servers that are missing are skipped, unless CI is set
ifeq ($(strip $(ARGS)),)
# Two halves side by side: what runs real nights mostly waits for their processes. The near half is shown once it has ended.
	@mkdir -p build; \
	$(BIN)/python -m pytest $(NEAR) > build/test-near.log 2>&1 & near=$$!; \
	status=0; $(BIN)/python -m pytest tests $(NEAR:%=--ignore=%) || status=$$?; \
	wait $$near || status=$$?; \
	cat build/test-near.log; exit $$status
else
	@$(BIN)/python -m pytest $(ARGS)
endif

quick: $(VENV)/.installed-dev ## unit, property and contract tests without Kafka, a browser or slow ones
	@$(BIN)/python -m pytest -m "not kafka and not e2e and not chaos and not page and not slow" \
		$(wildcard $(QUICK)) $(ARGS)

check: check-style check-types check-rooms check-sizes check-copies check-supply ## style, types, room rules, size limits, copied code, what is shipped

# Targets of their own, so that `make --keep-going` names all faults of a change and not only the first.
.PHONY: check-style check-types check-rooms check-sizes check-copies check-supply
check-style: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted; run: $(BIN)/ruff format ." >&2; exit 1; }

check-types: $(VENV)/.installed-dev
	@$(BIN)/mypy

check-rooms: $(VENV)/.installed-dev
	@$(BIN)/lint-imports --no-logo

check-sizes: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -q tests/unit/test_house.py

check-copies: $(VENV)/.installed-dev
	@$(BIN)/pylint --disable=all --enable=duplicate-code --min-similarity-lines=$(DUPLICATE_LINES) \
		--score=n services/tallyroom

check-supply: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.supply

supply: $(VENV)/.installed-dev ## SBOM, licences and advisories of what is shipped, into build/ (ARGS=--required: advisories must be had)
	@$(BIN)/python -m tests.supply $(ARGS)

fuzz: $(VENV)/.installed-dev ## every parser with 10,000 mangled inputs (ARGS=-k NAME for one of them)
	@$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=fuzz --timeout=3600 $(ARGS)

bench: $(VENV)/.installed-dev ## throughput and latency on real Kafka and Redis, into build/bench.json
	@mkdir -p build
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: $(VENV)/.installed-dev ## rounds of faults on real servers (SEED=n ROUNDS=n), into build/chaos.json; as root all of them
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

kafka: $(VENV)/.installed ## a real Kafka broker on a free loopback port until Ctrl-C (needs Java and Maven)
	@$(BIN)/python -m tallyroom.testing.kafka $(ARGS)

clean: ## remove .venv, caches and build results; data of nights (.tallyroom) stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find services tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are newer than pyproject.toml as long as what it asks for is installed.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing tallyroom into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "Installing tallyroom and its tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# Each candidate is tried out: a name on PATH may be a shim without a Python behind it, or lack the venv module.
$(BIN)/python:
	@tried=""; \
	for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3.14 python3 python; do \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		echo "Making $(VENV) with $$("$$candidate" --version) ..."; \
		if "$$candidate" -m venv $(VENV); then exit 0; fi; \
		rm -rf $(VENV); tried="$$tried $$candidate"; \
	done; \
	if [ -n "$$tried" ]; then \
		echo "No virtual environment could be made by:$$tried (Debian: apt-get install python3-venv)." >&2; \
	else \
		echo "No Python 3.11 or newer found. Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	fi; exit 1
