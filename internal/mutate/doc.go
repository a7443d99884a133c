// Command mutate shows that the tests find a line that is wrong. It makes one
// change at a time to the source of a package, a mutation, and runs those of
// the package's tests that are there for that line: one of them must fail.
//
//	go run ./internal/mutate                    all of the list
//	go run ./internal/mutate -lists stores      one of its files; the gate runs most
//	go run ./internal/mutate -run fsync -v      those of which file, text or tests have that
//	go run ./internal/mutate -sweep ./pop3 -n 100 -seed 7
//
// The list is in the folder list: each sync of a directory or a file, each limit
// and time-out, each row of the error map, and what keeps secrets, promises and
// the protocol. A text of the list that the source does not have any more, or
// has twice, is an error: the list follows the source. A mutation that no test
// can find is in the list with the reason, and is an error once a test finds it.
//
// A sweep makes mutations by the syntax alone, and prints those that survive all
// tests of the package. Most of them are harmless; survivors.md has those that
// somebody has looked at, with the reason.
//
// Nothing in the tree is changed: the compiler gets the mutation by -overlay.
package main
