package netserver

// Reached reports whether n has come to a limit, of which a negative one is none.
func Reached(n, limit int) bool { return limit >= 0 && n >= limit }

// DefaultConnections is how many connections a server takes by default in this
// process: 10,000, or a quarter of the files that the process may open if that
// is fewer. A session may need three more, and the rest of the program some too.
func DefaultConnections() int { return connectionsFor(maxFiles()) }

// connectionsFor is the default in a process that may open so many files; 0 is
// unknown.
func connectionsFor(files uint64) int {
	const most = 10_000
	if files == 0 || files > 4*most {
		return most
	}
	return max(1, int(files/4))
}

// DefaultPerAddress is how many connections one address may have by default, in
// a server in which so many may wait.
func DefaultPerAddress(waiting int) int {
	const most = 100
	if waiting < 0 {
		return most
	}
	return min(most, waiting)
}

// DefaultWaiting is how many connections may wait by default, in a server that
// may have so many: half of them.
func DefaultWaiting(connections int) int {
	if connections < 0 {
		return -1
	}
	return max(1, connections/2)
}
