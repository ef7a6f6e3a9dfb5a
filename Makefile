# Two commands: `make demo` and `make test`. Both set up everything that they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
REPO ?=
TASK ?=
PROJECT ?=
CASE ?=
# how the tests share two cores: they wait for processes half of the time; `make test PARALLEL=` runs them one after the other
PARALLEL ?= -n 3

.PHONY: help setup demo test test-all gate lint lock corpus honest bench docs wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make the environment in .venv

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PEV needs Python 3.11 or newer; give one with PYTHON=…" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up .venv (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup ## the main job end to end; REPO=path TASK="…" for a repository of your own
	@$(BIN)/python scripts/demo.py $(if $(REPO),--repo "$(REPO)") $(if $(TASK),--task "$(TASK)")

test: setup lint ## all checks and tests
	@$(BIN)/python -m pytest -q -m "not slow" $(PARALLEL)

test-all: setup lint ## everything, the slow tests too
	@$(BIN)/python -m pytest -q $(PARALLEL)

gate: setup ## PEV's own gate over the newest commit against its parent; HELD is the reviewer's business
	@state=$$(mktemp -d) && trap 'rm -rf "$$state"' EXIT && \
	 PEV_STATE_DIR="$$state" PEV_CHECK_LIMIT_S=600 $(BIN)/pev gate . --commit HEAD --base HEAD~1 --trust; code=$$?; \
	 test $$code -eq 0 -o $$code -eq 4

lint: setup
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy --no-error-summary

corpus: setup ## the evasions in tests/evasions against the gate; what gets through stands in known.toml
	@PYTHONPATH=tests $(BIN)/python -m support.evasions

honest: setup ## the honest changes in tests/honest through the gate; needs a package index
	@PYTHONPATH=tests $(BIN)/python -m support.honest $(if $(PROJECT),--project $(PROJECT)) $(if $(CASE),--case $(CASE))

bench: setup ## print the ratios of docs/benchmarks.md
	@$(BIN)/python -m benchmarks

docs: setup ## rewrite the generated parts of README.md and tests/snapshots
	@$(BIN)/python scripts/generate_docs.py

wheel: setup ## build the wheel into dist/
	@$(BIN)/python -m build --no-isolation --wheel

lock: setup ## resolve requirements.lock anew
	@$(BIN)/uv pip compile -q pyproject.toml --group dev --generate-hashes --universal --no-emit-index-url --no-annotate --no-header -o requirements.lock

clean: ## remove what the targets above made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .hypothesis
