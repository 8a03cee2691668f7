# Everything a newcomer needs: python3 (3.11 or later), pip and make. Each target builds .venv by itself.
.DEFAULT_GOAL := help
.PHONY: help demo test soak chaos check bench lock lock-check texts clean

PYTHON ?= python3
BIN := .venv/bin

help: ## What can be made here
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# A system Python may lack ensurepip (Debian's python3-venv): then its own pip fills the new .venv.
.venv/.made:
	@rm -rf .venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Presente needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv 2>/dev/null || \
		{ rm -rf .venv; $(PYTHON) -m venv --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install -q pip; }
	@touch $@

.venv/.run: .venv/.made requirements.lock pyproject.toml
	@echo "Installing what the program needs (once) ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: .venv/.run ## The main job on this machine: phones and desk, nothing leaves
	@$(BIN)/presente demo

test: .venv/.dev ## The whole suite, on SQLite and, where a server answers, PostgreSQL
	@$(BIN)/pytest

soak: .venv/.dev ## The promises, for as long as it takes: thousands of random mornings, and the whole year
	@PRESENTE_SOAK=$${PRESENTE_SOAK:-1000} $(BIN)/pytest -n0 tests/test_promises.py
	@$(BIN)/presente replay --from 2021-08-23 --to 2022-05-27
	@seed=$$(date +%j%H%M); echo "storm $$seed"; $(BIN)/presente replay --from 2021-08-23 --to 2022-05-27 --storm $$seed
	@seed=$$(date +%j%H%M); echo "storm $$seed"; $(BIN)/presente replay --from 2021-08-23 --to 2022-05-27 --storm $$seed \
		--postgres $${PRESENTE_TEST_POSTGRES:-postgresql://postgres@127.0.0.1:5432/postgres}
	@$(MAKE) --no-print-directory chaos

# Each prints its seed; add --seed to one of these lines to see the same storm again.
chaos: .venv/.dev ## 2,500 texts while processes and PostgreSQL are killed a hundred times, and who got what
	@$(BIN)/python -m tests.chaos --database postgresql --kills 100 --restarts 5
	@$(BIN)/python -m tests.chaos --database sqlite --kills 100
	@$(BIN)/python -m tests.chaos --inbound --texts 1000 --kills 25 --restarts 5

check: .venv/.dev ## Lint, types, imports, flows, catalogues, migrations, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/presente flows check
	$(BIN)/presente texts status --check
	$(BIN)/presente migrate --check
	@$(MAKE) --no-print-directory lock-check

# The lock files hold hashes and no addresses; resolving with what they hold must change nothing.
LOCK := pip compile pyproject.toml --universal --generate-hashes --no-header --no-emit-index-url --quiet
lock-check: .venv/.dev
	@cp requirements.lock .venv/run.lock && cp requirements-dev.lock .venv/dev.lock
	@$(BIN)/uv $(LOCK) --group build -o .venv/run.lock
	@$(BIN)/uv $(LOCK) --group build --group dev -c .venv/run.lock -o .venv/dev.lock
	@sed -i 's/\.venv\/run\.lock/requirements.lock/' .venv/dev.lock
	@cmp -s .venv/run.lock requirements.lock && cmp -s .venv/dev.lock requirements-dev.lock || \
		{ echo "The lock files are behind pyproject.toml; run: make lock"; exit 1; }
	@! grep -n "://" requirements.lock requirements-dev.lock
	@echo "The lock files are up to date."

lock: .venv/.dev ## Resolve the lock files anew from pyproject.toml
	$(BIN)/uv $(LOCK) --group build -o requirements.lock
	$(BIN)/uv $(LOCK) --group build --group dev -c requirements.lock -o requirements-dev.lock

# What other people's bots need lives apart: not one of its packages is the program's.
.venv-bench/.made: benchmarks/peers/requirements.lock
	@echo "Installing the peers of the benchmarks (once) ..."
	@rm -rf .venv-bench
	@$(PYTHON) -m venv .venv-bench 2>/dev/null || \
		{ rm -rf .venv-bench; $(PYTHON) -m venv --without-pip .venv-bench && \
		$(PYTHON) -m pip --python .venv-bench/bin/python install -q pip; }
	@.venv-bench/bin/pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

bench: .venv/.dev ## What is fast, each beside a limit measured in the same run
	@$(MAKE) --no-print-directory .venv-bench/.made || \
		echo "The peers could not be installed here; everything else is measured without them."
	@$(BIN)/python -m benchmarks $(WHAT)

texts: .venv/.run ## Bring every catalogue up to the lines the flows say
	@$(BIN)/presente texts update

clean: ## Remove what was built here
	@rm -rf .venv .venv-bench .demo build *.egg-info
