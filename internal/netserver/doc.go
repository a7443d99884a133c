// Package netserver is what the servers of this module have in common, whatever
// protocol they speak: which connections may be open at once, and how they are
// accepted, secured and ended. It knows nothing of what is said on them.
package netserver
