# `make run` and `make test` do everything on a fresh Debian with Python 3.11; the rest is for those who develop.

PYTHON ?= python3
BIN := .venv/bin
# Nothing is installed but what the lock files have, by hash.
LOCKED := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement
OURS := PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url --python-version 3.11 \
	--custom-compile-command "make lock"
SOAKED := --picture tests/bench/out/soak.png --figures tests/bench/out/soak.csv

.PHONY: run test check bench torture accidents kill-points heavy slow-paths soak lock audit release deb clean

run: .venv/run
	@test -e .env || cp .env.example .env
	@mkdir -p data
	@$(BIN)/processor welcome
	@exec $(BIN)/processor run

test: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	tests/install-programs.sh
	$(BIN)/pytest -n 3 --dist loadfile

check: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.faults.soak --minutes 5 $(SOAKED)

# Hours of it: accidents from a seed, the long versions of tests, the same work for a long time, drawn.
torture: accidents kill-points heavy soak

accidents: .venv/dev
	$(BIN)/python -m tests.faults.torture $(TORTURE)

# The daemon killed before each call that changes anything: some 1,500 times, an hour.
kill-points: .venv/dev
	$(BIN)/python -m tests.faults.kill_points

heavy: .venv/dev
	tests/install-programs.sh
	TORTURE=1 $(BIN)/pytest tests/faults tests/e2e/test_tables.py tests/e2e/test_signals.py tests/certainty tests/contract tests/cluster tests/unit/confined tests/unit/ledger

# Fast paths are optional: whatever else is tested holds without them.
slow-paths: .venv/dev
	PROCESSOR_FAST_PATHS=off $(BIN)/pytest tests/unit/confined tests/contract/test_formats.py tests/contract/test_feed_tables.py

soak: .venv/bench
	$(BIN)/python -m tests.faults.soak --minutes 120 $(SOAKED)

# Choose the versions that are installed, with the hashes of their files: by releases, `make run`, `make test`, builds.
lock: .venv/dev
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) --extra tables --constraint requirements.lock pyproject.toml --output-file requirements-tables.lock
	$(LOCK) --extra tables --extra embedded --constraint requirements-tables.lock pyproject.toml \
		--output-file requirements-run.lock
	$(LOCK) --all-extras --group dev --constraint requirements-run.lock pyproject.toml --output-file requirements-dev.lock
	printf 'pip\nsetuptools\n' | $(LOCK) - --output-file deploy/build.lock

# Known weaknesses of what is locked; asks PyPI's advisory database.
audit: .venv/dev
	$(BIN)/pip-audit --disable-pip --require-hashes --strict --requirement requirements.lock

# A package, with the list of what is in it (CycloneDX) inside and beside it.
release: .venv/dev
	CYCLONEDX=$(BIN)/cyclonedx-py deploy/build-deb.sh

deb: .venv/run
	deploy/build-deb.sh

.venv/bin/python:
	deploy/make-venv.sh $(PYTHON) .venv

.venv/build: .venv/bin/python deploy/build.lock
	$(LOCKED) deploy/build.lock
	@touch $@

.venv/run: .venv/build pyproject.toml setup.cfg requirements-run.lock
	$(LOCKED) requirements-run.lock
	$(OURS)
	@$(BIN)/python -m compileall -q processor
	@touch $@

.venv/dev: .venv/build pyproject.toml setup.cfg requirements-dev.lock
	$(LOCKED) requirements-dev.lock
	$(OURS)
	@$(BIN)/python -m compileall -q processor
	@touch $@ .venv/run

.venv/bench: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --group bench
	@touch $@

clean:
	rm -rf .venv build dist ./*.egg-info
