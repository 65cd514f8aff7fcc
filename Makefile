# The only door: everything that is built, run or checked goes through these targets, by hand and in CI.
#
#   STATE_DIR=  where `up`, `down` and `wipe` keep everything (.kilonova)
#   DRIVER=     libvirt or fake (libvirt)
#   PORT=       where the APIs listen (8774)
#   CONFIG=     a nova.conf that `up` reads as well

SHELL := bash
.DEFAULT_GOAL := help

export STATE_DIR DRIVER PORT CONFIG

scripts := Config/scripts

##@ Run

.PHONY: up down wipe clients
up: ## a cloud with a running server, from nothing; again: only what is missing
	@$(scripts)/up.sh

down: ## stop exactly what `up` started
	@$(scripts)/down.sh

wipe: ## `down`, then remove the state directory
	@$(scripts)/wipe.sh

clients: ## the unmodified OpenStack clients from PyPI, in .venv
	@$(scripts)/prerequisites.sh clients
	@$(scripts)/clients.sh

##@ Build

.PHONY: prerequisites build release guest-image clean
prerequisites: ## the Debian packages that are missing (installs them as root)
	@$(scripts)/prerequisites.sh

build: ## debug build; warnings are errors
	swift build

release: ## optimized build
	swift build -c release --disable-index-store

guest-image: ## the tiny Linux guest, in .build/guest-image
	@Config/guest-image/build.sh .build/guest-image

clean: ## remove what was built
	rm -rf .build .build-tsan .build-tidy .venv

##@ Test

.PHONY: test test-unit test-libvirt test-e2e test-nodes test-databases test-broker test-drivers test-tsan crash-matrix fuzz contract check
test: ## everything: installs what it needs, ends with `N passed, N failed, N skipped`
	@$(scripts)/test.sh unit fake libvirt drivers databases broker

test-unit: ## the tests in Swift
	@$(scripts)/test.sh unit

test-e2e: ## the whole stack with the fake driver, driven by the openstack client
	@$(scripts)/test.sh fake

test-libvirt: ## the whole stack with real guests under libvirt and QEMU (root)
	@$(scripts)/test.sh libvirt

test-nodes: ## the whole stack with four nodes on four drivers, and hypervisors that refuse (root for libvirt)
	@$(scripts)/test.sh nodes

test-databases: ## the whole stack on MariaDB and on PostgreSQL, and both killed under it
	@$(scripts)/test.sh databases

test-broker: ## the whole stack over RabbitMQ, killed under it
	@$(scripts)/test.sh broker

test-drivers: ## the conformance suite on every driver as it is loaded: DRIVER=fake,vmware (xen LIVE=1) QUICK=1 CASE= UPDATE=1
	@$(scripts)/test-drivers.sh

crash-matrix: build ## kill -9 of the daemon at every event of every saga
	KILL_MATRIX=all KILONOVAD=$(CURDIR)/.build/debug/kilonovad Tests/EndToEnd/run.sh fake -- fake.test_kill_matrix

test-tsan: ## the tests in Swift under the thread sanitizer
	swift test --sanitize=thread --no-parallel --scratch-path .build-tsan

fuzz: ## parsers against LLVM's libFuzzer: TARGET=vmware-soap,wire-json SECONDS=60 INPUT=FILE (TARGET=list)
	@FUZZ_SECONDS="$(SECONDS)" TARGET="$(TARGET)" INPUT="$(INPUT)" $(scripts)/fuzz.sh

contract: ## the end-to-end tests through a recording proxy: make contract CONTRACT_TOOL=.../contract.sh
	@Tests/EndToEnd/contract.sh

check: ## scripts and the repository's own rules
	@$(scripts)/prerequisites.sh check
	shellcheck -x -P . $$(git ls-files '*.sh' '.ci/run')
	python3 -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' $$(git ls-files '*.py')
	KILONOVA_ONLY=TidyTests swift test --scratch-path .build-tidy

##@ Measure and generate

.PHONY: bench bench-drivers generate
bench: ## measure a release build (fake driver, SQLite, one process); a table, and .build/bench.json
	@$(scripts)/prerequisites.sh bench
	swift build -c release --disable-index-store
	python3 Tests/Benchmarks/bench.py .build/release/kilonovad .build/bench.json

bench-drivers: ## measure drivers in a release build: ONLY=calls,client; a table, and .build/bench-drivers.json
	@$(scripts)/prerequisites.sh build drivers
	swift build -c release --disable-index-store
	python3 Tests/Benchmarks/bench_drivers.py .build/release .build/bench-drivers.json $(if $(ONLY),--only $(ONLY))

generate: ## what is generated and checked in: DriverKit's hash, the sample configuration, the reference of options
	Config/scripts/driverkit-hash.sh --write
	swift build --disable-index-store --product kilonovad
	mkdir -p docs/reference
	.build/debug/kilonovad manage reference --sample > Config/kilonova.conf.sample
	.build/debug/kilonovad manage reference > docs/reference/options.md

##@ Help

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
