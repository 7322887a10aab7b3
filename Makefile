# make up      deploy the whole stack on this machine, run a DAG, say where the UI is
# make down    end every process of it
# make test    every test, the end-to-end deployment included
#
# Everything installs what it needs into .venv/. Settings: PYTHON (an interpreter, 3.11 to 3.13),
# RUNTIME (podman: tasks are containers of the built image; for root), LOCAL_AWS_PORT, LOCAL_UI_PORT, LOCAL_HTTPS_PORT,
# LOCAL_DATABASE_PORT (for up; the others find them), LOCAL_STATE_DIR (for every command), LOCAL_IAM=record (for up: what
# IAM refuses is recorded, and served nevertheless), CHROME (the UI test's browser), LOCAL_BRIDGE_ADDRESS (this machine
# as containers see it, for local-env), LOCAL_DEBUG=1 (shows the traceback of an error).
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
export PYTHON

BIN := .venv/tools/bin
FILES ?= 10 1000 10000
CLASS ?= micro
LOCAL := PYTHONPATH=local $(BIN)/python -m commands
REGIONS := us-east-1 eu-central-1 ap-southeast-2 us-gov-west-1
TEMPLATES := template.yaml $(wildcard nested/*.yaml)

.PHONY: help install up down status iam-report iam-calls env local-env browser image pin-base-image test test-unit test-image test-templates test-emulator test-e2e test-rotation test-upgrade test-migration test-options test-choices test-fleet test-releases test-mutation lint audit attack-tables format cost bench-scaling bench-dags

help:  ## show the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install:  ## install every environment from its lock
	@command -v $(PYTHON) >/dev/null || { echo "No '$(PYTHON)' on PATH: install Python 3.11, 3.12 or 3.13, or name one: make up PYTHON=/path/to/python3.13"; exit 1; }
	@$(PYTHON) local/install.py

up: install  ## deploy on the embedded AWS, run the smoke DAGs, say where the UI is
	@$(LOCAL) up

down:  ## end every process that up started
	@test -x $(BIN)/python || { echo "Nothing is installed, so nothing runs."; exit 0; }; $(LOCAL) down

status: install  ## what runs, stack by stack and task by task
	@$(LOCAL) status

iam-report: install  ## the IAM statements that nothing used since up, and what was refused
	@$(LOCAL) iam-report

iam-calls: install  ## add the calls of a run (RECORD=its iam-decisions.jsonl) to those that the template tests decide on
	@test -n "$(RECORD)" || { echo "Name a record: make iam-calls RECORD=.local/iam-decisions.jsonl"; exit 1; }
	@PYTHONPATH=.:tests/templates/support $(BIN)/python local/plain_errors.py recorded_calls $(RECORD)

env: install  ## print shell exports: endpoint, credentials, stack outputs, UI (eval "$$(make -s env)")
	@$(LOCAL) env

local-env: install  ## write what `sam local invoke` needs to call a function against the stack of up
	@$(LOCAL) local-env

browser: install  ## the browser of the UI's test: found, or installed where root runs on Debian
	@$(LOCAL) browser

image: install  ## build images/airflow/Dockerfile with docker or podman, for this machine's processor
	@$(LOCAL) image

pin-base-image: install  ## name the Dockerfile's base image by the digest that its tag has now (asks the registry)
	@PYTHONPATH=local:functions $(BIN)/python local/pin_base_image.py

test: lint test-unit test-templates test-emulator test-e2e  ## every test of CI, from lint to the end-to-end deployment

test-unit: install  ## functions, in-image package, local commands
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit/functions tests/unit/local tests/unit/bench
	.venv/airflow/bin/python -m pytest --numprocesses 2 --dist loadfile tests/unit/image tests/unit/dags
	@# The long suites are not run here, but they must not rot unseen.
	$(BIN)/python -m pytest --collect-only --quiet tests/choices tests/containers tests/fleet tests/migration tests/options tests/releases \
		tests/rotation tests/upgrade

test-templates: install  ## cfn-lint, sam validate, the templates' interface and inventory, the table of attackers
	$(BIN)/python -m pytest tests/templates
	$(BIN)/python -m pytest tests/attacks

test-emulator: install  ## contracts of the embedded AWS, commands and their faults, the image and PostgreSQL
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/integration/embedded_aws \
		tests/integration/run_airflow_command tests/integration/fleet tests/integration/test_schema_change.py
	.venv/airflow/bin/python -m pytest --numprocesses 2 --dist loadfile tests/integration/image

test-e2e: install browser  ## the real thing: deploy, run DAGs, update, delete
	$(BIN)/python -m pytest tests/e2e

test-rotation: install  ## every secret replaced while a task runs through it (not part of test: a quarter of an hour)
	$(BIN)/python -m pytest tests/rotation

test-upgrade: install  ## an older Airflow upgraded, failing, rolled back, deleted (not part of test: half an hour)
	@$(PYTHON) local/install.py airflow-previous
	$(BIN)/python -m pytest tests/upgrade

test-migration: install  ## the former version of this stack becomes this one in one update (not part of test)
	$(BIN)/python -m pytest -s tests/migration

test-options: install  ## the security words of Options and an isolated queue on one stack (not part of test: ten minutes)
	$(BIN)/python -m pytest -s tests/options

test-choices: install  ## each choice of Options on a stack of its own (not part of test)
	$(BIN)/python -m pytest -s tests/choices

test-fleet: install  ## the worker fleet on real parts: stranding, drains, interruption, faults (not part of test)
	$(BIN)/python -m pytest -s tests/fleet

test-releases: install  ## 200 releases in each mode while DAGs run, 500 files with 40 faults (not part of test)
	.venv/airflow/bin/python -m pytest -s tests/integration/recording
	$(BIN)/python -m pytest -s tests/releases

test-mutation: install  ## plant known faults in a copy, one by one: a test has to notice each (not part of test: an hour)
	$(BIN)/python -m tests.mutation --report build/mutation.json

test-image: install  ## the built image: every component starts in podman at its size (root; not part of test)
	$(BIN)/python -m pytest -s tests/integration/embedded_aws/containers/test_podman.py tests/containers

lint: install  ## ruff, strict mypy, cfn-lint in four regions, checkov, hadolint
	@$(PYTHON) local/install.py checkov
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-executable .venv/emulator/bin/python -p embedded_aws
	$(BIN)/mypy --python-executable .venv/airflow/bin/python --config-file images/airflow/pyproject.toml
	$(BIN)/cfn-lint --regions $(REGIONS) -- $(TEMPLATES)
	.venv/checkov/bin/checkov --config-file .checkov.yaml
	$(BIN)/hadolint images/airflow/Dockerfile

audit:  ## known vulnerabilities of every locked package, by pip-audit (asks PyPI; not part of test)
	@$(PYTHON) local/install.py audit
	@$(PYTHON) local/audit.py

cost: install  ## what an idle environment costs per month, from list prices (CLASS=micro, or all)
	@$(BIN)/python local/plain_errors.py bench.cost --class $(CLASS)

bench-scaling: install  ## simulate the fleet and its peers; tables and drawings in docs/scaling/
	nice $(BIN)/python local/plain_errors.py bench.scaling.suite --out docs/scaling --json build/bench-scaling.json

bench-dags: install  ## DAG delivery: releases, S3DagBundle and a sync side by side (FILES="10 1000 10000")
	@mkdir -p build
	PYTHONPATH=.:functions:images/airflow/src .venv/airflow/bin/python local/plain_errors.py bench.dags --files $(FILES) \
		--json build/bench-dags.json --svg build/bench-dags.svg --table build/bench-dags.md

attack-tables: install  ## write the tables of SECURITY.md and docs/security/attacks.md
	PYTHONPATH=.:tests/templates/support $(BIN)/python local/plain_errors.py tests.attacks

format: install  ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
