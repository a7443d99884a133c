// Package murmur3 hashes partition keys as Cassandra's Murmur3Partitioner does.
package murmur3

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Token returns the token of a partition key: its hash, or the largest number in
// place of the smallest, which is where the ring begins.
func Token(key []byte) int64 {
	if token := Sum(key); token != math.MinInt64 {
		return token
	}
	return math.MaxInt64
}

const (
	c1 = 0x87c37b91114253d5
	c2 = 0x4cf5ad432745937f
)

// Sum returns the first half of MurmurHash3 x64 128 with the seed 0, as
// Cassandra computes it: with the octets after the last block of 16 as signed
// numbers.
func Sum(key []byte) int64 {
	var h1, h2 uint64
	rest := key
	for ; len(rest) >= 16; rest = rest[16:] {
		h1 ^= mix1(binary.LittleEndian.Uint64(rest))
		h1 = bits.RotateLeft64(h1, 27) + h2
		h1 = h1*5 + 0x52dce729
		h2 ^= mix2(binary.LittleEndian.Uint64(rest[8:]))
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
	h1 ^= mix1(k1) ^ uint64(len(key))
	h2 ^= mix2(k2) ^ uint64(len(key))
	h1 += h2
	h2 += h1
	return int64(end(h1) + end(h2))
}

func mix1(k uint64) uint64 { return bits.RotateLeft64(k*c1, 31) * c2 }
func mix2(k uint64) uint64 { return bits.RotateLeft64(k*c2, 33) * c1 }

func end(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
