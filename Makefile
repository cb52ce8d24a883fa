# `make` prints what there is. Everything runs in .venv, which is made from requirements/dev.lock and made anew when that changes.
# On Windows without make, CONTRIBUTING.md gives the same commands.

SHELL := /bin/sh
.SUFFIXES:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check
INSTALL := $(PIP) install --no-user -qq

# Settings of the caller that would change what is installed, or which packages are found. Those that say where packages
# come from (an index, a proxy, a certificate) stay.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONNOUSERSITE PYTHONPLATLIBDIR VIRTUAL_ENV __PYVENV_LAUNCHER__
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV PIP_REQUIREMENT PIP_CONSTRAINT PIP_EDITABLE PIP_PYTHON
unexport PIP_NO_DEPS PIP_DRY_RUN PIP_REPORT PIP_NO_BINARY PIP_ONLY_BINARY PIP_PRE PIP_UPGRADE PIP_FORCE_REINSTALL
unexport PIP_IGNORE_INSTALLED PIP_IGNORE_REQUIRES_PYTHON PIP_REQUIRE_HASHES PIP_PLATFORM PIP_PYTHON_VERSION PIP_DEST PIP_LOG PIP_VERBOSE

.PHONY: help env test peers lint demo bench messages wheel offline lock clean

help:
	@echo "make test      run the tests; ARGS='-k log -n 0' is passed on to pytest"
	@echo "make peers     what some tests try age files against, where npm is installed"
	@echo "make lint      ruff, and mypy for Linux, macOS and Windows"
	@echo "make demo      the whole story in a throw-away folder"
	@echo "make bench     measurements"
	@echo "make messages  commands/locale/casevault.pot, the template for translators"
	@echo "make wheel     dist/casevault-*.whl, the same bytes for the same commit"
	@echo "make offline   dist/offline: everything to install on a machine without a network"
	@echo "make lock      requirements/*.lock; ARGS=--upgrade takes newer versions"
	@echo "make clean     remove what the others made"
	@echo "PYTHON=python3.12 chooses the interpreter of the environment (3.10 or later)"

# Prints the interpreter that an activated environment was made from, so that .venv never depends on another environment.
FIND = for name in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python3.10 python py); do \
	"$$name" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable)); sys.exit(sys.version_info < (3, 10))' \
	2>/dev/null && exit 0; done; exit 1

env:
	@if cmp -s requirements/dev.lock .venv/dev.lock && $(PY) -c '' 2>/dev/null; then exit 0; fi; \
	found=$$($(FIND)) || { echo "make: no Python 3.10 or later found$(if $(PYTHON), under the name $(PYTHON))" >&2; exit 1; }; \
	python=$$(printf '%s\n' "$$found" | tail -n 1 | tr -d '\r'); \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "make: $$python cannot make an environment (its modules venv and ensurepip are missing)" >&2; \
		echo "make: on Debian and Ubuntu: apt-get install python$$version-venv" >&2; exit 1; }; \
	echo "make: making .venv with $$python"; \
	rm -rf .venv && "$$python" -m venv .venv && $(INSTALL) --require-hashes --only-binary :all: -r requirements/dev.lock && \
	cp requirements/dev.lock .venv/dev.lock || { \
		echo "make: .venv could not be made; packages come from the index that pip is set up for" >&2; exit 1; }

test: env
	@$(PY) -m pytest -n auto --dist worksteal $(ARGS)

# Outside tests/, because nothing but the environment is ever installed into the checkout.
peers: env
	@command -v npm >/dev/null || { echo "make: without npm the tests leave age-encryption out"; exit 0; }; \
	mkdir -p .venv/peers && cp tests/peers/package.json tests/peers/package-lock.json .venv/peers/ && \
	npm --prefix .venv/peers ci --ignore-scripts --no-audit --no-fund --silent >/dev/null || { \
		rm -rf .venv/peers; echo "make: age-encryption could not be installed; packages come from where npm is set up for" >&2; exit 1; }

lint: env
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "make: ruff format would change something: run $(BIN)/ruff format" >&2; exit 1; }
	@for platform in linux darwin win32; do \
		$(PY) -m mypy --no-error-summary --cache-dir .mypy_cache/$$platform --platform $$platform || { \
			echo "make: mypy for the platform $$platform" >&2; exit 1; }; \
	done
	@echo "make: lint is clean"

# Real photographs, sounds and documents come from a Debian package where that can be had.
SAMPLES := forensics-samples-files

demo: env
	@if ! dpkg -s $(SAMPLES) >/dev/null 2>&1; then \
		get() { DEBIAN_FRONTEND=noninteractive apt-get "$$@" </dev/null >/dev/null 2>&1; }; \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && { \
			get install -y --no-install-recommends $(SAMPLES) || \
			{ get update && get install -y --no-install-recommends $(SAMPLES); }; }; \
		then echo "make: installed Debian's $(SAMPLES)"; \
		else echo "make: Debian's $(SAMPLES) is not installed: the demo makes its own media"; fi; fi
	@$(PY) vault.py demo $(ARGS)

bench: env
	@$(PY) -m bench $(ARGS)

messages: env
	@PYTHONPATH=. $(PY) tests/support/messages.py

# The time in the archive is the commit's, so that everybody builds the same bytes from it.
wheel: env
	@rm -f dist/casevault-*.whl
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 1580601600)} \
		$(PY) -m build --wheel --no-isolation --outdir dist . >build.log 2>&1 || { cat build.log >&2; rm -f build.log; exit 1; }
	@rm -f build.log
	@$(PY) -c 'import glob, hashlib; [print(hashlib.sha256(open(n, "rb").read()).hexdigest(), "", n) for n in glob.glob("dist/casevault-*.whl")]'

offline: wheel
	@rm -rf dist/offline && mkdir -p dist/offline
	@$(PIP) download -qq --require-hashes --only-binary :all: -r requirements/offline.lock -d dist/offline
	@cp dist/casevault-*.whl dist/offline/
	@$(PY) requirements/offline.py dist/offline

# The lock files name packages, versions and hashes, no addresses; one set serves every platform and Python.
UV := build/uv/bin/uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS) pyproject.toml

lock: env
	@[ -x $(UV) ] || { $(PY) -m venv build/uv && build/uv/bin/python -m pip install --no-user -qq uv; }
	@$(COMPILE) -o requirements/run.lock >/dev/null
	@$(COMPILE) --group offline -c requirements/run.lock -o requirements/offline.lock >/dev/null
	@$(COMPILE) --group dev -c requirements/run.lock -o requirements/dev.lock >/dev/null
	@! grep -n '://' requirements/*.lock

clean:
	@rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find vault crypto commands tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
