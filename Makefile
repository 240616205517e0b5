# `make` lists the chores. Everything is installed into .venv, once for each change of the requirements.
PYTHON ?= python3
BIN := .venv/bin
# The tests of what the database holds.
ON_A_DATABASE := $(addprefix tests/api/test_,login.py users.py keys.py audit.py guard.py cli.py token_keys.py health.py)

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(MAKEFILE_LIST))

help:  ## List the chores
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

run:  ## Serve on 127.0.0.1:8000 with an embedded Redis; data stays in data/
	@PYTHON=$(PYTHON) sh scripts/setup requirements-embedded.txt
	@exec $(BIN)/python -m app

test:  ## Run the suite against a private real Redis
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

real-input:  ## Send the standard library's lines and 500 binary files through it, and compare
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.concurrency.real_input

leases:  ## 20,000 messages, 8 producers, 8 consumers of which some never ack: each acked once or dead
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.concurrency.leases

groups:  ## 100 groups, 8 consumers that crash, 20,000 messages: in order, and no group stuck
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.concurrency.groups $(ARGS)

model:  ## Compare a queue in Redis with a model of it, 10,000 steps on a clock that is moved
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.model.long $(ARGS)

kills:  ## kill -9 a worker, the server, its Redis under load, 20 rounds: nothing lost, nothing back
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.chaos.kills $(ARGS)

chaos:  ## Faults drawn by a seed on a server, a Sentinel set and a Cluster under load: no promise broken (wants faketime)
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.chaos $(ARGS)

floods:  ## 10,000 wrong logins from 250 addresses: none gets in, others are served
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.concurrency.floods $(ARGS)

overload:  ## Ten times the connections that fit, slow clients, endless bodies, a frozen Redis: who is refused, how fast
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.chaos.overload $(ARGS)

failover:  ## Sentinel and Cluster with real services: TLS, waiters, faults, and the time to recover in ten rounds of each
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m pytest tests/failover/long
	@$(BIN)/python -m tests.failover.recovery $(ARGS)

script-cost:  ## Measure what each script costs inside Redis, a thousand and a million messages deep
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m bench.script_cost $(ARGS)

long-poll:  ## Measure what 500 waiters cost and how soon they hear of a message
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m bench.long_poll $(ARGS)

emptying:  ## Measure how long Redis stands still while a million messages are purged or deleted
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m bench.emptying $(ARGS)

conformance:  ## Send schemathesis against every route of a running service, 20,000 requests and more
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.contract.conformance $(ARGS)

alerts:  ## Check metrics, alerts and dashboard with promtool; each alert must fire
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@scripts/monitoring-test

browser:  ## Use /docs and /console in a real Chromium, axe-core among it (needs chromium)
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@command -v chromium >/dev/null || apt-get install --yes --no-install-recommends -qq chromium >/dev/null
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/browser $(ARGS)

browser-long:  ## Measure the console with 1,000 queues, and with a queue of a million messages
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@command -v chromium >/dev/null || apt-get install --yes --no-install-recommends -qq chromium >/dev/null
	@$(BIN)/python -m tests.browser.scale $(ARGS)

pictures:  ## Take the pictures of the console anew, into .pictures; the best are kept in docs/images
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@TEST_PICTURES=.pictures $(BIN)/python -m pytest tests/browser/test_console_looks.py -k scrolls --timeout 200

nginx:  ## Run Pulpo behind a real nginx with deploy/nginx: refusals, long polls, slow clients (needs nginx)
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@command -v nginx >/dev/null || { apt-get update -qq && apt-get install --yes --no-install-recommends -qq nginx-light >/dev/null; }
	@$(BIN)/python -m pytest tests/nginx $(ARGS)

nginx-long:  ## The same with polls of 20 s and 500 clients that hang up
	@TEST_WAIT_SECONDS=20 TEST_HANG_UPS=500 $(MAKE) nginx

newcomer:  ## Take a newcomer's path in a fresh clone, and print the seconds to the first popped message
	@scripts/newcomer

bench:  ## Measure requests a second and CPU over HTTP beside a bare Flask app and other queues
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@PYTHON=$(PYTHON) sh scripts/setup requirements-bench.txt .venv-bench
	@$(BIN)/python -m bench.http $(ARGS)

profile:  ## Draw a flame graph of a worker under load; ARGS='--server granian' chooses the server
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@PYTHON=$(PYTHON) sh scripts/setup requirements-bench.txt .venv-bench
	@$(BIN)/python -m bench.profile $(ARGS)

identity:  ## Let users in from real directories and issuers, and keep others in PostgreSQL (installs them by apt)
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@PYTHON=$(PYTHON) sh scripts/setup requirements-identity.txt .venv-identity
	@scripts/identity-setup
	@TEST_DATABASE=postgres $(BIN)/python -m pytest $(ON_A_DATABASE) $(ARGS)
	@unshare --net sh -c 'ip link set lo up && exec $(BIN)/python -m pytest tests/identity $(ARGS)'

aws:  ## Check deploy/aws, apply it against moto, and see who gets in by its settings (needs terraform)
	@command -v terraform >/dev/null || { echo "pulpo: install Terraform 1.11 or newer: https://developer.hashicorp.com/terraform/install" >&2; exit 1; }
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@PYTHON=$(PYTHON) sh scripts/setup requirements-identity.txt .venv-identity
	@PYTHON=$(PYTHON) sh scripts/setup requirements-aws.txt .venv-aws
	@scripts/aws-test

aws-host:  ## Start a machine as AWS would, in a Debian made for it: user data, Docker, nginx, figures (needs root)
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@PYTHON=$(PYTHON) sh scripts/setup requirements-identity.txt .venv-identity
	@scripts/aws-host-test

granian:  ## Run the tests that start a whole service with granian instead of gunicorn
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@TEST_SERVER=granian $(BIN)/python -m pytest tests/launcher tests/concurrency tests/chaos $(ARGS)

servers:  ## Run the suite on each Redis and Valkey that is supported; writes docs/explanation/servers.md
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/python -m tests.servers.suite $(ARGS)

lint:  ## Check style, types and layers
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit -q -c pyproject.toml -r app deploy wsgi.py

audit:  ## Look for known faults in what is installed; fails if a package cannot be looked up
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.txt -r requirements-ldap.txt -r requirements-postgres.txt

format:  ## Format the code
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

requirements:  ## Compile requirements*.txt with hashes from pyproject.toml
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@sh scripts/compile-requirements

container:  ## Build the image and prove it read-only, alone and with compose, nginx and Prometheus; restart each under load
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@scripts/container-test
	@scripts/compose-test

container-long:  ## The same with 30 s of load around each restart, and a failover by Sentinel
	@LONG=yes LOAD_SECONDS=30 $(MAKE) container

install-test:  ## Install on a Debian made for it, twice, as a service behind nginx; uninstall (needs root)
	@scripts/install-test

sbom:  ## Write sbom.cdx.json, the bill of materials of what the image adds to its base
	@PYTHON=$(PYTHON) sh scripts/setup requirements-dev.txt
	@scripts/sbom

postman:  ## Run the Postman collection with newman against make run
	@scripts/postman-test

clean:  ## Remove the virtual environment and caches; data/ stays
	rm -rf .venv .venv-aws .venv-bench .venv-identity .identity .profile .pictures .newman .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .servers
