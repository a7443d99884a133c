package cassandra

import (
	"encoding/binary"
	"math"
	"math/bits"
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
	return ringToken(append(key, 0))
}

// contentToken returns the token of the content of a message.
func contentToken(id MessageID) int64 { return ringToken(id[:]) }

// ringToken returns the token of a key: its hash, or the largest number in
// place of the smallest, which is where the ring begins.
func ringToken(key []byte) int64 {
	if token := murmur3(key); token != math.MinInt64 {
		return token
	}
	return math.MaxInt64
}

const (
	murmurC1 = 0x87c37b91114253d5
	murmurC2 = 0x4cf5ad432745937f
)

// murmur3 returns the first half of MurmurHash3 x64 128 with the seed 0, as
// Cassandra computes it: with the octets after the last block of 16 as signed
// numbers.
func murmur3(key []byte) int64 {
	var h1, h2 uint64
	rest := key
	for ; len(rest) >= 16; rest = rest[16:] {
		h1 ^= murmurMix1(binary.LittleEndian.Uint64(rest))
		h1 = bits.RotateLeft64(h1, 27) + h2
		h1 = h1*5 + 0x52dce729
		h2 ^= murmurMix2(binary.LittleEndian.Uint64(rest[8:]))
		h2 = bits.RotateLeft64(h2, 31) + h1
		h2 = h2*5 + 0x38495ab5
	}
	var k1, k2 uint64
	for i, octet := range rest {
		signed := uint64(int64(int8(octet)))
		if i < 8 {
			k1 ^= signed << (8 * i)
		} else {
			k2 ^= signed << (8 * (i - 8))
		}
	}
	h1 ^= murmurMix1(k1) ^ uint64(len(key))
	h2 ^= murmurMix2(k2) ^ uint64(len(key))
	h1 += h2
	h2 += h1
	return int64(murmurEnd(h1) + murmurEnd(h2))
}

func murmurMix1(k uint64) uint64 { return bits.RotateLeft64(k*murmurC1, 31) * murmurC2 }
func murmurMix2(k uint64) uint64 { return bits.RotateLeft64(k*murmurC2, 33) * murmurC1 }

func murmurEnd(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

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
