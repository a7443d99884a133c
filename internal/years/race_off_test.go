//go:build !race

package years

const raceDetector = false
