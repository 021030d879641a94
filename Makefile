# Needs make and Python 3.11 or later with venv; everything else is installed into .venv.
# PYTHON=python3.12 chooses the interpreter, ARGS='-k budget' goes to the program that a target runs.

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check fmt bench chaos fuzz dashboards docs chart image release-dry-run lock clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
RUNTIME := .venv/.runtime
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:
	@echo 'make demo        serve the simulator and the exporter on http://127.0.0.1:10048, without credentials'
	@echo 'make test        the tests, without those that are slow or need other programs: two minutes'
	@echo 'make test-all    all tests, as CI runs them (ARGS=--cov: with coverage of lines and branches)'
	@echo 'make check       format, lint, types, and whether generated files are up to date'
	@echo 'make fmt         format, and mend what the linter can'
	@echo 'make alert-quality   how good the alerts are, measured on fleets with their own truth (needs prometheus)'
	@echo 'make bench       how long a scrape takes, and what it costs'
	@echo 'make chaos       a simulated day of everything that goes wrong, against the truth (ARGS="HOURS SEED")'
	@echo 'make fuzz        a million mutated answers, against what they allow (ARGS="ANSWERS SEED")'
	@echo 'make dashboards  write grafana/dashboards from its generator'
	@echo 'make docs        write the generated pages in docs'
	@echo 'make chart       write what the Helm chart copies: rules and dashboards, and its README'
	@echo 'make image       build IMAGE ($(IMAGE))'
	@echo 'make release-dry-run  build and try what a release publishes, in build/release'
	@echo 'make lock        pin the dependencies anew (ARGS=--upgrade: to their newest versions)'
	@echo 'make clean       remove what was built, the virtual environment included'

demo: $(RUNTIME)
	@exec $(BIN)/planetscale-exporter demo $(ARGS)

# worksteal keeps every core busy to the end; what needs other programs shares them best within its own file, and waits
# for them half the time: half as many workers again as cores. HYPOTHESIS_PROFILE=full searches longer.
test: $(READY)
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(BIN)/python -m pytest -q -n auto --dist worksteal -m 'not slow and not real' $(ARGS)

test-all: $(READY)
	@$(BIN)/python -m pytest -q -n "$$($(BIN)/python -c 'import os; print(3 * os.cpu_count() // 2)')" --dist loadfile $(ARGS)

check: $(READY)
	@$(BIN)/ruff format --quiet --check . || { echo 'make: make fmt mends this' >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python tools/build_docs.py --check
	@$(BIN)/python grafana/build.py --check
	@$(BIN)/python tools/build_chart.py --check

fmt: $(READY)
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

.PHONY: alert-quality
alert-quality: $(READY)
	@PYTHONPATH=tests $(BIN)/python -m alert_quality $(ARGS)

bench: $(READY)
	@$(BIN)/python tests/bench.py $(ARGS)

chaos: $(READY)
	@$(BIN)/python tests/chaos.py $(ARGS)

fuzz: $(READY)
	@$(BIN)/python tests/fuzz.py $(ARGS)

dashboards: $(READY)
	@$(BIN)/python grafana/build.py
	@$(BIN)/python tools/build_chart.py

docs: $(READY)
	@$(BIN)/python tools/build_docs.py

chart: $(READY)
	@$(BIN)/python tools/build_chart.py

# The project itself is editable: only its dependencies and its command make a new installation necessary.
$(RUNTIME): requirements.txt requirements-build.txt pyproject.toml
	@echo 'make: installing into .venv' >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(find_python); "$$python" -m venv --clear .venv; }
	@$(BIN)/python -m pip install -qq --no-deps --require-hashes -r requirements.txt -r requirements-build.txt
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q exporter
	@touch $@

$(READY): $(RUNTIME) requirements-dev.txt
	@echo 'make: installing what development needs into .venv' >&2
	@$(BIN)/python -m pip install -qq --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

# Sets $python in a recipe. Each candidate is run, for a name on the path may be a shim for a version that is not there.
define find_python
for python in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3) ''; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
done; \
[ -n "$$python" ] || { \
	echo 'make: found no Python 3.11 or later with venv and ensurepip.' >&2; \
	echo 'Debian and Ubuntu: apt-get install python3-venv. Another interpreter: make PYTHON=/path/to/python3.' >&2; \
	exit 1; }
endef

# docker counts only where its daemon answers. BUILD_FLAGS go to the build, such as --build-arg BASE=python:3.13-slim@sha256:…
IMAGE ?= localhost/planetscale-exporter:latest
SOURCE ?= # where the image's source can be found: a URL
image:
	@for engine in $(or $(ENGINE),docker podman buildah) ''; do \
		case $$engine in docker|podman) "$$engine" info ;; *) "$$engine" --version ;; esac >/dev/null 2>&1 && break; \
	done; \
	[ -n "$$engine" ] || { echo 'make: an image needs docker (with its daemon running), podman or buildah.' >&2; exit 1; }; \
	version=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml); \
	revision=$$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null); \
	set -x; "$$engine" build --tag $(IMAGE) --build-arg VERSION="$$version" --build-arg REVISION="$$revision" \
		--build-arg SOURCE="$(strip $(SOURCE))" $(BUILD_FLAGS) .

release-dry-run: $(READY)
	@tools/release-dry-run

# uv resolves for every platform at once; what is pinned stays unless it must move. No index lines: whoever installs chooses.
LOCK := build/lock/bin/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes \
	--no-annotate --no-header --no-emit-index-url
lock:
	@[ -x build/lock/bin/uv ] || { $(find_python); "$$python" -m venv --clear build/lock; \
		build/lock/bin/python -m pip install -qq 'uv>=0.9'; }
	@$(LOCK) $(ARGS) pyproject.toml -o requirements.txt >/dev/null
	@$(LOCK) $(ARGS) --group build -o requirements-build.txt >/dev/null
	@$(LOCK) $(ARGS) pyproject.toml --group dev -o requirements-dev.txt >/dev/null

clean:
	@rm -rf .venv build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	@find exporter grafana tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
