package cassandra

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Token is where the bucket of a mailbox lies on the ring of a cluster: the hash
// of the partition key (mailbox id, bucket) that the memberships have, and every
// [Index] whose table has the same key, as the Murmur3Partitioner computes it.
func Token(mailbox MailboxID, bucket int64) int64 {
	// Each part of a composite key has its length before it and a zero behind.
	key := make([]byte, 0, 2+16+1+2+8+1)
	key = append(key, 0, 16)
	key = append(key, mailbox[:]...)
	key = append(key, 0, 0, 8)
	key = binary.BigEndian.AppendUint64(key, uint64(bucket))
	return ringToken(append(key, 0))
}

// contentToken is where the content of a message lies.
func contentToken(id MessageID) int64 { return ringToken(id[:]) }

// ringToken is the hash, but for the smallest number, which stands for the
// beginning of the ring.
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

// murmur3 is the first half of MurmurHash3 x64 128 with the seed 0, as Cassandra
// computes it: the octets behind the last block of 16 are taken as signed.
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

// ringParts is into how many parts of the same size the ring is cut: the steps in
// which a scan goes through it, and in which it can go on.
const ringParts = 256

// partEnd is the last token of a part. That of part -1 is the beginning.
func partEnd(part int) int64 {
	if part == ringParts-1 {
		return math.MaxInt64
	}
	return math.MinInt64 + int64(part+1)*(math.MaxUint64/ringParts)
}

// partOf is the part that a token lies in.
func partOf(token int64) int {
	above := uint64(token) - 1<<63 // how far from the beginning
	if above > 0 {
		above--
	}
	return int(min(above/(math.MaxUint64/ringParts), ringParts-1))
}

// tokens is a stretch of the ring: what is above after, up to until.
type tokens struct{ after, until int64 }

// partTokens is a part as a stretch.
func partTokens(part int) tokens { return tokens{partEnd(part - 1), partEnd(part)} }

func (t tokens) has(token int64) bool { return t.after < token && token <= t.until }

// middle cuts a stretch into two, where it has more than one token.
func (t tokens) middle() (int64, bool) {
	width := uint64(t.until) - uint64(t.after)
	return int64(uint64(t.after) + width/2), width > 1
}
