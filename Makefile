# Everything a developer or a build server does with this tree. `make` lists it.
# Targets are short: logic lives in Go, in cmd and internal.

GO        ?= go
TOOL      := $(GO) tool -modfile=internal/tools/go.mod
FUZZTIME  ?= 30s
N         ?= 20
MINUTES   ?= 10
SOAK      ?= 1h
SEED      ?= 0
TAGS      ?=
BENCH     ?=
COUNT     ?= 6
BENCHTIME ?= 1s
MICRO      = Parse|AppendEntry|Route|Log_Append|Hop|Render
MICROPKGS  = ./internal/udp ./internal/destination ./internal/journal/jetstream ./internal/actorkit ./internal/template

.DEFAULT_GOAL := help
.PHONY: help demo build release test race lint fmt vet fix vuln fuzz chaos crash soak peers bench bench-baseline micro bench-compare micro-baseline cover generate check-generated check tools-update

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## see events come in and alerts go out; needs nothing but Go
	$(GO) run ./cmd/butler demo

build: ## build bin/butler
	$(GO) build -trimpath -buildvcs=true -o bin/ ./cmd/...

release: ## build dist/ for every platform, with checksums; the same commit and Go give the same bytes
	@rm -rf dist && mkdir dist && for p in linux windows darwin; do for a in amd64 arm64; do e=; [ $$p = windows ] && e=.exe; \
	echo $$p/$$a && CGO_ENABLED=0 GOOS=$$p GOARCH=$$a $(GO) build -trimpath -buildvcs=true -ldflags='-s -buildid=' -o dist/butler-$$p-$$a$$e ./cmd/butler || exit 1; done; done
	@cd dist && sha256sum butler-* | tee SHA256SUMS

test: ## run the tests
	$(GO) test -timeout 30m ./...

race: ## run the tests under the race detector, in random order, uncached
	$(GO) test -race -shuffle=on -count=1 -timeout 40m -tags '$(TAGS)' ./...

peers: ## run the tests against real InfluxDB, VictoriaMetrics, Mosquitto and Prometheus (Debian packages)
	$(GO) test -count=1 -timeout 30m -tags peers ./...

chaos: ## for MINUTES, break what can break around the real binary under load, and count every alert (SEED repeats a run)
	BUTLER_CHAOS_MINUTES=$(MINUTES) BUTLER_CHAOS_SEED=$(SEED) $(GO) test -count=1 -v -timeout 24h -run 'TestChaos' ./internal/app

soak: ## run the real binary under a steady load for SOAK and see that nothing grows (SEED repeats a run)
	BUTLER_SOAK=$(SOAK) BUTLER_CHAOS_SEED=$(SEED) $(GO) test -count=1 -v -timeout 25h -run 'TestSoak' ./internal/app

crash: ## kill -9 the real binary N times under load and count every alert (SEED repeats a run)
	BUTLER_CHAOS_KILLS=$(N) BUTLER_CHAOS_SEED=$(SEED) $(GO) test -count=1 -timeout 60m -run 'TestCrash' ./internal/app/...

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

bench: build ## measure the service over the wire and compare with the committed baseline (BENCH="scenario ..." for some)
	bin/butlerbench run --out .bench --baseline bench/results/baseline.json $(BENCH)

bench-baseline: build ## measure the standard and the long set and make them the baseline; on a quiet machine
	bin/butlerbench run --out bench/results --name baseline
	for long in million-tasks million-followed; do bin/butlerbench run --out bench/results --name $$long $$long || exit; done

micro: ## run the micro-benchmarks: codec, routing, journal append, actor hop, template
	@mkdir -p .bench
	$(GO) test -run '^$$' -bench '^Benchmark($(MICRO))$$' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) $(MICROPKGS) > .bench/micro.txt; r=$$?; cat .bench/micro.txt; exit $$r

bench-compare: micro ## run the micro-benchmarks and compare them with the committed ones
	$(TOOL) benchstat bench/results/micro.txt .bench/micro.txt

micro-baseline: micro ## make the micro-benchmarks of now the committed ones; on a quiet machine
	cp .bench/micro.txt bench/results/micro.txt

cover: ## show the coverage by function
	$(GO) test -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out

generate: ## write what is generated from the code (docs, samples)
	$(GO) generate ./...

check-generated: generate ## fail when something generated is out of date
	git diff --exit-code

check: vet lint race vuln ## the part of .ci/run that needs nothing installed

tools-update: ## move the tools to their newest versions
	cd internal/tools && $(GO) get -u tool && $(GO) mod tidy
