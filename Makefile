# Every target creates the virtual environment it needs, so one command on a bare machine is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export RAY_TRAIN_V2_ENABLED = 1
# Jobs and tests start many processes; without kept bytecode each would compile the package and the tests anew.
unexport PYTHONDONTWRITEBYTECODE

BUILD_DOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.DEFAULT_GOAL := help
.PHONY: help install sweep compare continual unihpe tables test check test-slow docs bench clean

help:
	@echo "make sweep      AWC sweep on simulated data (Ray Train + Tune + Optuna, logged to MLflow; 3 minutes)"
	@echo "make compare    balancing methods compared over seeds, tuned with equal budget, with checks (10 minutes)"
	@echo "make continual  rooms learnt one after the other: what is forgotten, and what keeps it (11 minutes)"
	@echo "make unihpe     pictures, key points and 3D poses aligned in one space, and decoded from it (10 minutes)"
	@echo "make tables     the paper's tables and figures beside the published numbers, as one HTML report (half an hour)"
	@echo "make test       whole test suite"
	@echo "make check      ruff, mypy, the quick tests and the documentation: minutes"
	@echo "make test-slow  tests that take minutes"
	@echo "make docs       documentation as a web site in site/, warnings are errors"
	@echo "make bench      every benchmark, printed as tables"
	@echo "make install    only create the environment"

install: $(STAMP)

# torch first and pinned: any later, broader request would pull a build with CUDA packages.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

sweep: install
	$(BIN)/python experiments/awc_sweep.py

compare: install
	$(BIN)/python experiments/compare_methods.py

continual: install
	$(BIN)/python experiments/continual_streams.py

unihpe: install
	$(BIN)/python experiments/unihpe_stages.py

tables: install
	$(BIN)/python experiments/paper_tables.py

# Tests that start Ray, MLflow or a browser come after the others, those that share something costly in one process.
test: install
	$(BIN)/python -m pytest -m 'not slow and not system' -n 2 --dist worksteal
	$(BIN)/python -m pytest -m 'system and not slow' -n 2 --dist loadfile

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m 'not slow and not system and not thorough' -n 2 --dist worksteal
	$(BUILD_DOCS)

test-slow: install
	$(BIN)/python -m pytest -m slow --timeout 3600

docs: install
	$(BUILD_DOCS)
	@echo "open site/index.html; its search needs a server: python -m http.server -d site"

bench: install
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build site *.egg-info .pytest_cache .mypy_cache .ruff_cache
