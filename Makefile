# `make demo` and `make test` need nothing but Python 3.11+ and this folder.
PYTHON ?= python3
BIN := .venv/bin
# What the races are run against. They pin old versions of what we use, hence --no-deps and a
# folder of their own.
PEERS := imitation==1.0.1 SMPyBandits==0.9.7 mabwiser==2.7.4 pandas scikit-learn seaborn narwhals \
	python-dateutil six pytz tzdata threadpoolctl smolagents==1.26.0 python-dotenv

.PHONY: demo test lint types docs pytest benchmarks clean

demo: .venv/core                ## compare rewards on two tasks; ends with a report
	$(BIN)/rewardsmith compare experiment=quickstart

test: lint types docs pytest    ## everything CI checks

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

pytest: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

benchmarks: .venv/dev           ## measures the races and writes docs/performance.md
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target .venv/peers $(PEERS)
	PYTHONPATH=.venv/peers $(BIN)/python benchmarks/run.py

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/dev: .venv/core
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[bridges,dev,docs,lora,robotics,text]"
	touch $@

clean:
	rm -rf .venv site runs build
