// Package faults is the fault suite: people deliver, list, retrieve and remove
// mail in two data centres while a nemesis does its worst to nodes, links,
// clocks and the processes themselves; when all is healed and repaired, a
// checker tells what became of each message.
//
//	go test ./internal/faults -run TestFaults -v
//	go test ./internal/faults -run TestFaults -v -timeout 0 -faults.length 1h -faults.dcs dc1:3,dc2:3
//	go test ./internal/faults -run TestFaults -v -faults.seed 17 -faults.nemesis kill-node,cut-link
//	go test ./internal/faults -run TestHistory -v -faults.history DIR
//
// It needs root on Linux, as it has a WAN. The seed, which is printed at the
// start, decides what breaks when; what the workers meet with meanwhile is not to
// be had twice. A run that fails leaves its history in a directory, which
// TestHistory checks once more.
//
// A [Host] is what uses the library: in a process of its own, which can be killed
// and stopped, or within a test. The nemeses are one table, in nemesis.go.
package faults
