package cassandra

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

// A seal says of a bucket which of all IDs up to a time may ever be listed
// again. So a session need not read the tombstones of those that went: it reads
// the IDs of the seal by their keys, and the bucket from the seal on (P7). A
// mailbox through which much mail passed is full of tombstones for
// gc_grace_seconds, and a read that meets 100,000 of them fails.
//
// It is one cell of the bucket's row, which a later seal overwrites. Not to use
// a seal is always right. See prove for how it is made, and openBucket for how
// a message is put back that a seal leaves out.
type seal struct {
	until  int64       // microseconds
	opened int64       // of the row, when the seal was made
	ids    []MessageID // ascending
}

// sealedIDs is how many IDs a seal has at most. A bucket that keeps more has
// none.
const sealedIDs = 4096

// sealForm is the first octet of a seal. One that has another is not used.
const sealForm = 1

// blob returns the form in which a seal is stored: the octet sealForm, until and
// opened with 8 octets each, and the IDs.
func (s *seal) blob() []byte {
	blob := make([]byte, 0, 1+8+8+16*len(s.ids))
	blob = append(blob, sealForm)
	blob = binary.BigEndian.AppendUint64(blob, uint64(s.until))
	blob = binary.BigEndian.AppendUint64(blob, uint64(s.opened))
	for _, id := range s.ids {
		blob = append(blob, id[:]...)
	}
	return blob
}

// parseSeal reads that form. It returns nil if there is no seal, or none that
// this program knows.
func parseSeal(blob []byte) *seal {
	if len(blob) < 17 || len(blob)%16 != 1 || blob[0] != sealForm {
		return nil
	}
	s := &seal{until: int64(binary.BigEndian.Uint64(blob[1:])), opened: int64(binary.BigEndian.Uint64(blob[9:]))}
	for ids := blob[17:]; len(ids) > 0; ids = ids[16:] {
		s.ids = append(s.ids, MessageID(ids[:16]))
	}
	return s
}

// has reports whether an ID is on the list.
func (s *seal) has(id MessageID) bool {
	_, ok := slices.BinarySearchFunc(s.ids, id, MessageID.Compare)
	return ok
}

// sealed returns the seal of the bucket, or nil if there is none that counts: a
// message was put back since it was made.
func (r *ledgerRow) sealed() *seal {
	if r.seal == nil || r.seal.opened != r.opened {
		return nil
	}
	return r.seal
}

// tombstonesAreGone is how long after the end of a bucket, and after its seal,
// the seal is not needed any more: gc_grace_seconds, and time for a compaction.
// A long list is then read faster as a range than by keys.
const tombstonesAreGone = 2 * gcGrace

// slices returns what must be read of a bucket to list the messages from a time
// on, in microseconds.
func (r *ledgerRow) slices(now time.Time, since int64) []Slice {
	whole := BucketSlice(r.bucket)
	if whole.From = max(whole.From, since); whole.From > whole.To {
		return nil
	}
	sealed := r.sealed()
	if sealed == nil {
		return []Slice{whole}
	}
	if now.UnixMicro()-max(whole.To, sealed.until) > tombstonesAreGone.Microseconds() {
		whole.sealed = sealed
		return []Slice{whole}
	}
	return whole.without(sealed)
}

// without returns a slice without the IDs that a seal leaves out.
func (s Slice) without(sealed *seal) (list []Slice) {
	s.sealed = nil
	first, _ := slices.BinarySearchFunc(sealed.ids, s.From, func(id MessageID, from int64) int { return cmp.Compare(id.Timestamp(), from) })
	for ids := range slices.Chunk(sealed.ids[first:], idsAtOnce) {
		list = append(list, Slice{Bucket: s.Bucket, From: ids[0].Timestamp(), To: ids[len(ids)-1].Timestamp(), IDs: ids})
	}
	if s.From = max(s.From, sealed.until+1); s.From <= s.To {
		list = append(list, s)
	}
	return list
}
