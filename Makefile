# Each target is sufficient alone on a machine with python3 and make: it sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out

.PHONY: run test lint bench acceptance clean

run: $(VENV)/.ready
	$(BIN)/mintmark run text-to-image -o $(OUT)

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n 2 -q -m "not acceptance" $(ARGS)

acceptance: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -q -rs -m "acceptance or comfyui" $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# mypy wants a folder whose name is the package's; the clone's own name may be anything.
	@mkdir -p .build/mypy && ln -sfn ../.. .build/mypy/mintmark
	MYPYPATH=.build/mypy $(BIN)/mypy --strict -p mintmark --exclude '(^|/)tests/'

bench: $(VENV)/.ready-dev
	@mkdir -p .build/bench
	@for each in bench/*.py; do echo "== $$each"; $(BIN)/python $$each --json .build/bench/$$(basename $$each .py).json; done

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
