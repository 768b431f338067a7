# Two commands: `make run` and `make test`. Environments are built where they are missing or out of date.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
RIGHT_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))'
WRONG_PYTHON = Python 3.11 or 3.12 is needed: install it, or say where it is: make PYTHON=/path/to/python3.11
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check
# The CPU build of torch first and exactly: a looser range would take a CUDA build of several GB.
TORCH = torch==2.13.0

.PHONY: run test check environments clean

run: .venv/.dashboard .venv-triton/.ready
	.venv/bin/sarcopenia run

test: .venv/.all .venv-triton/.ready
	scripts/install_system_packages.sh
	.venv/bin/python -m pytest

check: .venv/.all
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

environments: .venv/.all .venv-triton/.ready

.venv/bin/python:
	@$(RIGHT_PYTHON) || { echo "$(WRONG_PYTHON)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.dashboard: .venv/bin/python pyproject.toml
	.venv/bin/python $(PIP_INSTALL) -e '.[dashboard]'
	touch $@

.venv/.all: .venv/.dashboard
	.venv/bin/python $(PIP_INSTALL) $(TORCH)
	.venv/bin/python $(PIP_INSTALL) -e '.[dashboard,train,test,check,postgres]'
	touch $@

# Triton's wheel needs numpy < 2, the dashboard numpy 2: two environments, as two containers in production.
.venv-triton/.ready: inference_server/triton-requirements.txt
	@$(RIGHT_PYTHON) || { echo "$(WRONG_PYTHON)" >&2; exit 1; }
	$(PYTHON) -m venv .venv-triton
	.venv-triton/bin/python $(PIP_INSTALL) -r $<
	touch $@

clean:
	rm -rf .venv .venv-triton build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
