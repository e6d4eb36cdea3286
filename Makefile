# One environment in .venv, made once; `make` alone says what there is.
PYTHON ?= python3
# pytest's worker processes, one thread each; 0 runs the tests in one process
WORKERS ?= 2
# of pytest; --require-page lets the tests of the page fail where they could not run
OPTIONS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test check docs environment page clean

help:
	@echo "make demo         the whole way on a generated phantom; ends with demo/report.html"
	@echo "make test         every check: ruff, mypy, pytest (make test WORKERS=4 on a larger machine)"
	@echo "make check        ruff and mypy alone"
	@echo "make docs         the site of docs/ and of the docstrings; ends with build/site/index.html"
	@echo "make page         the page of lesslabel annotate, from page/; needs npm (Node 20 or newer)"
	@echo "make environment  .venv with everything the checks need"
	@echo "make clean        remove .venv, demo and caches; data, stores and runs stay"

demo: $(VENV)/.installed
	rm -rf demo
	$(BIN)/lesslabel demo --output demo

test: check
	PYTHONUTF8=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(OPTIONS)

check: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# never --quiet, which would hide warnings from --strict as well; mkdocs-material advertises its successor unless told not to
docs: environment
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file docs/site/mkdocs.yml

page: lesslabel/annotating/static/page.js

environment: $(VENV)/.installed-dev

# An empty file says what is installed, so that the second time is instant; a change of either input installs again.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.installed

page/node_modules/.installed: page/package-lock.json
	@command -v npm >/dev/null || { echo "make page needs npm: install Node 20 or newer, https://nodejs.org" >&2; exit 1; }
	cd page && npm ci --no-audit --no-fund --ignore-scripts
	touch $@

lesslabel/annotating/static/page.js: $(wildcard page/src/*) page/build.mjs page/tsconfig.json page/node_modules/.installed
	cd page && npm run --silent check && npm run --silent build

# pip is the last thing that venv makes: a half-made environment is made again
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "lesslabel needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1);" \
			"install one and say which: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) demo build dist page/node_modules lesslabel/annotating/static *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find lesslabel tests benchmarks notebooks -type d -name __pycache__ -prune -exec rm -rf {} +
