# Everything happens inside a private virtual environment; nothing else on the machine changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
export PATH := $(abspath $(BIN)):$(PATH)
# A thousand processes of a test run would each compile again what they import.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-clean test test-notebooks test-provision lint bench lock up down logs status images \
  provision restore rollback version stack stack-networks

demo: export COURSEHUB_STATE := $(abspath $(DEMO))
demo: export COURSEHUB_COURSE := $(abspath $(DEMO))/course.yml
demo: export COURSEHUB_BIND_URL := http://127.0.0.1:$(PORT)
demo: $(VENV)/ready ## bring the course up on http://127.0.0.1:$(PORT), until Ctrl-C
	@exec $(BIN)/coursehub demo

# The deployed form needs a Docker engine (26 or newer) with compose, and nothing else of ours.
DOCKER_SOCKET ?= $(patsubst unix://%,%,$(or $(filter unix://%,$(DOCKER_HOST)),unix:///var/run/docker.sock))
DOCKER_GROUP ?= $(shell stat -c %g $(DOCKER_SOCKET) 2>/dev/null)
# What this checkout is called, where git knows it; on a provisioned machine .env says it.
DESCRIBED := $(shell git describe --tags --always --dirty 2>/dev/null)
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)-$(DESCRIBED)
ENGINE := DOCKER_SOCKET=$(DOCKER_SOCKET) DOCKER_GROUP=$(DOCKER_GROUP) $(if $(DESCRIBED),COURSEHUB_VERSION=$(VERSION))
COMPOSE := $(ENGINE) docker compose
PROJECT = $(shell $(COMPOSE) config --format json | sed -n 's/^  "name": "\(.*\)",/\1/p')
OURS = --filter label=coursehub.project=$(PROJECT)

up: images ## the deployed form: start it, or put what changed in force; nobody's server stops
	@mkdir -p images/wheels
	@$(COMPOSE) up --detach --wait --remove-orphans || { $(COMPOSE) logs --tail 30; exit 1; }
	@$(COMPOSE) ps --format 'table {{.Service}}\t{{.Status}}'

images: ## build all images of the deployed form
	@mkdir -p images/wheels
	$(COMPOSE) --profile images build

down: ## stop everything, users' servers too; homes, hand-ins and grades stay
	-@$(COMPOSE) stop hub
	-@docker ps --all --quiet $(OURS) | xargs --no-run-if-empty docker rm --force >/dev/null
	-@docker service ls --quiet $(OURS) 2>/dev/null | xargs --no-run-if-empty docker service rm >/dev/null
	@$(COMPOSE) down --remove-orphans
	-@docker network ls --quiet $(OURS) | xargs --no-run-if-empty docker network rm >/dev/null

logs: ## follow the log of all services
	@$(COMPOSE) logs --follow --tail 100

status: ## services, users' servers, GPUs, what waits to be graded; and what is wrong, if anything is
	@$(ENGINE) PYTHONPATH=src $(PYTHON) -m coursehub.status

# Playbooks, in a virtual environment of their own: docs/provisioning.md.
INVENTORY ?= inventory/localhost.yml
PLAY = cd ansible && .venv/bin/ansible-playbook --inventory $(INVENTORY)

provision: ansible/.venv/ready ## a bare machine becomes the course's; INVENTORY=, ARGS="--ask-vault-pass --check --diff"
	$(PLAY) site.yml $(ARGS)

restore: ansible/.venv/ready ## put a backup in place of what a machine holds; ARGS="-e restore_snapshot=ID"
	$(PLAY) restore.yml $(ARGS)

rollback: ansible/.venv/ready ## the version before, with all that was handed in since; ARGS="-e rollback_version=NAME"
	$(PLAY) rollback.yml $(ARGS)

version: ## what this checkout is called
	@echo $(VERSION)

# On the manager of a swarm, with docker-compose.swarm.yml in COMPOSE_FILE: docs/swarm.md.
ENCRYPTED = $(if $(shell grep -i '^COURSEHUB_SWARM_ENCRYPTED=false' $(or $(ENV_FILE),.env)),,--opt=encrypted)

stack: ## on a swarm's manager: what runs on the workers, started or brought up to date
	@$(COMPOSE) --profile stack config --format json \
	  | $(COMPOSE) --profile stack run --rm --no-deps -T grader coursehub stack > stack.json
	docker stack deploy --detach=true --resolve-image=never --prune --compose-file=stack.json $(PROJECT)

stack-networks: ## on a swarm's manager, once, before make up: the networks between the machines
	docker network create --driver=overlay --attachable $(ENCRYPTED) --internal $(PROJECT)-grading
	docker network create --driver=overlay --attachable $(ENCRYPTED) $(PROJECT)-lms

demo-clean: ## remove everything the demo wrote
	rm -rf $(DEMO)

test: $(VENV)/ready ansible/.venv/ready ## lint, types, layering and every test, a fresh machine's too
	$(BIN)/nox --no-venv

test-notebooks: $(VENV)/ready ## all test hand-ins of all assignments, or ASSIGNMENT=3; SEEDS=5 more of each reference
	$(BIN)/nox --no-venv -s notebooks -- $(if $(ASSIGNMENT),--assignment=$(ASSIGNMENT)) $(if $(SEEDS),--seeds=$(SEEDS))

test-provision: $(VENV)/ready ansible/.venv/ready ## playbooks and drills on fresh machines: containers with systemd and an engine
	$(BIN)/nox --no-venv -s provision

lint: $(VENV)/ready ## lint, types and layering only
	$(BIN)/nox --no-venv -s lint

bench: $(VENV)/ready ansible/.venv/ready ## everything that is claimed about speed
	$(BIN)/nox --no-venv -s bench

lock: $(VENV)/ready ## resolve pyproject.toml anew into requirements.lock, for any Python 3.11
	UV_NATIVE_TLS=1 $(BIN)/uv pip compile --quiet --upgrade --all-extras --python-version 3.11.0 \
	  --no-header --annotation-style line $(UV_INDEX_OPTIONS) --no-emit-find-links \
	  --output-file requirements.lock pyproject.toml
	sed -i 's/+cpu//' requirements.lock
	UV_NATIVE_TLS=1 $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11.0 \
	  --no-header --annotation-style line $(UV_INDEX_OPTIONS) --no-emit-find-links \
	  --output-file ansible/requirements.lock ansible/requirements.in

# uv installs in seconds what pip needs minutes for; it is told where pip would look.
UV_VERSION := 0.13.9
setting = $(shell $(BIN)/pip config get global.$(1) 2>/dev/null)
UV_INDEX_OPTIONS = \
  $(addprefix --default-index ,$(or $(PIP_INDEX_URL),$(call setting,index-url))) \
  $(addprefix --find-links ,$(or $(PIP_FIND_LINKS),$(call setting,find-links)))

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the locked packages ..."
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	UV_NATIVE_TLS=1 $(BIN)/uv pip install --quiet --python $(BIN)/python $(UV_INDEX_OPTIONS) \
	  --requirement requirements.lock --editable .
	touch $@

ansible/.venv/ready: ansible/requirements.lock
	$(PYTHON) -m venv --clear ansible/.venv
	@echo "Installing Ansible ..."
	ansible/.venv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	UV_NATIVE_TLS=1 ansible/.venv/bin/uv pip install --quiet --python ansible/.venv/bin/python \
	  $(UV_INDEX_OPTIONS) --requirement ansible/requirements.lock
	cd ansible/.venv && ln -s lib/python*/site-packages/ansible_mitogen/plugins/strategy strategy
	touch $@
