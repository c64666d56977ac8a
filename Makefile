# Two commands on a fresh machine with python3, venv, make and git:
#   make run     the workflow on a demonstration dataset, up to the report
#   make test    all tests
# To measure again:
#   make bench    speed and memory beside other converters; writes docs/performance.md (ROUNDS=3)
#   make correctness    ct2zarr and other converters on hard cases; writes docs/correctness.md
# To use another interpreter: make run PYTHON=python3.13

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || echo 2)
VENV ?= .venv
# Two test processes; the tests of a file run in one of them and share their fixtures.
PYTEST ?= --numprocesses 2 --dist loadfile
BIN := $(VENV)/bin

.PHONY: help run bench test test-fast lint docs lock correctness clean

help:
	@sed -n 's/^#  *make/make/p' Makefile

run: $(VENV)/run-ready demo/dicom
	$(BIN)/snakemake --cores $(CORES) --configfile config/demonstration.yaml
	@echo "The report: $(CURDIR)/demo/converted/zarr_sqlite/verify_report.html"

# Written under another name first, so that an interrupted run leaves no incomplete dataset.
demo/dicom: | $(VENV)/run-ready
	rm -rf demo/unfinished
	$(BIN)/python scripts/make_demonstration.py demo/unfinished
	mv demo/unfinished demo/dicom

test: $(VENV)/test-ready
	$(BIN)/python -m pytest $(PYTEST)

test-fast: $(VENV)/test-ready
	$(BIN)/python -m pytest $(PYTEST) -m "not slow"

# Series and results are kept below bench/; delete bench/results to start again.
ROUNDS ?= 3
BENCHMARKS := conversion steps memory compression scanning shards workflow collection reading
bench: $(addprefix bench-,$(BENCHMARKS))
	PYTHONPATH=scripts:benchmarks $(BIN)/python benchmarks/performance.py --results bench/results

bench-%: $(VENV)/test-ready $(VENV)-peers/ready
	PYTHONPATH=scripts:tests:benchmarks $(BIN)/python benchmarks/$*.py --cache bench/series \
		--results bench/results --rounds $(ROUNDS) --peers $(VENV)-peers/bin/python

lint: $(VENV)/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=scripts $(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile rules workflow
	$(BIN)/snakemake --lint

# The tables that are generated from the code, and the pictures of docs/flags.md.
docs: $(VENV)/test-ready
	$(BIN)/python docs/make_tables.py
	$(BIN)/python docs/make_pictures.py

# Any Python can read this: it has to be said by the one that is too old.
CHECK_PYTHON := import sys; v = sys.version_info[:3]; sys.exit(None if v >= (3, 11) else \
	"error: Python %d.%d.%d is too old: ct2zarr needs 3.11 or later; name another interpreter, such as " \
	"`make run PYTHON=python3.12`" % v)

# What a failed attempt leaves behind would be taken for an environment.
$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c '$(CHECK_PYTHON)'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The environment may be one that an older Python has made.
$(VENV)/run-ready: requirements.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@$(BIN)/python -c '$(CHECK_PYTHON)' 2>/dev/null || { $(PYTHON) -c '$(CHECK_PYTHON)' && \
		$(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing the packages that ct2zarr needs into $(VENV); this takes some minutes"
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

$(VENV)/test-ready: requirements-dev.txt $(VENV)/run-ready
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

# Pins all packages again; needs uv. Each file is valid for Python 3.11 and later versions.
lock:
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --extra workflow \
		--output-file requirements.txt pyproject.toml
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --extra slurm \
		--extra cluster --group dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

# The other converters need other versions of shared packages, so they have their own environment.
$(VENV)-peers/ready: benchmarks/requirements-peers.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --requirement $<
	@touch $@

correctness: $(VENV)/test-ready $(VENV)-peers/ready
	$(BIN)/python benchmarks/correctness.py --peers $(VENV)-peers/bin/python

clean:
	rm -rf $(VENV) $(VENV)-peers demo bench .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
