//go:build race

package years

// raceDetector is true if the race detector is on.
const raceDetector = true
