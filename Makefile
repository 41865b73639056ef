# Each target works on a fresh clone with only Python 3.11+ and make, and may be repeated.
# PYTHON picks the interpreter; without it the first of these that is new enough is taken.
ifndef PYTHON
PYTHON := $(shell for name in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	    && { echo "$$name"; break; }; done)
endif
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests that wait for processes and servers leave room for one worker more than there are cores.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(1 + (os.cpu_count() or 1))")

.PHONY: setup demo test check bench faults docs lock sbom audit

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "mso-hub needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mso-hub needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	@$(BIN)/mso-hub demo $(ARGS)

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory test

bench: setup
	for script in bench/*.py; do $(BIN)/python $$script $(ARGS) || exit 1; done

# Injects faults into real processes of the hub and checks what is left; `make test` runs a short mix.
faults: setup
	$(BIN)/python tests/faults/campaign.py $(ARGS)

# Writes the generated pages of docs/reference/ again.
docs: setup
	$(BIN)/python docs/generate.py

# Pins every dependency with hashes and without addresses. pip-tools lives in a virtualenv of its
# own, thrown away afterwards, so that it is no dependency of the hub.
lock:
	set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools; \
	"$$tools/bin/python" -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --no-annotate \
	  --extra dev --extra tracing --constraint constraints.txt --output-file requirements.txt pyproject.toml

# A bill of materials (CycloneDX, JSON) of what is pinned; SBOM names the file.
SBOM ?= sbom.cdx.json
sbom:
	set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0; \
	"$$tools/bin/cyclonedx-py" requirements --pyproject pyproject.toml --output-reproducible \
	  --output-format JSON --output-file $(SBOM) requirements.txt

# Known vulnerabilities of what is pinned; asks the advisory database of PyPI. Fails if it finds one,
# or if a package cannot be looked up.
audit:
	set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; \
	"$$tools/bin/pip-audit" --strict --require-hashes --disable-pip --requirement requirements.txt
