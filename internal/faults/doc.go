// Package faults is the fault suite: hosts deliver, list, retrieve and remove
// mail in two data centres while a nemesis breaks nodes, links, clocks and the
// hosts' own processes. After all is healed and repaired, a checker reports
// what became of each message.
//
//	go test ./internal/faults -run TestFaults -v
//	go test ./internal/faults -run TestFaults -v -timeout 0 -faults.length 1h -faults.dcs dc1:3,dc2:3
//	go test ./internal/faults -run TestFaults -v -faults.seed 17 -faults.nemesis kill-node,cut-link
//	go test ./internal/faults -run TestHistory -v -faults.history DIR
//
// It needs root on Linux, since it has a WAN. The seed, which is printed at the
// start, decides what breaks when. What the workers meet meanwhile differs from
// run to run. A run that fails leaves its history in a directory, and
// TestHistory checks that once more.
//
// A [Host] uses the library: in a process of its own, which can be killed and
// stopped, or within a test. The nemeses are one table, in nemesis.go.
package faults
