# Two commands for a person: `make demo` and `make test`. Both need only Python 3.11+ and make; `make test` also needs
# Java 17+ and Maven (a real Neo4j) and a MariaDB server, which it installs itself where apt-get may.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: demo test lint types unit java mariadb install clean

demo: install
	$(BIN)/kg-recall demo

test: install java mariadb lint types unit

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing: install Python 3.11 or newer, or name one with PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

java:
	@bash tests/real/need_java.sh

mariadb:
	@bash tests/real/need_mariadb.sh

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types:
	$(BIN)/mypy

unit:
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) build kg_recall.egg-info kg-recall-demo
