# `make demo` and `make test` do all the set-up themselves; nothing else is needed than Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash

.PHONY: setup demo serve test check bench sbom audit clean
setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chronoseg needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/chronoseg demo --out demo-output

serve: setup
	$(BIN)/chronoseg serve

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks

# What the service is made of, as CycloneDX; the same lock gives the same file.
sbom: setup
	mkdir -p build
	$(BIN)/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml --of JSON -o build/sbom.json requirements.lock

# Known vulnerabilities of what is locked; asks a database on the network, and therefore is no part of the tests.
audit: setup
	test -x build/audit/bin/pip-audit || ($(PYTHON) -m venv build/audit && build/audit/bin/pip install --quiet pip-audit)
	build/audit/bin/pip-audit --no-deps --disable-pip --requirement requirements.lock

clean:
	rm -rf demo-output build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
