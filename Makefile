# Everything a developer or a build server does with this tree. `make` lists it.
# Targets are one line each: logic lives in Go, in cmd and internal.

GO       ?= go
TOOL     := $(GO) tool -modfile=internal/tools/go.mod
FUZZTIME ?= 30s
N        ?= 20
TAGS     ?=

.DEFAULT_GOAL := help
.PHONY: help demo build test race lint fmt vet fix vuln fuzz chaos peers bench cover generate check-generated check tools-update

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## see events come in and alerts go out; needs nothing but Go
	$(GO) run ./cmd/butler demo

build: ## build bin/butler
	$(GO) build -trimpath -o bin/ ./cmd/...

test: ## run the tests
	$(GO) test ./...

race: ## run the tests under the race detector, in random order, uncached
	$(GO) test -race -shuffle=on -count=1 -timeout 20m -tags '$(TAGS)' ./...

peers: ## run the tests against real InfluxDB, VictoriaMetrics, Mosquitto and promtool (Debian packages)
	$(GO) test -count=1 -tags peers ./...

chaos: ## kill -9 the real binary N times under load and count every alert
	BUTLER_CHAOS_KILLS=$(N) $(GO) test -count=1 -timeout 60m -run 'TestCrash' ./internal/app/...

fuzz: ## fuzz every parser of foreign bytes for FUZZTIME each
	cd internal/tools && $(GO) run ./fuzzall -dir ../.. -time $(FUZZTIME)

lint: ## run the linters and the layering test
	$(TOOL) golangci-lint run ./...

fmt: ## format the tree
	$(TOOL) gofumpt -w -extra .

vet: ## run go vet
	$(GO) vet -tags peers ./...

fix: ## apply Go's modernisers
	$(GO) fix ./...

vuln: ## look for known vulnerabilities in what is compiled in
	$(TOOL) govulncheck ./...

bench: ## run the benchmarks and write bench/results
	$(GO) run ./bench/cmd/record

cover: ## show the coverage by function
	$(GO) test -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out

generate: ## write what is generated from the code (docs, samples)
	$(GO) generate ./...

check-generated: generate ## fail when something generated is out of date
	git diff --exit-code

check: vet lint race vuln ## the part of .ci/run that needs nothing installed

tools-update: ## move the tools to their newest versions
	cd internal/tools && $(GO) get -u tool && $(GO) mod tidy
