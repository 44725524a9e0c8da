# Each target is sufficient alone on a machine with python3 and make: it sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out

.PHONY: run check test again lint bench acceptance chaos typescript house mutants clean

run: $(VENV)/.ready
	$(BIN)/mintmark run text-to-image -o $(OUT)

# Something of every layer, in a minute or two: for a first look, and while working. A test holds that no layer is left out.
CHECK := $(addprefix tests/, \
	test_errors.py test_log.py test_pure.py config \
	storage/test_sqlite_store.py storage/assets workflows/test_validate.py workflows/test_library.py \
	metering/test_prices.py metering/test_ledger.py moderation/test_rules.py moderation/test_moderator.py \
	provenance/test_signing.py provenance/test_tampering.py providers/test_catalog.py providers/test_contract.py \
	sandbox/test_fal_wire.py generation/test_service.py runner/test_executor.py runner/test_server.py \
	orchestrator/jobs/test_sqlite_store.py orchestrator/service orchestrator/api/test_runs.py \
	nodes/test_save.py client/test_client.py \
	cli/test_commands.py cli/test_command_line.py cli/test_budget.py web docs/test_curl_examples.py tools/test_check.py)

check: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n 2 -q -m "not acceptance" $(CHECK) $(ARGS)

# All of them. Failures are told as they come, and `make again` knows them, also where the run is stopped.
test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n 2 -q -m "not acceptance" --durations=10 $(ARGS)

# What failed of the last run, whole or stopped, once more and one at a time: tells a busy machine from a broken line.
again: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none --maxfail=5 -m "not acceptance" $(ARGS)

acceptance: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -q -rs -m "acceptance or comfyui" $(ARGS)

# Kills and cuts a whole service under load for so many minutes, then the workers of a fleet for as long; then looks at
# the books. One of the workers is a real ComfyUI where COMFYUI_PATH names one.
MINUTES ?= 5
chaos: $(VENV)/.ready-dev
	MINTMARK_CHAOS_MINUTES=$(MINUTES) $(BIN)/python -m pytest -q -s -m acceptance tests/chaos

# The TypeScript client's types, anew from the API. Needs node and npm.
typescript: $(VENV)/.ready-dev
	$(BIN)/python tools/typescript.py

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# mypy wants a folder whose name is the package's; the clone's own name may be anything.
	@mkdir -p .build/mypy && ln -sfn ../.. .build/mypy/mintmark
	MYPYPATH=.build/mypy $(BIN)/mypy --strict -p mintmark --exclude '(^|/)tests/'

bench: $(VENV)/.ready-dev
	$(BIN)/python -m mintmark.bench.harness.every .build/bench

# Where to look: sizes beside those of codebases that we like, and functions of the same shape.
house: $(VENV)/.ready-dev
	$(BIN)/python tools/house.py --largest 10

# Breaks lines that matter, one at a time in a copy, and wants a test to fail each time.
mutants: $(VENV)/.ready-dev
	$(BIN)/python tools/mutants.py

clean:
	rm -rf $(VENV) .build build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV), about half a minute …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@echo "Adding what tests and lint need …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
