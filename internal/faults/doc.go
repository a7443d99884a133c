// Package faults is the fault suite: people deliver, list, retrieve and remove
// mail in two data centres while a nemesis does its worst to nodes, links,
// clocks and the processes themselves; when all is healed and repaired, a
// checker tells what became of each message.
package faults
