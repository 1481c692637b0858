# Every target installs first what it needs, into .venv; nothing else on the machine is touched.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help install install-runtime demo parts ui test test-slow check test-media test-services docs lock clean
BIN := .venv/bin
# Tests start many processes: each would compile torch anew where the environment says not to keep compiled modules.
export PYTHONDONTWRITEBYTECODE :=
# How many processes share the tests; each takes about 2 GiB.
WORKERS ?= 2

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## make .venv with exactly the pinned versions
	@tools/install.sh dev

install-runtime:
	@tools/install.sh runtime

demo: install-runtime ## procedural video -> training -> benchmark table -> out/demo/report.html
	@$(BIN)/plm demo

parts: install-runtime ## make the shipped parts again (hours), and compare byte for byte
	@for part in words encoder projector vision decoder sharp_vision timed_decoder; do \
		$(BIN)/plm reproduce src/perceptlm/recipes/parts/$${part}_tiny --work out/parts/$${part}_tiny --keep || exit 1; \
	done

ui: ## build the annotation page (needs Node 20.19 or newer) into src/perceptlm/annotate/web
	@tools/make_ui.sh

test: check test-media test-services ui ## checks, then every test that is not slow
	@$(BIN)/python -m pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile

test-slow: install test-media test-services ui ## the slow tests
	@$(BIN)/python -m pytest -m slow -o faulthandler_timeout=3600

check: install ## style, types, import rules, file sizes
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python tools/check_imports.py
	@$(BIN)/python tools/check_sizes.py

test-media: install
	@$(BIN)/python tools/fetch_test_media.py

test-services: install ## install PostgreSQL and Chromium, which tests start by themselves
	@$(BIN)/python tools/test_services.py

docs: install ## write docs/life-of-a-sample.md anew
	@$(BIN)/python tools/make_docs.py

lock: ## renew requirements/lock*.txt from pyproject.toml
	@test -x build/lock/bin/python || python3 -m venv build/lock
	@build/lock/bin/python -m pip install --quiet uv==0.13.9
	@build/lock/bin/python tools/make_lock.py

clean: ## remove caches and build leftovers; keeps .venv and out/
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
