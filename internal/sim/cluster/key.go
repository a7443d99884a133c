package cluster

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/popcask/popcask/internal/murmur3"
)

// partitionKey is the key of a partition that was written to or read once.
type partitionKey struct {
	number int    // among those of the table; partitions of a node are found by it
	key    string // serialised, as the token is computed from it
	token  int64
	parts  []string // the serialised columns

	epoch    int
	replicas []*Node // at this epoch
}

// compareKeys orders partitions as the ring does.
func compareKeys(a, b *partitionKey) int {
	return cmp.Or(cmp.Compare(a.token, b.token), strings.Compare(a.key, b.key))
}

// keys is the partitions of a table.
type keys struct {
	numbers map[string]int
	all     []*partitionKey // by number
	ordered []*partitionKey // by token: the first ones, and the others when they are asked for
	sorted  int             // the first ones
}

func (k *keys) clone() *keys {
	copied := &keys{numbers: maps.Clone(k.numbers), all: make([]*partitionKey, len(k.all)), ordered: make([]*partitionKey, len(k.all))}
	for i, key := range k.all {
		copied.all[i] = &partitionKey{number: key.number, key: key.key, token: key.token, parts: key.parts}
	}
	for i, key := range k.ordered {
		copied.ordered[i] = copied.all[key.number]
	}
	copied.sorted = k.sorted
	return copied
}

// get returns a key, which it adds if need be.
func (k *keys) get(t *table, key []byte) *partitionKey {
	if number, ok := k.numbers[string(key)]; ok {
		return k.all[number]
	}
	p := &partitionKey{number: len(k.all), key: string(key), token: murmur3.Token(key)}
	p.parts = splitKey(t, p.key)
	k.numbers[p.key] = p.number
	k.all = append(k.all, p)
	k.ordered = append(k.ordered, p)
	return p
}

// between returns the partitions whose token is larger than after and at most
// until.
func (k *keys) between(after, until int64) []*partitionKey {
	ordered := k.inOrder()
	first := sort.Search(len(ordered), func(i int) bool { return ordered[i].token > after })
	end := sort.Search(len(ordered), func(i int) bool { return ordered[i].token > until })
	return ordered[first:max(first, end)]
}

// inOrder returns the partitions by token.
func (k *keys) inOrder() []*partitionKey {
	if k.sorted < len(k.ordered) {
		slices.SortFunc(k.ordered, compareKeys)
		k.sorted = len(k.ordered)
	}
	return k.ordered
}

// appendPart appends a column of a partition key. A key of one column is that
// column; in one of several each is its length, its octets, and a zero.
func appendPart(to []byte, t *table, kind kind, value any) (key []byte, present bool, err error) {
	if len(t.partition) == 1 {
		return kind.serialise(to, value)
	}
	at := len(to)
	to, present, err = kind.serialise(append(to, 0, 0), value)
	if err != nil {
		return nil, false, err
	}
	binary.BigEndian.PutUint16(to[at:], uint16(len(to)-at-2))
	return append(to, 0), present, nil
}

func splitKey(t *table, key string) []string {
	if len(t.partition) == 1 {
		return []string{key}
	}
	parts := make([]string, 0, len(t.partition))
	for key != "" {
		n := int(key[0])<<8 | int(key[1])
		parts = append(parts, key[2:2+n])
		key = key[3+n:]
	}
	return parts
}
