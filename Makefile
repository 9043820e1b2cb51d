# Every target sets up what it needs; the second time that is instant.
# Needed on the machine: git, make and Python 3.11 or newer. Nothing else.

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv --quiet
PACKAGES := libs/common services/registry services/disbursement services/coordination
PROJECTS := $(PACKAGES:%=%/pyproject.toml)
READY := .venv/.ready

# Compiled modules are kept, whatever the machine's habit: without them every start of a service
# compiles all its libraries anew, 6 s of processor time against 1.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help
help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- set-up -----------------------------------------------------------------------------------

.PHONY: setup
setup: $(READY)  ## Make .venv with every locked dependency (instant when it is in date)

$(READY): requirements.lock $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed. Name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv (the first time takes a minute)"
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@# uv itself comes from the lock too, checked against its hashes
	@$(UV) --version >/dev/null 2>&1 || { \
	  awk '/^uv==/ { on = 1; print; next } on && /--hash/ { print; next } on { exit }' requirements.lock > .venv/uv.txt && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.txt; }
	@$(UV) pip sync --python $(BIN)/python --compile-bytecode requirements.lock
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

.PHONY: lock
lock: $(READY)  ## Resolve the dependencies anew into requirements.lock (UPGRADE=--upgrade for newer ones)
	@$(UV) pip compile --universal --generate-hashes --python-version 3.11 $(UPGRADE) \
	  --no-emit-package frontline-common --custom-compile-command "make lock" \
	  --group pyproject.toml:dev --all-extras $(PACKAGES:%=%/pyproject.toml) -o requirements.lock

# the development broker's program, in the user's cache: fetched once on a machine
BROKER := .venv/.broker
$(BROKER): $(READY) libs/common/src/common/kafka/broker.sha256
	@$(BIN)/python -m common.dev fetch
	@touch $@

# --- see it -----------------------------------------------------------------------------------

.PHONY: demo
demo: $(READY) $(BROKER)  ## Play one partner's whole story on real servers and check that everything adds up
	@PYTHONPATH=tests $(BIN)/python -m journeys.demo

.PHONY: run
run: $(READY) $(BROKER)  ## Start the three services and keep them up; prints their /docs and a token
	@$(BIN)/python -m common.dev run

.PHONY: audit
audit: $(READY)  ## Check the invariants over the stack that is running
	@$(BIN)/python -m common.dev audit

.PHONY: up
up:  ## Start everything in containers (docker compose)
	docker compose -f deploy/compose.yaml up --build --detach --wait

.PHONY: down
down:  ## Stop the containers
	docker compose -f deploy/compose.yaml down

# --- prove it ---------------------------------------------------------------------------------

.PHONY: test
test: $(READY) $(BROKER)  ## Run every test, on a PostgreSQL and a Kafka of its own (ARGS="-k words" to choose)
	@$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

.PHONY: bench
bench: $(READY) $(BROKER)  ## Measure it beside bare parts in the same run, about 8 minutes (ARGS="--only read,submit")
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

.PHONY: soak
MINUTES ?= 5
soak: $(READY) $(BROKER)  ## Load, kills, pauses and cuts from a printed seed, then an audit (MINUTES=5 SEED=7)
	@PYTHONPATH=tests $(BIN)/python -m soak --minutes $(MINUTES) $(SEED:%=--seed %)

.PHONY: check
check: $(READY)  ## Format, lint, types, import rules, dependencies, contracts in date, sizes
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	for package in $(PACKAGES); do (cd $$package && $(CURDIR)/$(BIN)/deptry src) || exit 1; done
	$(BIN)/python -m common.contracts --check
	$(BIN)/pytest -q tests/architecture

.PHONY: format
format: $(READY)  ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --show-fixes
	@$(BIN)/ruff format

.PHONY: contracts
contracts: $(READY)  ## Generate services/*/contracts from the code
	@$(BIN)/python -m common.contracts
