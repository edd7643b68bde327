# One door for every task. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test ready check check-static fmt deps testbed testbed-down images bundle unit e2e soak bench bench-layer2

CARGO ?= cargo
TESTBED := $(CARGO) run --quiet --package metallb-testbed --

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 22

demo: deps ready ## A cluster, the operator, a Service, a curl: see it work (root)
	@$(TESTBED) build
	@$(CARGO) xtask images
	@$(CARGO) run --quiet --package metallb-e2e --bin demo

test: deps ready check-static unit e2e ## Everything: lints, unit, component and end-to-end tests (root)

# What is missing is said at once, not after a quarter of an hour of building.
ready:
	@$(TESTBED) check

check: check-static ## Fast inner loop: format, lints, unit tests (no root, no cluster)
	$(CARGO) test --quiet --workspace --exclude metallb-e2e --lib --bins

check-static:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets -- --deny warnings
	$(CARGO) xtask layers
	$(CARGO) xtask hygiene
	$(CARGO) xtask bundle --check
	$(CARGO) xtask docs --check

unit:
	$(CARGO) test --workspace --exclude metallb-e2e

e2e: images
	$(TESTBED) build
	$(CARGO) test --package metallb-e2e

soak: deps ready ## The long runs, with the outcome in docs/soak.md (root); SOAK='arp outage' names some, none means all
	@$(TESTBED) build
	@$(CARGO) xtask images
	@$(CARGO) run --quiet --package metallb-fuzz --bin soak -- $(SOAK)

bench: deps ready ## The controller at 10,000 Services, in ratios to a bare client (root); BENCH='--check' judges
	@$(TESTBED) build
	$(CARGO) build --release --package metallb-controller --package metallb-bench
	@target/release/metallb-bench --json artifacts/bench/figures.jsonl $(BENCH)

bench-layer2: deps ready ## Speakers on a LAN: announcing, answering, memory, CPU, floods (root); BENCH='--check' judges
	@$(TESTBED) build
	$(CARGO) xtask images
	$(CARGO) build --release --package metallb-bench
	@target/release/metallb-bench layer2 --json artifacts/bench/layer2.jsonl $(BENCH)

fmt: ## Format the code
	$(CARGO) fmt --all

deps: ## Install what the tests need from Debian's packages (root)
	@hack/install.sh

testbed: deps ready ## Start the test bed: a three-node cluster in network namespaces (root)
	@$(TESTBED) build
	@$(TESTBED) up

testbed-down: ## Stop the test bed; nothing is left behind (root)
	@$(TESTBED) down

images: ## Build the container images into artifacts/images
	$(CARGO) xtask images

bundle: ## Regenerate the manifests under bundle/
	$(CARGO) xtask bundle
