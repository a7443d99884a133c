// Package sim searches for faults of the Cassandra store in a simulated world:
// the unchanged code of packages cassandra and projection runs on a cluster in
// memory (package cluster), in virtual time, through histories that are drawn
// from a seed. cassandra/SIMULATION.md says what is simulated and what is not.
//
//	go test ./internal/sim
//	go test ./internal/sim -run TestSearch -v -sim.length 1h -timeout 0
//	go test ./internal/sim -run TestSearch -v -sim.seed 17
//	go test ./internal/sim -run TestReplay -v -sim.history FILE
//
// A [History] is a script of events, such as "deliver a anna" or "kill n2": see
// the table in verb.go. [Generate] makes one from a seed, [Play] plays and
// judges it, [Shrink] makes it smaller. Its text form is what a search prints
// when it has found something, and what testdata keeps.
//
// # How a history is replayed
//
// All goroutines of a history are in one bubble of testing/synctest. Every
// statement of the library waits for its turn (turn.go). When all goroutines
// wait, the director lets one statement go on, and waits again: between two
// statements nothing else runs. The order of the statements, what becomes of
// each message to a replica, which replicas a read asks, and what processes
// draw from crypto/rand are drawn from the seed. So a seed gives the same
// history each time, on any machine.
//
// [Search] looks for violations: it plays new histories, and variants of those
// that came to a state of the world which no other history had come to.
//
// # How a history is judged
//
// At the end everything is healed, the cluster is repaired as PROMISES.md asks
// of an operator, and the library's repair runs (judge.go). Then every mailbox
// is listed and read in every data centre, and the checker of package faults
// says what became of each message.
//
// The promises bear that one replica of each message forgets what it
// acknowledged, until the cluster is repaired. So a history never has two such
// events without a repair in between, and a listing from then until the repair
// may miss what was acknowledged before (doubt.go).
package sim
