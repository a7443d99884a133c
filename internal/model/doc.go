// Package model has the protocols that replace lightweight transactions as
// models: small programs whose every run is tried. A model says who takes which
// steps, which faults there are, and what must not happen. Search visits every
// state that any order of the steps and faults leads to. So a protocol that is
// found to be right is right for so many actors and faults as its model has,
// and a wrong one is found with one of the shortest histories that lead to what
// is wrong.
//
// There are three of them, each with a comment at the top of its file:
//
//   - seal.go: fence and seal. A proof never hides a message that was
//     acknowledged, even if one replica forgets it (P1).
//   - opened.go: a message that is put back into the sealed part of a bucket is
//     listed, whatever provers do at the same time (P1).
//   - uidl.go: a foreign unique-id is shown by one message only, in all data
//     centres, for all time (P5).
//
// A variant is a struct that says how many actors and replicas there are, which
// levels they use, in which order they take their steps, and how often a
// replica forgets. The tests have a table of right variants and a table of
// wrong ones. To see the histories of the wrong ones:
//
//	go test -v -run 'Wrong|Hide|Again|Twice' ./internal/model
//
// A history names the replicas R1, R2 and so on, those of the first data centre
// first, and sets of messages in binary: messages 001 is the first message,
// messages 010 the second one.
//
// Change the model first, then the level or the order of a step in the store.
//
// # What the models know
//
// Nothing has to happen. A process that dies is one that takes no more steps,
// and a write that is lost on its way to a replica is one that never arrives;
// so every run with such a fault is among those that are visited, and neither
// is a step of its own. A replica that is down is one that no step visits.
//
// A replica that is replaced has at one moment what one other replica has. That
// includes every slower replacement: until then no step visits it, and what it
// got meanwhile is lost.
//
// Replicas of one data centre are alike. The search keeps one state for all
// that differ in their names only.
//
// # What they do not know
//
// Content, the index, the rows of the ledger that say which buckets there are,
// marks of removed messages, and pages: a listing is one set, read at once at
// each replica. The index is proven with the membership, at the same level, so
// that one set stands for both. A replica that forgets loses what it has, but
// does not get back old data; and repair gives all replicas the same in one
// step.
package model
