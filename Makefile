# `make demo` and `make test` do all the set-up themselves; nothing else is needed than Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash

.PHONY: setup demo serve test check bench clean
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

clean:
	rm -rf demo-output build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
