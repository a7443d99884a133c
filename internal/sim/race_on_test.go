//go:build race

package sim

// raceDetector is true if the race detector is on, with which a search takes
// ten times as long.
const raceDetector = true
