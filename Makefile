# `make` prints this help. Every target installs what it needs into .venv by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PROTOS := $(shell find protos -name '*.proto' 2>/dev/null | sort)
LOCK   := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
PROTOC := $(BIN)/python -m grpc_tools.protoc -Iprotos

.DEFAULT_GOAL := help
.PHONY: help setup run demo migrate test chaos nightly check protos protos-check docs docs-check k8s-check bench bench-quick lock clean

help: ## print this help
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "TenRusl needs Python 3.11 or newer; set PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once, about half a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP) ## create .venv and install everything, pinned by hash

run: $(STAMP) ## start everything locally: PostgreSQL, Valkey and the five services
	@$(BIN)/python -m tenrusl.local run

demo: $(STAMP) ## send signed, duplicate, forged and failing webhooks and check what became of them
	@$(BIN)/python -m tenrusl.local demo

migrate: $(STAMP) ## bring the database that DB_* or DB_URL names to the newest schema
	@$(BIN)/tenrusl migrate

test: $(STAMP) ## run all tests (unit, integration against real servers, end to end)
	@$(BIN)/python -m pytest

chaos: $(STAMP) ## kill, freeze, cut and fill everything under load, and count every acknowledged webhook
	@$(BIN)/python -m pytest -n 0 -s tests/chaos

nightly: ## everything that takes longer than a change may wait: checks, all tests, chaos, the bench
	@$(MAKE) --no-print-directory check test chaos bench

check: $(STAMP) protos-check docs-check ## lint, types, import boundaries, protos, generated pages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

protos: $(STAMP) ## generate libs/tenrusl/api from protos/
	@rm -rf libs/tenrusl/api && mkdir -p libs/tenrusl/api
	@$(PROTOC) --python_out=libs --pyi_out=libs --grpc_python_out=libs $(PROTOS)
	@find libs/tenrusl/api -type d -exec touch {}/__init__.py \;

protos-check: $(STAMP) ## lint the protos and fail when the generated code is out of date
	@$(BIN)/buf lint protos
	@rm -rf $(VENV)/protos-check && mkdir -p $(VENV)/protos-check
	@$(PROTOC) --python_out=$(VENV)/protos-check --pyi_out=$(VENV)/protos-check --grpc_python_out=$(VENV)/protos-check $(PROTOS)
	@find $(VENV)/protos-check/tenrusl/api -type d -exec touch {}/__init__.py \;
	@diff -r -x __pycache__ $(VENV)/protos-check/tenrusl/api libs/tenrusl/api || \
		{ echo "libs/tenrusl/api does not match protos/: run 'make protos'"; exit 1; }

docs: $(STAMP) ## write the pages of docs/ that are made from the code
	@$(BIN)/python -m tenrusl.docs

docs-check: $(STAMP) ## fail when one of these pages is out of date
	@$(BIN)/python -m tenrusl.docs --check

k8s-check: $(STAMP) ## build the overlays of deploy/k8s and hold them to three Kubernetes versions and our policies
	@command -v kubectl >/dev/null || echo "kubectl not found: kustomize builds not checked, only the base as it is written"
	@$(BIN)/python -m pytest tests/unit/deploy

bench: $(STAMP) ## measure against what others would write, into benchmarks/report.md and report.png
	@$(BIN)/python -m benchmarks --output benchmarks $(if $(BENCH_SOAK_MINUTES),--soak-minutes $(BENCH_SOAK_MINUTES))

bench-quick: $(STAMP) ## the same with small numbers, only printed: that it works, not how fast it is
	@$(BIN)/python -m benchmarks --quick

lock: $(STAMP) ## resolve pyproject.toml anew into requirements.lock, and what the image needs of it
	@$(LOCK) --all-extras pyproject.toml -o requirements.lock
	@$(LOCK) --constraint requirements.lock pyproject.toml -o requirements-runtime.lock
	@$(LOCK) --constraint requirements.lock deploy/docker/build.in -o requirements-build.lock

clean: ## remove the virtual environment and the local data of `make run`
	@rm -rf $(VENV) .tenrusl .mypy_cache .ruff_cache .pytest_cache .hypothesis
