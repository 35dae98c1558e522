# Carillon. `make` alone lists the targets.

GO ?= go
# How long each fuzz target runs.
FUZZTIME ?= 10s
# Flags of `go test` in `make test`, such as -v or -short.
TEST_FLAGS ?=
# What `make race` tests, and with which flags; -short lowers the rounds.
RACE_PACKAGES ?= ./...
RACE_FLAGS ?= -timeout 30m
# Packages whose tests run many processes against the clock: one after the other, when nothing else runs.
ALONE := /internal/(faultproxy|handoff)$$
# Runs a command with real servers, as far as they can be had, and says what it skipped. Without bash there are none.
BACKENDS := $(if $(shell command -v bash),scripts/backends run)
# Arguments of `make bench`.
BENCH_ARGS ?=

# Tools, pinned. They are built from source into bin/.
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.8.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := bin/govulncheck-$(GOVULNCHECK_VERSION)

PLATFORMS := darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# One of each system: what differs between its architectures is in no test.
VET_PLATFORMS := darwin/arm64 windows/amd64

# The product needs no C compiler. Only the race detector does.
export CGO_ENABLED := 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## Build, vet and test everything, examples included; needs nothing but Go
	$(GO) build ./...
	$(GO) vet ./...
	$(BACKENDS) $(MAKE) --no-print-directory tests

# What `make test` runs with the servers at hand: the module, and those beside it that exchange messages with other software.
.PHONY: tests
tests:
	$(GO) test $(TEST_FLAGS) $$($(GO) list ./... | grep -vE '$(ALONE)')
	$(GO) test $(TEST_FLAGS) -p 1 $$($(GO) list ./... | grep -E '$(ALONE)')
	@for module in interop/go.mod interop/*/go.mod; do \
		$(GO) -C "$$(dirname "$$module")" vet ./... && $(GO) -C "$$(dirname "$$module")" test -parallel 6 $(TEST_FLAGS) ./... || exit 1; \
	done

.PHONY: race
race: export CGO_ENABLED := 1
race: ## Test under the race detector; needs a C compiler
	@set -- $$($(GO) env CC); command -v "$$1" >/dev/null || { \
		echo "make race: no C compiler: the race detector needs cgo; install gcc or clang, or set CC" >&2; exit 1; }
	$(BACKENDS) $(GO) test -race $(RACE_FLAGS) $(RACE_PACKAGES)

.PHONY: nightly
nightly: export CARILLON_NIGHTLY := 1
nightly: ## Run the tests named Nightly at full size; takes hours
	$(BACKENDS) sh -c '$(GO) test -timeout 6h -run Nightly ./... && $(GO) test -C interop -parallel 6 -timeout 6h -run Nightly ./...'

.PHONY: lint
lint: $(GOLANGCI) ## Run golangci-lint
	$(GOLANGCI) run ./...

.PHONY: linter
linter: $(GOLANGCI) ## Build the pinned golangci-lint into bin/; takes minutes, once

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the code and sort its imports
	$(GOLANGCI) fmt ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME each
	@found=0; \
	for file in $$(grep -rlE --include='*_test.go' --exclude-dir=testdata --exclude-dir=bench '^func Fuzz[A-Z]' .); do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$$file"); do \
			found=$$((found + 1)); \
			echo "== $$(dirname "$$file") $$target, $(FUZZTIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" || exit 1; \
		done; \
	done; \
	echo "$$found fuzz targets ran"; \
	test $$found -gt 0

.PHONY: bench
bench: ## Measure against hand-written limits and peers; takes minutes
	$(BACKENDS) $(GO) run -C bench . $(BENCH_ARGS)

.PHONY: bench-build
bench-build: ## Compile the benchmarks, which are a module of their own
	cd bench && $(GO) vet ./...

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities; needs the network
	$(GOVULNCHECK) ./...

.PHONY: cross
cross: ## Build for macOS and Windows, on amd64 and arm64, without cgo, and vet the tests
	@for platform in $(PLATFORMS); do \
		echo "== $$platform"; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build ./... || exit 1; \
	done
	@for platform in $(VET_PLATFORMS); do \
		echo "== $$platform, tests"; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) vet ./... || exit 1; \
	done

.PHONY: ci
ci: ## What has to pass before a change lands
	.ci/run

# tool builds a program of a module at a version: $(call tool,package,version,target)
tool = mkdir -p bin/build && GOBIN="$(CURDIR)/bin/build" $(GO) install $(1)@$(2) && mv bin/build/$(notdir $(1)) $(3) && rmdir bin/build

$(GOLANGCI):
	$(call tool,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_VERSION),$@)

$(GOVULNCHECK):
	$(call tool,golang.org/x/vuln/cmd/govulncheck,$(GOVULNCHECK_VERSION),$@)
