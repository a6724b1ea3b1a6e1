# What a person needs. Nothing but Go is wanted for build, demo and test; demo
# and the tests of live recordings take root.

SHELL := bash
.SHELLFLAGS := -o pipefail -ec

.PHONY: build demo examples test test-go test-kernels test-dtrace test-real soak bench generate lint tracefs

build: ## ./netpolltrace
	go build -o netpolltrace ./cmd/netpolltrace

demo: build tracefs ## record a small workload with known faults and print the report
	./netpolltrace demo

# The demo's workload ends with its standard input.
examples: build tracefs ## the worked examples of docs/reading-a-report.md, from a new recording of the demo's workload
	rm -f examples.netpolltrace.arrows
	sleep 6 | ./netpolltrace record --mode all --max-overhead 0 -o examples.netpolltrace.arrows -- ./netpolltrace demo-workload all
	for rows in '(*catalog)' 'archive.Find' '(*journal).Write'; do \
		./netpolltrace report examples.netpolltrace.arrows --filter "own contains \"$$rows\""; \
	done
	./netpolltrace explain examples.netpolltrace.arrows --slowest 1 --filter 'own contains "(*journal).Write"'

# go test with a line for each package, what failed and why tests were skipped, and
# the counts at the end; V=1 is verbose. That no test ran is a failure too.
TEST := go tool gotestsum --format $(if $(V),standard-verbose,pkgname) --format-icons text \
	--post-run-command 'sh -c "[ $$TESTS_TOTAL -gt 0 ] || { echo no test ran; exit 1; }"' --

test: tracefs ## all tests; those that this machine cannot run are skipped, and counted
	$(TEST) $(TESTFLAGS) ./...

# The newest patch release of each version, and older ones where the layout of the
# runtime changed between patch releases, both sides.
GO_NEWEST := 1.18.10 1.19.13 1.20.14 1.21.13 1.22.12 1.23.12 1.24.13 1.25.14 1.26.11 1.27.4
GO_OLDER := 1.23.2 1.23.11 1.24.5 1.25.3 1.26.8 1.27.0
# The oldest, the newest, and two between them: docs/decisions.md, "What CI leaves out".
GO_FEW := 1.18.10 1.21.13 1.23.12 1.27.4
GO_VERSIONS ?= $(if $(BUILDS),$(GO_FEW),$(GO_NEWEST) $(GO_OLDER))

test-go: export NETPOLLTRACE_GO_VERSIONS = $(GO_VERSIONS)
test-go: export NETPOLLTRACE_BUILDS = $(BUILDS)
test-go: tracefs ## read and record programs of Go 1.18 to 1.27, on arm64 in QEMU; they are downloaded; GO_VERSIONS names others, BUILDS=few tries less of fewer
	$(TEST) -p 1 -timeout 60m -run Releases $(if $(UPDATE),,./internal/testprogram ./process) ./gobinary ./internal/truth ./internal/vm $(if $(UPDATE),-update)

# All that CI boots at once, so that all processors are busy to the end. To share them
# is nothing to the machines, whose clocks count instructions; each takes up to 2 GiB.
MACHINES ?= 5

test-kernels: ## boot Linux 5.10 to the newest of Debian in QEMU, for amd64 and arm64, and record in each; KERNELS names some, MACHINES is how many at a time
	NETPOLLTRACE_KERNELS="$(or $(KERNELS),all)" $(TEST) -timeout 90m -parallel $(MACHINES) -run TestKernels ./internal/vm $(if $(UPDATE),-update)

test-dtrace: ## record by the D scripts of macOS and FreeBSD under DTrace for Linux, which is downloaded and unpacked, not installed
	dtrace=$$(kqueue_dtrace/testdata/dtrace-for-linux.sh) && \
	NETPOLLTRACE_DTRACE="$$dtrace" $(TEST) -count 1 -timeout 30m ./kqueue_dtrace

test-real: tracefs ## record servers of Debian under load, each for DURATION; they are downloaded and unpacked, not installed
	NETPOLLTRACE_REAL=$(or $(DURATION),30s) $(TEST) -timeout 30m -run TestServersOfDebian ./internal/realworld

soak: tracefs ## attach and detach 200 times to a program under stress, for DURATION
	NETPOLLTRACE_SOAK=$(or $(DURATION),10m) $(TEST) -timeout 60m -run TestSoak ./internal/realworld

bench: ## what being recorded costs a program, and how fast the parts are; docs/performance.md
	go test -run '^$$' -bench . -benchmem ./...
	go run ./internal/bench $(BENCHFLAGS)

generate: ## compile bpf/ again, which takes clang-19, llvm-19 and libbpf-dev; measure gobinary/offsets.json with GO_VERSIONS
	go generate ./...
	NETPOLLTRACE_GO_VERSIONS="$(GO_VERSIONS)" go test -count 1 -run TestOffsetsOfReleases ./gobinary -update

lint: ## formatting, go vet, staticcheck, go.mod
	@test -z "$$(gofmt -l .)" || { echo "not formatted: $$(gofmt -l . | tr '\n' ' ')"; exit 1; }
	go vet ./...
	go -C testdata vet ./...
	go -C testdata/libraries vet ./...
	go tool staticcheck ./...
	go mod verify
	go mod tidy -diff

# Return probes are made through tracefs, which containers and small systems do
# not always mount.
tracefs:
	@if [ "$$(id -u)" = 0 ] && [ -d /sys/kernel/tracing ] && ! grep -qs ' /sys/kernel/tracing ' /proc/mounts; then \
		mount -t tracefs tracefs /sys/kernel/tracing || echo "tracefs cannot be mounted here: kernel return probes will not be used"; \
	fi
