package cassandra

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gofrs/uuid/v5"
)

// MessageID identifies a message: a time-based UUID (version 1), so that no
// data centre needs to ask another one for it. The store mints it for one
// attempt at one delivery and never uses it again.
type MessageID [16]byte

// ParseMessageID reads the form that String writes. A text that is no time-based
// UUID is nobody's ID.
func ParseMessageID(text string) (MessageID, error) {
	id, err := uuid.FromString(text)
	if err != nil || len(text) != 36 || id.Version() != uuid.V1 {
		return MessageID{}, fmt.Errorf("%q is not a message ID", text)
	}
	return MessageID(id), nil
}

// String is the usual form: 36 characters, lower case.
func (id MessageID) String() string { return uuid.UUID(id).String() }

// Timestamp is the ID's own time, t(id), in microseconds since 1970. All that is
// ever written about the message carries it, or one or two more: see [AddedAt].
func (id MessageID) Timestamp() int64 {
	return (int64(id.ticks()) - ticksTo1970) / ticksPerMicrosecond
}

// Time is Timestamp as a time.
func (id MessageID) Time() time.Time { return time.UnixMicro(id.Timestamp()) }

const (
	ticksPerMicrosecond = 10 // a tick is 100 ns
	ticksTo1970         = 0x01B21DD213814000
)

func (id MessageID) ticks() uint64 {
	low := uint64(binary.BigEndian.Uint32(id[0:4]))
	middle := uint64(binary.BigEndian.Uint16(id[4:6]))
	high := uint64(binary.BigEndian.Uint16(id[6:8]) & 0x0fff)
	return high<<48 | middle<<32 | low
}

// Compare orders IDs as Cassandra orders a timeuuid column: by time, then by
// the last 8 octets, each of them signed.
func (id MessageID) Compare(other MessageID) int {
	if a, b := id.ticks(), other.ticks(); a != b {
		if a < b {
			return -1
		}
		return 1
	}
	var a, b [8]byte
	for i := range a {
		a[i], b[i] = id[8+i]^0x80, other[8+i]^0x80
	}
	return bytes.Compare(a[:], b[:])
}

// firstIDAt and lastIDAt are the borders of a microsecond in Cassandra's order:
// no ID of the microsecond is before the one or after the other.
func firstIDAt(microseconds int64) MessageID { return borderID(microseconds, 0, 0x80) }
func lastIDAt(microseconds int64) MessageID {
	return borderID(microseconds, ticksPerMicrosecond-1, 0x7f)
}

func borderID(microseconds int64, tick uint64, fill byte) MessageID {
	ticks := uint64(microseconds*ticksPerMicrosecond+ticksTo1970) + tick
	var id MessageID
	binary.BigEndian.PutUint32(id[0:4], uint32(ticks))
	binary.BigEndian.PutUint16(id[4:6], uint16(ticks>>32))
	binary.BigEndian.PutUint16(id[6:8], uint16(ticks>>48)&0x0fff|0x1000)
	for i := 8; i < 16; i++ {
		id[i] = fill
	}
	return id
}

// minter makes message IDs. Its node id is random for each process: containers
// on different hosts share MAC addresses, and an ID that comes twice would
// overwrite a mail.
type minter struct {
	generator *uuid.Gen

	mu   sync.Mutex
	last time.Time // of the ID before
}

func newMinter() (*minter, error) {
	var node [6]byte
	if _, err := rand.Read(node[:]); err != nil {
		return nil, err
	}
	node[0] |= 1 // the multicast bit: no MAC address has it (RFC 9562 section 6.10)
	return &minter{generator: uuid.NewGenWithHWAF(func() (net.HardwareAddr, error) { return node[:], nil })}, nil
}

// longestLead is how far IDs may run ahead of a clock that stands still or was
// set back a little. A clock that was set back further is followed.
const longestLead = time.Second

// mint makes the next ID. Each has a tick of its own, later than the one before:
// the clock sequence, which the generator changes where the time does not go on,
// has 14 bits, and would be used up by a clock that stands still.
func (m *minter) mint(now time.Time) (MessageID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const tick = time.Microsecond / ticksPerMicrosecond
	now = now.Round(0) // what the clock shows is in the ID, not what has passed
	if next := m.last.Add(tick); now.Before(next) && next.Sub(now) < longestLead {
		now = next
	}
	m.last = now
	id, err := m.generator.NewV1AtTime(now)
	return MessageID(id), err
}

// MailboxID identifies a mailbox. It is computed from the user's name, so that
// two data centres that create the same mailbox at the same moment create the
// same one.
type MailboxID [16]byte

// String is the usual form of a UUID.
func (id MailboxID) String() string { return uuid.UUID(id).String() }

// mailboxIDOf computes the mailbox of a canonical user name. A user who was
// removed and created again gets the next generation, and with it an empty
// mailbox.
func mailboxIDOf(namespace uuid.UUID, user string, generation uint32) MailboxID {
	name := fmt.Sprintf("%d:%s", generation, user)
	return MailboxID(uuid.NewV5(namespace, name))
}
