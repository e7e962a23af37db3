# make, or make help, lists what there is to do. Works with Python 3.10 to 3.13 and the package index; nothing else.

PYTHON ?= python3
CONFIG ?= configs/edge/sim.yaml
# A folder of photographs for `make run`; may hold spaces.
IMAGES ?=
# More arguments for the program that a target starts.
ARGS ?=
VENV_EDGE ?= .venv-edge
VENV ?= .venv
# Where Home Assistant and Node-RED are, for the two targets that try the dashboards on them.
VENV_HOME_ASSISTANT ?= .venv-home-assistant
NODE_RED ?= .node-red
# Tests share the processor cores; neighbours, which share what is costly, mostly stay together. Empty: one by one.
PARALLEL ?= --numprocesses auto --dist worksteal
EDGE_TESTS = tests/edge tests/contract tests/e2e tests/invariants tests/test_imports.py tests/test_rules_bite.py
# Passed to recipes through the environment, so that spaces and quotes in a path stay what they are.
export IMAGES

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-edge test-arm64 test-home-assistant test-node-red check clean

help: ## list the targets
	@echo 'usage: make TARGET [NAME=value ...]'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile
	@echo 'PYTHON=python3.12 chooses the Python; delete $(VENV) and $(VENV_EDGE), or make clean, after a change of Python.'

run: $(VENV_EDGE)/.ready ## the whole bin, simulated, with its console [IMAGES=folder/of/photos] [CONFIG=...] [ARGS=...]
	@$(VENV_EDGE)/bin/python -m edge run --config '$(CONFIG)' --console $(if $(strip $(IMAGES)),--images "$$IMAGES") $(ARGS)

# Training has a process of its own: with four inference runtimes loaded beside it, torch's distributed tests have crashed.
test: $(if $(strip $(ARGS)),,test-edge) $(VENV)/.ready ## every test [ARGS=pytest arguments: those tests, with torch]
	$(if $(strip $(ARGS)),$(VENV)/bin/python -m pytest $(ARGS),$(VENV)/bin/python -m pytest $(PARALLEL) $(addprefix --ignore ,$(EDGE_TESTS) tests/train))
	$(if $(strip $(ARGS)),,$(VENV)/bin/python -m pytest $(PARALLEL) tests/train)

test-edge: $(VENV_EDGE)/.ready-to-test ## the bin's tests with what a bin has: no torch [ARGS=pytest arguments]
	$(VENV_EDGE)/bin/python -m pytest $(PARALLEL) $(ARGS) $(EDGE_TESTS)

# Beside CI, not in it: it needs root, Debian and an hour and a half. docs/arm64.md has its last result.
test-arm64: ## the bin's tests in an emulated Debian for arm64, as on a Raspberry Pi; needs root [ARGS=pytest arguments]
	.ci/arm64 $(ARGS)

# Beside CI too: what they install takes minutes. docs/dashboards.md has their last results.
test-home-assistant: $(VENV)/.ready $(VENV_HOME_ASSISTANT)/.ready ## a bin in a real Home Assistant; needs mosquitto and python3.11 [ARGS=pytest arguments]
	SMARTBIN_HOME_ASSISTANT=$(VENV_HOME_ASSISTANT)/bin/python \
		$(VENV)/bin/python -m pytest tests/home_assistant/check_home_assistant.py $(ARGS)

test-node-red: $(VENV)/.ready $(NODE_RED)/.ready ## bins on the page of a real Node-RED; needs mosquitto, chromium and npm [ARGS=pytest arguments]
	SMARTBIN_NODE_RED=$(NODE_RED) $(VENV)/bin/python -m pytest tests/node_red/check_node_red.py $(ARGS)

check: $(VENV)/.ready ## style, types and which package may import which
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

clean: ## remove the environments, caches and what the simulated bin wrote
	rm -rf $(VENV) $(VENV_EDGE) $(VENV_HOME_ASSISTANT) $(NODE_RED) .venv-ci .venv-ci-edge var build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find edge export train tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A file that says that an environment holds what its requirement files ask for. Written last: a broken install starts again.
$(VENV_EDGE)/.ready: requirements-edge.txt
	$(call environment,$(VENV_EDGE),requirements-edge.txt,what a bin needs (some 600 MB on disk; a minute or two))

$(VENV_EDGE)/.ready-to-test: requirements-test.txt $(VENV_EDGE)/.ready
	$(call environment,$(VENV_EDGE),requirements-test.txt,the test tools)

$(VENV)/.ready: requirements-dev.txt requirements-train.txt requirements-test.txt requirements-edge.txt
	$(call environment,$(VENV),requirements-dev.txt,what training$(comma) export and tests need (several GB where torch comes with CUDA))

$(VENV_HOME_ASSISTANT)/.ready: tests/home_assistant/requirements.txt
	python3.11 -m venv --clear $(VENV_HOME_ASSISTANT)
	$(VENV_HOME_ASSISTANT)/bin/python -m pip install --disable-pip-version-check --requirement $<
	@touch $@

$(NODE_RED)/.ready: tests/node_red/package.json
	mkdir -p $(NODE_RED) && cp $< $(NODE_RED)/
	npm install --prefix $(NODE_RED) --no-audit --no-fund --ignore-scripts
	@touch $@

comma := ,
define environment
@command -v '$(PYTHON)' >/dev/null || { echo "error: no program '$(PYTHON)'; smartbin needs Python 3.10 to 3.13" \
	"(name one: make $(MAKECMDGOALS) PYTHON=python3.12)" >&2; exit 1; }
@'$(PYTHON)' -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { echo "error: '$(PYTHON)' is" \
	"$$('$(PYTHON)' -V 2>&1); smartbin needs Python 3.10 to 3.13 (name one: make $(MAKECMDGOALS) PYTHON=python3.12)" >&2; exit 1; }
@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { echo "error: '$(PYTHON)' cannot make an environment: it lacks" \
	"venv or ensurepip (Debian, Ubuntu, Raspberry Pi OS: sudo apt install python3-venv)" >&2; exit 1; }
@echo "Setting up $(1) with $(3)"
@test -x $(1)/bin/python || '$(PYTHON)' -m venv --clear $(1)
@$(1)/bin/python -m pip install --disable-pip-version-check --requirement $(2)
@touch $@
endef
