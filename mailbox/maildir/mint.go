package maildir

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// mint makes IDs. No two are ever the same: on one machine, process, counter
// and time differ; 64 random bits cover clocks that were set back, copied
// virtual machines and equal host names. Within a process the IDs ascend, so
// that mail is listed in the order of delivery.
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
	// An ID of at most 70 octets can be its own unique-id.
	return id + m.host[:max(1, min(len(m.host), mailbox.MaxUIDLLength-len(id)))]
}

// minted reports whether an ID was made by a mint.
func minted(id string) bool {
	for _, next := range []string{".M", "P", "Q", "R"} {
		_, rest := leadingNumber(id)
		after, found := strings.CutPrefix(rest, next)
		if !found || len(rest) == len(id) {
			return false
		}
		id = after
	}
	random, _, _ := strings.Cut(id, ".")
	_, err := strconv.ParseUint(random, 16, 64)
	return len(random) == 16 && err == nil
}

// hostName is the name of the host, with "_" for every character that does not
// belong in a file name or a unique-id.
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
