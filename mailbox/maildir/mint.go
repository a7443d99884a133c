package maildir

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// mint makes IDs. No two are ever the same: process, counter and time differ
// within a machine, 64 random bits make up for clocks that were set back, for
// copied virtual machines and for equal host names. Within a process they
// ascend, so that mail lists in the order of delivery.
type mint struct {
	now func() time.Time

	mu    sync.Mutex
	host  string
	last  int64 // microseconds
	count uint64
}

func (m *mint) id() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.host == "" {
		m.host = hostName()
	}
	m.count++
	m.last = max(m.now().UnixMicro(), m.last+1)
	var random [8]byte
	rand.Read(random[:]) // never fails
	id := fmt.Sprintf("%d.M%06dP%dQ%dR%016x.", m.last/1_000_000, m.last%1_000_000, os.Getpid(), m.count, binary.BigEndian.Uint64(random[:]))
	// With 70 octets at most an ID is its own unique-id.
	return id + m.host[:max(1, min(len(m.host), mailbox.MaxUIDLLength-len(id)))]
}

// hostName keeps what is harmless in a file name and a unique-id.
func hostName() string {
	host, _ := os.Hostname()
	host = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '_'
	}, host)
	if host == "" {
		return "localhost"
	}
	return host
}
