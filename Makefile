# Everything from a fresh clone, with Python 3.10 to 3.13 and nothing else. Each environment can have a Python of its
# own: PYTHON_3.4=python3.13, PYTHON_floors=python3.10.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
MATRIX := 3.1 3.2 3.4
NEWEST := 3.4
# Without what Python keeps of each file, every process that the tests start would compile it anew.
unexport PYTHONDONTWRITEBYTECODE
# What knows nothing of Airflow: tested on the newest and on the lowest versions of all that it uses.
NO_AIRFLOW := tests/api tests/bulk tests/doctor tests/model tests/sandbox tests/simulation
# Most tests wait for something; the running Airflow is one worker's. Beside others on a busy machine a server may answer
# later than the second that a test gives it: what failed is run once more, alone.
PARALLEL := -n 10 --dist loadgroup
EACH_VERSION := not system and not once and not proof
MAKEFLAGS += --no-print-directory

.PHONY: help demo test test-proofs check collected coverage test-matrix test-newest test-floors test-dates test-load bench docs dist setup clean

help:
	@echo "make demo         a host leaves: plan, approve, apply and undo, on an embedded Jicoo"
	@echo "make test         all checks and tests but the proofs, with a running Airflow 3.3 on PostgreSQL"
	@echo "make test-proofs  the proofs that take minutes: planted faults, each quirk of Jicoo crossed, the wheel installed"
	@echo "make coverage     the tests, and which lines they reach"
	@echo "make test-matrix  the tests and the example DAGs on Airflow $(MATRIX)"
	@echo "make test-events  webhooks and the poller on a running Airflow $(MATRIX)"
	@echo "make test-newest  the tests of what needs no Airflow, with all that Airflow $(NEWEST) brings"
	@echo "make test-floors  the tests with the lowest versions that pyproject.toml allows"
	@echo "make test-dates   the sandbox's tests at each hour of a week: takes half an hour"
	@echo "make test-load    the long proofs, whole"
	@echo "make test-celery  CeleryExecutor, Redis and two workers, one of which is killed: needs Python 3.11 or newer"
	@echo "make docs         the documentation, into build/docs: needs Python 3.11 or newer"
	@echo "make screenshots  the pages of a run in Chromium: the pictures under docs/pictures"
	@echo "make test-browser the same on Airflow 3.3 and $(MATRIX); test-browser-3.1 on one of them"
	@echo "make test-people  who sees what of a run, under each auth manager of Airflow, in Chromium"
	@echo "make bench        measure, and write benchmarks/results.md"
	@echo "make dist         wheel and sdist into dist/, the same bytes each time, checked"
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

# Each of the workers would rewrite all assertions: once, beside mypy, is less.
collected: setup
	@told=$$($(PY) -m pytest --collect-only -q 2>&1) || { echo "$$told" | tail -40; exit 1; }

test:
	@$(MAKE) -j 2 check collected
	$(PY) -m pytest $(PARALLEL) -m "not proof" || \
		{ echo "Once more, what failed, one at a time:"; $(PY) scripts/again.py; }

test-proofs: setup
	$(PY) -m pytest $(PARALLEL) -m proof || $(PY) scripts/again.py

# It takes the tests twice their time.
coverage: setup
	$(PY) -m pytest $(PARALLEL) --cov --cov-fail-under=95

AIRFLOWS := $(MATRIX:%=test-airflow-%)
.PHONY: $(AIRFLOWS)
test-matrix: $(AIRFLOWS)

$(AIRFLOWS): test-airflow-%: setup-%
	@echo "Airflow $*, Python $$(.venvs/$*/bin/python -V)"
	.venvs/$*/bin/python -m pytest $(PARALLEL) -m "$(EACH_VERSION)" $(NO_AIRFLOW:%=--ignore=%) || \
		.venvs/$*/bin/python scripts/again.py

test-newest: setup-$(NEWEST)
	.venvs/$(NEWEST)/bin/python -m pytest $(PARALLEL) -m "$(EACH_VERSION)" $(NO_AIRFLOW)

