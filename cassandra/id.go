package cassandra

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/gofrs/uuid/v5"
)

// MessageID identifies a message. It is a time-based UUID (version 1, RFC 9562
// section 5.1), which a process can mint without asking another one. The store
// mints one for each attempt at a delivery and never uses it again.
type MessageID [16]byte

// ParseMessageID reads the form that String writes, in lower or upper case. A
// text that is not a time-based UUID in that form is an error.
func ParseMessageID(text string) (MessageID, error) {
	id, err := uuid.FromString(text)
	if err != nil || len(text) != 36 || id.Version() != uuid.V1 {
		return MessageID{}, fmt.Errorf("%q is not a message ID", text)
	}
	return MessageID(id), nil
}

// String returns the usual form of a UUID: 36 characters, in lower case.
func (id MessageID) String() string { return uuid.UUID(id).String() }

// Timestamp returns t(id), the time in the ID, in microseconds since 1970.
// Every write about the message carries it, or one or two more: see [AddedAt]
// and [DeletedAt].
func (id MessageID) Timestamp() int64 {
	return (int64(id.ticks()) - ticksTo1970) / ticksPerMicrosecond
}

// Time returns Timestamp as a [time.Time].
func (id MessageID) Time() time.Time { return time.UnixMicro(id.Timestamp()) }

const (
	ticksPerMicrosecond = 10 // a tick is 100 ns
	ticksTo1970         = 0x01B21DD213814000
)

// ticks returns the time in the ID, in ticks since 15 October 1582.
func (id MessageID) ticks() uint64 {
	low := uint64(binary.BigEndian.Uint32(id[0:4]))
	middle := uint64(binary.BigEndian.Uint16(id[4:6]))
	high := uint64(binary.BigEndian.Uint16(id[6:8]) & 0x0fff)
	return high<<48 | middle<<32 | low
}

// putTicks sets the time in an ID, and the version.
func putTicks(id *MessageID, ticks uint64) {
	binary.BigEndian.PutUint32(id[0:4], uint32(ticks))
	binary.BigEndian.PutUint16(id[4:6], uint16(ticks>>32))
	binary.BigEndian.PutUint16(id[6:8], uint16(ticks>>48)&0x0fff|0x1000)
}

// Compare returns -1, 0 or 1, as Cassandra orders a timeuuid column: by time,
// then by the last 8 octets, each of them as a signed number.
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

// firstIDAt and lastIDAt return the smallest and the largest ID of a
// microsecond, in Cassandra's order.
func firstIDAt(microseconds int64) MessageID { return borderID(microseconds, 0, 0x80) }
func lastIDAt(microseconds int64) MessageID {
	return borderID(microseconds, ticksPerMicrosecond-1, 0x7f)
}

func borderID(microseconds int64, tick uint64, fill byte) MessageID {
	var id MessageID
	putTicks(&id, uint64(microseconds*ticksPerMicrosecond+ticksTo1970)+tick)
	for i := 8; i < 16; i++ {
		id[i] = fill
	}
	return id
}

// minter mints message IDs: the time, 59 random bits, and the width of the
// bucket. Each ID draws its own bits. What a process draws once, or takes from
// its machine, is the same in a virtual machine that was cloned, and an ID that
// is minted twice would overwrite a message.
type minter struct {
	mu   sync.Mutex
	last time.Time // of the previous ID
}

// longestLead is how far IDs may run ahead of a clock that stands still or was
// set back a little. If the clock was set back further, IDs go back too.
const longestLead = time.Second

// mint returns an ID one tick or more after the previous one, so that messages
// are listed in the order in which they came.
func (m *minter) mint(now time.Time, width width) MessageID {
	id := firstIDAt(0)
	putTicks(&id, m.next(now))
	rand.Read(id[8:])
	id[8] = id[8]&0x3f | 0x80 // the variant (RFC 9562 section 4.1)
	id[9] = id[9]&^widthBits | byte(width)
	id[10] |= 1 // the multicast bit, which no MAC address has (RFC 9562 section 6.10)
	return id
}

// next returns the time of the next ID.
func (m *minter) next(now time.Time) (ticks uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const tick = time.Microsecond / ticksPerMicrosecond
	now = now.Round(0) // without the monotonic reading: an ID has what the clock shows
	if next := m.last.Add(tick); now.Before(next) && next.Sub(now) < longestLead {
		now = next
	}
	m.last = now
	return uint64(now.UnixMicro()*ticksPerMicrosecond + int64(now.Nanosecond()%1000/100) + ticksTo1970)
}

// chance returns a number from 0 to 2^40-1 that is random, and always the same
// for an ID.
func (id MessageID) chance() uint64 { return binary.BigEndian.Uint64(id[8:]) & (1<<40 - 1) }

// MailboxID identifies a mailbox. It is computed from the user's name, so that
// two data centres which deliver to a new user at the same moment use the same
// mailbox.
type MailboxID [16]byte

// String returns the usual form of a UUID.
func (id MailboxID) String() string { return uuid.UUID(id).String() }

// mailboxIDOf computes the ID of a user's mailbox. The name is canonical. A
// user who was removed and created again has another generation, and so an
// empty mailbox.
func mailboxIDOf(namespace uuid.UUID, user string, generation uint32) MailboxID {
	name := fmt.Sprintf("%d:%s", generation, user)
	return MailboxID(uuid.NewV5(namespace, name))
}
