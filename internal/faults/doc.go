// Package faults is the fault suite: hosts deliver, list, retrieve and remove
// mail in two data centres while a nemesis breaks nodes, links, clocks and the
// hosts' own processes. After all is healed and repaired, a checker reports
// what became of each message.
//
//	go test ./internal/faults -run TestFaults -v
//	go test ./internal/faults -run TestFaults -v -timeout 0 -faults.length 1h -faults.dcs dc1:3,dc2:3
//	go test ./internal/faults -run TestFaults -v -faults.seed 17 -faults.nemesis kill-node,cut-link
//	go test ./internal/faults -run TestFaults -v -faults.nemesis leave-and-join -faults.dcs dc1:4,dc2:3
//	go test ./internal/faults -run TestHistory -v -faults.history DIR
//
// It needs root on Linux, since it has a WAN. The seed, which is printed at the
// start, decides what breaks when. What the workers meet meanwhile differs from
// run to run. A run that fails leaves its history in a directory, and
// TestHistory checks that once more.
//
// Nodes break, links, clocks and the hosts' own processes; and the operators do
// what they do: they replace a node, restore the snapshot of one, restart one
// after the other, switch hints off, change the replication. One replica of each
// message may forget what it acknowledged, and then the cluster is repaired,
// before another one may. A kill -9 counts as one replica that forgets: in a run
// in which each data centre has three nodes or more, the commit log is that of
// most clusters. Where there are fewer, it is synchronous, and nobody forgets.
// What the topology or the length of a run does not allow is left out, and the
// run says so.
//
// Not here, but in internal/sim: a process that is cloned with all its state,
// which cannot be done to a real one, and one that is frozen for longer than a
// step. A disk that fills has a test of its own,
// internal/clustertests.TestP1DiskFull.
//
// A [Host] uses the library: in a process of its own, which can be killed and
// stopped, or within a test. The nemeses are one table, in nemesis.go.
package faults
