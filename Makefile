# Every target makes its own virtual environment in .venv on first use, from the package registry alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Most tests wait for servers most of the time: several processes share them (tests/conftest.py).
PROCESSES ?= 3
PYTEST = $(BIN)/python -m pytest --numprocesses $(PROCESSES) --no-loadscope-reorder
BENCH_STAMP := $(VENV)/.installed-bench

.DEFAULT_GOAL := help
# 'help' reads the text behind ##
.PHONY: help demo test test-faults-long bench check format clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11, 3.12 or 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## Real videos through broker, worker and ClickHouse, compared with the truth (2 minutes)
	$(BIN)/tagpulse demo

test: $(STAMP)  ## All tests, on a real broker and a real ClickHouse engine
	$(PYTEST)

test-faults-long: $(STAMP)  ## Every scenario of faults on both brokers, FAULTS_REPEATS times (3), and floods of millions of events
	FAULTS_REPEATS=$(or $(FAULTS_REPEATS),3) $(PYTEST) tests/faults/test_scenarios.py tests/faults/test_floods.py tests/kafka

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	@touch $@

bench: $(BENCH_STAMP)  ## Beside Faust, Quix Streams, Bytewax and ClickHouse alone, every count checked
	$(BIN)/tagpulse bench

check: $(STAMP)  ## Format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)  ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
