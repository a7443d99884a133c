# What is run most often. The gate is .ci/run, see CONTRIBUTING.md.

.PHONY: quick test long sim faults bench lint

quick: # the server and the stores without a cluster
	go test ./pop3/... ./mailbox/...

test: # what this machine can run in six minutes
	go test ./...

long: # also the tests that take long
	POPCASK_LONG=1 go test -timeout 1h ./...

sim: # two minutes of new histories on the simulated cluster, and what they met
	go test ./internal/sim -run TestSearch -v -sim.length 2m

faults: # two data centres, with things that break for two minutes (root on Linux)
	go test ./internal/faults -run TestFaults -v -timeout 30m

bench: # the library beside bare programs
	go test ./pop3 ./mailbox/lmtp ./mailbox/maildir ./cassandra -run '^$$' -bench .

lint: # what .ci/run checks besides the tests
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	go mod tidy -diff
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
