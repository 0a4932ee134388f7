# GNU make 4.3 or later (3.81 of macOS does as well) and Python 3.11 or later; everything else is fetched.

PYTHON ?= python3
PORT   ?= 8000
SERVE  ?= 1

VENV   := .venv
BIN    := $(VENV)/bin
MANAGE := $(BIN)/python example_project/manage.py
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Otherwise the site of demo-alibaba takes any free port.
DEMO_SERVED := $(if $(filter 0,$(SERVE)),,--serve --port $(PORT))

# Touched after an installation, so that the next one waits until pyproject.toml changes.
EXAMPLE_INSTALLED := $(VENV)/example-installed
DEV_INSTALLED     := $(VENV)/dev-installed
E2E_INSTALLED     := $(VENV)/e2e-installed

.DEFAULT_GOAL := help
.PHONY: help demo demo-alibaba test e2e lint types clean free-port

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Variables: PYTHON=$(PYTHON) (makes $(VENV)), PORT=$(PORT), SERVE=0 (demos stop after their tables)"

demo: free-port $(EXAMPLE_INSTALLED) ## Fill the example site with pictures, show what became of them, serve it
	@echo "Bringing the database up to date"
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) demo --port $(PORT)
ifneq ($(SERVE),0)
	@echo
	@$(MANAGE) runserver --noreload 127.0.0.1:$(PORT)
endif

# A site of its own, made anew: the last emulator is gone, and what it was told with it.
demo-alibaba: free-port $(EXAMPLE_INSTALLED) ## Have the same pictures judged by an emulator of Alibaba Cloud, serve the site
	@echo "Making a site of its own in var/alibaba"
	@rm -rf var/alibaba
	@unset DATABASE_URL MEDIA_ROOT CACHE_ROOT; \
		export VAR_ROOT="$(CURDIR)/var/alibaba" IMGMOD_DISPATCHER=django_imgmod.dispatch.SweepDispatcher; \
		$(MANAGE) migrate --verbosity 0 && exec $(MANAGE) demo_alibaba $(DEMO_SERVED)

test: $(DEV_INSTALLED) ## Run the tests on SQLite
	@$(BIN)/python -m pytest

e2e: $(E2E_INSTALLED) ## Run the tests that need a browser, the Chromium of this machine
	@$(BIN)/python -m tests.e2e.chromium
	@$(BIN)/python -m pytest tests/e2e

lint: $(DEV_INSTALLED) ## Check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV_INSTALLED) ## Check the types
	@$(BIN)/mypy

clean: ## Remove the environment, the example's database and pictures, and caches
	rm -rf $(VENV) var build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Better said before a minute of installing than after it.
free-port:
ifneq ($(SERVE),0)
	@$(PYTHON) -c 'import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", $(PORT)))' 2>/dev/null \
		|| { echo "Port $(PORT) is not free. Choose another one: make $(MAKECMDGOALS) PORT=8001" >&2; exit 1; }
endif

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or later is needed. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(EXAMPLE_INSTALLED): pyproject.toml | $(BIN)/python
	@echo "Installing django-imgmod with its engine and the example's packages (a minute the first time)"
	@$(PIP) install --editable ".[example]"
	@touch $@

$(DEV_INSTALLED): pyproject.toml | $(BIN)/python
	@echo "Installing django-imgmod with what the tests need (a minute or two the first time)"
	@$(PIP) install --editable ".[dev]"
	@touch $@ $(EXAMPLE_INSTALLED)

$(E2E_INSTALLED): pyproject.toml | $(DEV_INSTALLED)
	@echo "Installing Playwright, without a browser"
	@$(PIP) install --editable ".[e2e]"
	@touch $@
