# Everything from a fresh clone, with Python 3.10 to 3.13 and nothing else.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
MATRIX := 3.1 3.2
# Most tests wait for something; the running Airflow is one worker's.
PARALLEL := -n 4 --dist loadgroup
MAKEFLAGS += --no-print-directory

.PHONY: help demo test check test-matrix test-load bench setup clean

help:
	@echo "make demo         a host leaves: plan, approve, apply and undo, on an embedded Jicoo"
	@echo "make test         all checks and tests, with a running Airflow 3.3 on PostgreSQL"
	@echo "make test-matrix  the tests and the example DAGs on Airflow $(MATRIX)"
	@echo "make test-load    the long proofs of the bulk change, whole"
	@echo "make bench        measure, and write benchmarks/results.md"
	@echo "make clean        remove what these made"

setup:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.10 to 3.13, or name one, as in: make PYTHON=python3.12 demo"; exit 1; }
	@$(PYTHON) scripts/setup.py 3.3 $(VENV)

demo: setup
	@$(PY) scripts/demo.py $(PICTURE)

check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: check
	$(PY) -m pytest $(PARALLEL) --cov --cov-fail-under=95

test-matrix:
	@set -e; for minor in $(MATRIX); do \
		$(PYTHON) scripts/setup.py $$minor .venvs/$$minor; \
		echo "Airflow $$minor"; \
		.venvs/$$minor/bin/python -m pytest $(PARALLEL) -m "not system and not once"; \
	done

# The long proofs whole: a hundred kills, every fault, the state machine.
test-load: setup
	JICOO_LOAD=1 $(PY) -m pytest tests/bulk --timeout 3600

bench: setup
	AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR $(PY) benchmarks/run.py

clean:
	rm -rf $(VENV) .venvs build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
