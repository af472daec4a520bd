# The two commands: `make run` and `make test`. Everything Python lives in .venv, made on first use; `make clean` removes it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS   ?=

# The frozen program is built from an environment of its own: what else lies in .venv would be packed too (6 times the size).
FREEZE := build/venv

# The benchmark's contenders take more than a gigabyte, and nothing else needs them.
BENCH := build/bench/venv
SIZES ?=

ROUNDS ?= 100
CASES ?= 100000
EXAMPLES ?= 100

.DEFAULT_GOAL := help
.PHONY: help run test torture fuzz lint format binary binary-test screenshots bench bench-intake bench-revenue bench-pages clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.ready-run ## serve the demo at http://127.0.0.1:8000 (ARGS="--port 9000" for more)
	@$(BIN)/python -m fluxrate demo $(ARGS)

test: $(VENV)/.ready-test ## run the tests (ARGS="-k window" for some)
	$(BIN)/python -m pytest -n auto $(ARGS)

torture: $(VENV)/.ready-test ## kill servers under load, 100 times on each store (ROUNDS=500 for more)
	FLUXRATE_TEST_TORTURE_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -s tests/torture $(ARGS)

fuzz: $(VENV)/.ready-test ## send 100,000 bodies that are nearly right, and 100 requests to each call (CASES=, EXAMPLES=)
	FLUXRATE_TEST_FUZZ_CASES=$(CASES) FLUXRATE_TEST_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -s tests/fuzz tests/api/test_openapi.py $(ARGS)

lint: $(VENV)/.ready-lint ## ruff, mypy and the layer rule; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.ready-lint ## let ruff put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

binary: $(FREEZE)/.ready ## build dist/fluxrate, one file that needs no Python
	$(FREEZE)/bin/python packaging/binary.py

binary-test: ## start dist/fluxrate on an empty instance and ask it for a few pages
	@$(PYTHON) packaging/check_binary.py dist/fluxrate

screenshots: $(VENV)/.ready-test ## take the pictures of the README (needs Chromium)
	$(BIN)/python packaging/screenshots.py $(ARGS)

bench: $(BENCH)/.ready ## compare with other engines, writes docs/benchmarks.md (SIZES=1e6,1e7,1e8 for more)
	$(BENCH)/bin/python -m bench $(if $(SIZES),--sizes $(SIZES)) $(ARGS)

bench-intake: $(BENCH)/.ready ## measure what goes in, on both stores, for docs/benchmarks.md
	$(BENCH)/bin/python -m bench.intake

bench-revenue: $(BENCH)/.ready ## time the revenue endpoints, on both stores, for docs/benchmarks.md
	$(BENCH)/bin/python -m bench.revenue

bench-pages: $(BENCH)/.ready ## measure the pages, and the live filters at 10 million events, against their goals
	$(BENCH)/bin/python -m bench.pages $(ARGS)

clean: ## remove what was built; the instance folder stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find fluxrate tests packaging bench -name __pycache__ -type d -prune -exec rm -rf {} +

PRESENT = command -v $(PYTHON) >/dev/null || \
	{ echo "$(PYTHON) is not there; on Debian, as root: apt-get install python3 python3-venv" >&2; exit 1; }

# A stamp for each set of requirements: installed anew when the metadata changed, not at every start.
$(VENV)/.ready-run: EXTRA =
$(VENV)/.ready-test: EXTRA = [test]
$(VENV)/.ready-lint: EXTRA = [lint]
$(VENV)/.ready-%: setup.cfg pyproject.toml | $(BIN)/pip
	@echo "Installing Fluxrate$(EXTRA) into $(VENV); the first time takes about a minute."
	@$(PIP) install --editable ".$(EXTRA)"
	@touch $@

$(BIN)/pip:
	@$(PRESENT)
	@$(PYTHON) packaging/python.py
	@$(PYTHON) -m venv $(VENV)

$(FREEZE)/bin/pip:
	@$(PRESENT)
	@$(PYTHON) packaging/python.py --freeze
	@$(PYTHON) -m venv $(FREEZE)

$(FREEZE)/.ready: setup.cfg pyproject.toml | $(FREEZE)/bin/pip
	@echo "Installing what the binary holds into $(FREEZE); the first time takes about a minute."
	@$(FREEZE)/bin/python -m pip --disable-pip-version-check --quiet install ".[binary]"
	@touch $@

$(BENCH)/bin/pip:
	@$(PRESENT)
	@$(PYTHON) packaging/python.py
	@$(PYTHON) -m venv $(BENCH)

$(BENCH)/.ready: setup.cfg pyproject.toml | $(BENCH)/bin/pip
	@echo "Installing the contenders into $(BENCH), more than a gigabyte; the first time takes about two minutes."
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install --editable ".[bench]"
	@touch $@
