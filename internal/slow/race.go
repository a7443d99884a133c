package slow

import "runtime/debug"

// RaceDetector reports whether this test runs under the race detector, with
// which what only computes takes ten times as long.
func RaceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