test-floors: setup-floors
	.venvs/floors/bin/python -m pytest $(PARALLEL) -m "not system and not proof" tests/api tests/bulk tests/hooks || \
		.venvs/floors/bin/python scripts/again.py

SETUPS := $(MATRIX:%=setup-%) setup-floors setup-docs setup-fab setup-celery
.PHONY: $(SETUPS)
$(SETUPS): setup-%:
	@$(or $(PYTHON_$*),$(PYTHON)) scripts/setup.py $* .venvs/$*

# With STEP=27 seven of the hours: on each day of the week another one.
STEP ?= 1
test-dates: setup
	JICOO_HOURS=168 JICOO_HOURS_STEP=$(STEP) $(PY) -m pytest $(PARALLEL) -m "not once and not proof" tests/sandbox

# The long proofs whole: a hundred kills, every fault, the state machine, a hundred thousand simulated lives, ten
# thousand hostile webhooks, and five hundred true ones on a running Airflow; loads that others disturb and that are killed.
test-load: setup
	JICOO_LOAD=1 $(PY) -m pytest tests/bulk --timeout 3600
	JICOO_LOAD=1 $(PY) -m pytest $(PARALLEL) tests/simulation --timeout 3600
	JICOO_LOAD=1 $(PY) -m pytest tests/events tests/triggers/test_events.py --timeout 3600
	JICOO_LOAD=1 $(PY) -m pytest tests/plugins tests/transfers tests/docs --timeout 3600
	JICOO_LOAD=1 $(PY) -m pytest tests/system/test_events.py --timeout 3600
	JICOO_LOAD=1 $(MAKE) test-celery

# How soon another worker goes on depends on two settings of Airflow: JICOO_HEARTBEAT_TIMEOUT=300 JICOO_RETRY_DELAY=300
# are its defaults.
.PHONY: test-celery
test-celery: setup-celery
	JICOO_CELERY=required .venvs/celery/bin/python -m pytest tests/system/test_celery.py

# Webhooks and the poller on a running Airflow of each other version.
EVENTS := $(MATRIX:%=test-events-%)
.PHONY: test-events $(EVENTS)
test-events: $(EVENTS)

$(EVENTS): test-events-%: setup-%
	.venvs/$*/bin/python -m pytest tests/system/test_events.py

docs: setup-docs
	.venvs/docs/bin/python scripts/build_docs.py build/docs

# Needs Chromium: on Debian, apt-get install chromium chromium-driver.
PICTURES := JICOO_BROWSER=required JICOO_PICTURES=$(CURDIR)/docs/pictures
.PHONY: screenshots
screenshots: setup setup-$(NEWEST)
	$(PICTURES) $(PY) -m pytest tests/system/test_room.py
	$(PICTURES) .venvs/$(NEWEST)/bin/python -m pytest tests/system/test_room.py -k a_tab_at_our_tasks

# The same on each other version, the pictures into build/pictures.
BROWSERS := $(MATRIX:%=test-browser-%)
.PHONY: test-browser $(BROWSERS)
test-browser: screenshots $(BROWSERS)

$(BROWSERS): test-browser-%: setup-%
	JICOO_BROWSER=required JICOO_PICTURES=$(CURDIR)/build/pictures/$* .venvs/$*/bin/python -m pytest tests/system/test_room.py

# Who sees what of a run, under Airflow's simple auth manager and under FAB, in an environment that has both.
.PHONY: test-people
test-people: setup-fab
	JICOO_PEOPLE=required JICOO_BROWSER=required JICOO_PICTURES=$(CURDIR)/build/pictures/people \
		.venvs/fab/bin/python -m pytest tests/system/test_people.py

bench: setup
	AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR $(PY) benchmarks/run.py

# In an environment of its own: what it needs is not what the tests are pinned to.
dist:
	@test -x .venvs/dist/bin/twine || { $(PYTHON) -m venv .venvs/dist && \
		.venvs/dist/bin/pip install -q build check-wheel-contents 'hatchling>=1.26' 'twine>=6.1'; }
	.venvs/dist/bin/python scripts/dist.py dist

clean:
	rm -rf $(VENV) .venvs build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
