# Every target makes .venv when it is missing and reuses it until pyproject.toml changes.
#   make demo     handwritten digits: train, compile to every substrate, print the table, write the report
#   make test     the tests                     make check   everything that CI runs
#   make bench    the benchmarks                make docs    the documentation, in docs/_build/html
#   make fuzz     damaged files for every reader of events; FUZZ="--executions 100000" for more
#   make clean    remove .venv and whatever was built

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench docs fuzz clean

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
# Installed before anything else, so that no other package draws in another build.
# To take a CPU build from an index of your choice: make TORCH="torch==2.13.0 --index-url ..."
TORCH ?= torch==2.13.0

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

help:
	@sed -n 's/^#  *make/make/p' Makefile

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is $$($(PYTHON) --version 2>&1), Spikewright needs Python 3.11 or newer" \
	       "— name one: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing PyTorch into $(VENV) (1 of 2; a few minutes the first time)"
	@$(PIP) install $(TORCH)
	@echo "installing Spikewright and its tools into $(VENV) (2 of 2)"
	@$(PIP) install --editable '.[dev,train]'
	@# its data loaders would draw in a dozen audio packages, which no test needs
	@$(PIP) install --no-deps neurobench==2.3.0
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/spikewright compare digits

test: $(INSTALLED)
	@VENV=$(VENV) JOBS=$(JOBS) ./check tests

check: $(INSTALLED)
	@VENV=$(VENV) JOBS=$(JOBS) ./check

docs: $(INSTALLED)
	@VENV=$(VENV) ./check docs
	@echo "docs/_build/html/index.html"

bench: $(INSTALLED)
	@test -n "$$(ls benchmarks/*.py 2>/dev/null)" || { echo "make: benchmarks/ holds no script" >&2; exit 1; }
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done
	@echo "== benchmarks/train/run.py"; $(BIN)/python benchmarks/train/run.py --only floor loop spikewright spikewright_layers

fuzz: $(INSTALLED)
	@OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/run.py $(FUZZ)

clean:
	rm -rf .venv build dist docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
