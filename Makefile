# PYTHONSAFEPATH: the folders of this checkout are named like the packages; only installed ones are to be imported.
# make demo: the main job end to end.  make test: the tests.  Both make .venv first, on Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAKE ?= demo-lake

.PHONY: demo test lint bench bench-env clean

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("CodeLake needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install -c constraints.txt -e '.[all,dev]'
	@touch $@

demo: $(VENV)/.installed
	PYTHONSAFEPATH=1 $(BIN)/codelake demo --lake $(LAKE)

test: $(VENV)/.installed
	PYTHONSAFEPATH=1 $(BIN)/pytest -n auto

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/typed
	$(BIN)/python -m pip install --quiet --no-deps --target build/typed .
	cd build/typed && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p codelake

# The peers that bench.query compares with, in an environment of their own.
bench-env: .venv-bench/.installed

.venv-bench/.installed: bench/peers.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install -r bench/peers.txt
	@touch $@

bench: $(VENV)/.installed bench-env
	$(BIN)/python -m bench.lake
	$(BIN)/python -m bench.sources
	$(BIN)/python -m bench.query

clean:
	rm -rf $(VENV) .venv-bench build dist *.egg-info $(LAKE) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
