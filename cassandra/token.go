package cassandra

import (
	"encoding/binary"
	"math"

	"github.com/popcask/popcask/internal/murmur3"
)

// Token returns the token of a bucket of a mailbox: the hash of the partition
// key (mailbox_id uuid, bucket bigint), as the Murmur3Partitioner computes it.
// The memberships have that partition key, and so has an [Index], which gets
// tokens in [Index.Scan].
func Token(mailbox MailboxID, bucket int64) int64 {
	// Each part of a composite key is its length, its octets, and a zero.
	key := make([]byte, 0, 2+16+1+2+8+1)
	key = append(key, 0, 16)
	key = append(key, mailbox[:]...)
	key = append(key, 0, 0, 8)
	key = binary.BigEndian.AppendUint64(key, uint64(bucket))
	return murmur3.Token(append(key, 0))
}

// contentToken returns the token of the content of a message.
func contentToken(id MessageID) int64 { return murmur3.Token(id[:]) }

// ringParts is the number of parts of the same size into which the ring is cut.
// A scan goes through it part by part, and can be resumed after each of them.
const ringParts = 256

// partEnd returns the last token of a part; of part -1, where the ring begins.
func partEnd(part int) int64 {
	if part == ringParts-1 {
		return math.MaxInt64
	}
	return math.MinInt64 + int64(part+1)*(math.MaxUint64/ringParts)
}

// partOf returns the part that a token is in.
func partOf(token int64) int {
	above := uint64(token) - 1<<63 // distance from where the ring begins
	if above > 0 {
		above--
	}
	return int(min(above/(math.MaxUint64/ringParts), ringParts-1))
}

// tokens is a range of the ring: the tokens larger than after and at most
// until.
type tokens struct{ after, until int64 }

// partTokens returns the tokens of a part.
func partTokens(part int) tokens { return tokens{partEnd(part - 1), partEnd(part)} }

func (t tokens) has(token int64) bool { return t.after < token && token <= t.until }

// middle returns where to cut a range into two. ok is false if the range has
// only one token.
func (t tokens) middle() (token int64, ok bool) {
	width := uint64(t.until) - uint64(t.after)
	return int64(uint64(t.after) + width/2), width > 1
}
