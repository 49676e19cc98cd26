# `make demo` and `make test` need Python (3.11 or newer, with venv), make and a network for pip.

PYTHON ?= python3
VENV ?= .venv
STORE ?= results
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: setup demo test test-faults test-cluster cluster-check check format docs clean

setup: $(INSTALLED)

# --no-compile: Python compiles and keeps what is imported; compiling all of torch takes a minute
unexport PYTHONDONTWRITEBYTECODE
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
	    --constraint constraints.txt --editable '.[dev]'
	touch $@

# Fashion-MNIST where it can be had, else the digits that come with scikit-learn
demo: setup
	@if $(BIN)/lbray data fetch fashion_mnist; then dataset=fashion_mnist; size=12000; \
	else dataset=digits; size=null; fi; \
	echo "demo: training on $$dataset" >&2; \
	$(BIN)/lbray sweep experiments/quickstart.yaml --store $(STORE) \
	    --set dataset=$$dataset --set train_size=$$size && \
	$(BIN)/lbray analyze quickstart --store $(STORE) --out $(STORE)/analysis/quickstart \
	    --maps none

# a process more than there are cores, as whole sweeps wait for processes that start; these come first
test: setup
	$(BIN)/python -m pytest --numprocesses $$(($$(nproc) < 4 ? $$(nproc) + 1 : 4)) \
	    --dist loadfile --no-loadscope-reorder

# processes, nodes and stores that die for real, two files of tests at a time: some 15 minutes
test-faults: setup
	$(BIN)/python -m pytest -m faults --timeout 1200 \
	    --numprocesses 2 --dist loadfile --no-loadscope-reorder

cluster-check: setup
	$(BIN)/python -m pytest tests/cluster

# what clusters need beside what tests need: jobs and the dashboard
test-cluster: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev,cluster]'
	$(BIN)/python -m pytest -s -m cluster tests/cluster

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# the parts of docs/commands.md and docs/experiment-file.md that the code decides
docs: setup
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
