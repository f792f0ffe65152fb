# SPDX-License-Identifier: BSD-3-Clause
# Every target does its own set-up in a virtual environment of the checkout: Python 3.11 or newer, a Rust
# toolchain and access to the package indices are all that is needed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := demo
# Processes that share the Python tests.
JOBS   ?= auto

RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
BUILT        := $(VENV)/.built
TEST_READY   := $(VENV)/.test-extras
LINT_READY   := $(VENV)/.lint-extras

.DEFAULT_GOAL := help
.PHONY: help build demo test test-rust test-python lint format bench check-wheel clean

help:
	@echo "make demo         build, install, simulate eight visits, coadd them both ways, write FITS and a report"
	@echo "make test         cargo test and pytest"
	@echo "make lint         rustfmt, clippy, ruff, mypy, import borders, spelling"
	@echo "make bench        speed tables of docs/performance.md and README.md, measured on this machine"
	@echo "make check-wheel  build the wheel and try it in clean environments, with and without the lsst extra"
	@echo "make clean        remove everything that was built"

$(BIN)/maturin:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "deepcoadd needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip 'maturin>=1.9.4,<2'

$(BUILT): $(BIN)/maturin pyproject.toml $(RUST_SOURCES)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --locked --extras plot
	@touch $@

$(TEST_READY): $(BUILT) pyproject.toml
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  e = p["optional-dependencies"]; \
	  print("\n".join(r for k in ("test", "lsst") for r in e[k] if not r.startswith("deepcoadd")))' \
	  > $(VENV)/test-requirements.txt
	$(BIN)/python -m pip install --quiet -r $(VENV)/test-requirements.txt
	@touch $@

$(LINT_READY): $(TEST_READY) pyproject.toml
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  print("\n".join(p["optional-dependencies"]["lint"]))' > $(VENV)/lint-requirements.txt
	$(BIN)/python -m pip install --quiet -r $(VENV)/lint-requirements.txt
	@touch $@

build: $(BUILT)

demo: $(BUILT)
	rm -rf $(DEMO)
	$(BIN)/deepcoadd simulate --preset demo -c matched_sigma=3 -o $(DEMO)/visits
	$(BIN)/deepcoadd coadd $(DEMO)/visits/visit-*.fits -o $(DEMO)/coadd.fits --report $(DEMO)/report \
	  --decisions $(DEMO)/artifacts.csv --truth $(DEMO)/visits/truth
	$(BIN)/deepcoadd coadd $(DEMO)/visits/visit-*.fits --matched $(DEMO)/visits/matched-*.fits \
	  -o $(DEMO)/comparewarp.fits --decisions $(DEMO)/comparewarp.csv --truth $(DEMO)/visits/truth

test: test-rust test-python

test-rust:
	cargo test --locked

test-python: $(TEST_READY)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

lint: $(LINT_READY)
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest deepcoadd._core
	PYTHONPATH=python $(BIN)/lint-imports
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs python rust tests benches examples

format: $(LINT_READY)
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

bench: $(TEST_READY)
	$(BIN)/python benches/python/run.py --write docs/performance.md --readme README.md
	$(BIN)/python -m pip install --quiet ccdproc
	$(BIN)/python -W ignore benches/peers/stack.py --write README.md

check-wheel: $(BIN)/maturin
	rm -rf dist
	$(BIN)/maturin build --release --locked --out dist
	$(BIN)/python .ci/check_wheel.py dist

clean:
	rm -rf $(VENV) $(DEMO) dist target python/deepcoadd/_core*.so .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
