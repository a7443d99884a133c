package pop3

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// maildrop is what a session sees of a mailbox: the listing at login, packed,
// and the client's marks. Message n of the protocol has index n-1 for the whole
// session.
type maildrop struct {
	ids   texts
	uidls texts // empty: no message has a unique-id other than its ID
	sizes []int64

	unmeasured int    // messages of unknown size
	octets     int64  // of unmarked messages of known size
	marked     []bool // nil: none
	retrieved  []bool // by RETR, if that marks them at QUIT; nil: none
	marks      int

	cut       bool           // the mailbox has more messages than the limit
	ascending bool           // the IDs ascend, so that none comes twice
	settled   bool           // settle was called
	distinct  map[int]string // unique-ids that differ from the listing
}

// texts is a column of strings in one piece of memory.
type texts struct {
	data []byte
	ends []uint32
}

// fits reports whether the column can take text: ends are 32 bits wide.
func (t *texts) fits(text string) bool {
	return uint64(len(t.data))+uint64(len(text)) <= math.MaxUint32
}

func (t *texts) add(text string) {
	t.data = append(t.data, text...)
	t.ends = append(t.ends, uint32(len(t.data)))
}

func (t *texts) at(i int) []byte {
	begin := uint32(0)
	if i > 0 {
		begin = t.ends[i-1]
	}
	return t.data[begin:t.ends[i]]
}

// newMaildrop reads the listing of a mailbox, up to limit messages.
func newMaildrop(ctx context.Context, mb mailbox.Mailbox, limit int) (*maildrop, error) {
	d := &maildrop{ascending: true}
	for m, err := range mb.Messages(ctx) {
		switch {
		case err != nil:
			return nil, err
		case m.ID == "":
			return nil, errors.New("the store lists a message without an ID")
		case netserver.Reached(len(d.sizes), limit) || !d.ids.fits(m.ID) || !d.uidls.fits(m.UIDL):
			d.cut = true
			return d, nil
		}
		d.add(m)
	}
	return d, nil
}

// largestSize is the largest size, in octets, that a store is believed. The sum of
// larger ones could be negative.
const largestSize = 1 << 40

// fewMessages is how many messages a maildrop has room for before it grows.
const fewMessages = 32

func (d *maildrop) add(m mailbox.Message) {
	if d.sizes == nil {
		d.sizes = make([]int64, 0, fewMessages)
		d.ids.ends = make([]uint32, 0, fewMessages)
		d.ids.data = make([]byte, 0, fewMessages*len(m.ID))
	}
	if n := len(d.sizes); n > 0 && d.ascending {
		d.ascending = string(d.ids.at(n-1)) < m.ID
	}
	d.ids.add(m.ID)
	if m.UIDL != "" || len(d.uidls.ends) > 0 {
		for len(d.uidls.ends) < len(d.sizes) {
			d.uidls.add("") // for the messages before, which had none
		}
		d.uidls.add(m.UIDL)
	}
	if m.Size < 0 || m.Size > largestSize {
		m.Size = unknown
		d.unmeasured++
	} else {
		d.octets += m.Size
	}
	d.sizes = append(d.sizes, m.Size)
}

func (d *maildrop) len() int            { return len(d.sizes) }
func (d *maildrop) unmarked() int       { return len(d.sizes) - d.marks }
func (d *maildrop) id(i int) string     { return string(d.ids.at(i)) }
func (d *maildrop) isMarked(i int) bool { return d.marked != nil && d.marked[i] }

// at returns the index of message n, or why there is none: no message has that
// number, or it is marked.
func (d *maildrop) at(n int) (int, error) {
	i := n - 1
	switch {
	case i < 0 || i >= len(d.sizes):
		return 0, impossible("no such message")
	case d.isMarked(i):
		return 0, impossible("message is deleted")
	}
	return i, nil
}

// all yields the indexes of the messages that are not marked.
func (d *maildrop) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range d.sizes {
			if !d.isMarked(i) && !yield(i) {
				return
			}
		}
	}
}

// idsAfter yields the IDs of the unmarked messages after index i.
func (d *maildrop) idsAfter(i int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for j := i + 1; j < len(d.sizes); j++ {
			if !d.isMarked(j) && !yield(d.id(j)) {
				return
			}
		}
	}
}

// setSize sets the size of a message that is not marked.
func (d *maildrop) setSize(i int, octets int64) {
	if d.sizes[i] < 0 {
		d.unmeasured--
	}
	d.octets += octets - max(d.sizes[i], 0)
	d.sizes[i] = octets
}

func (d *maildrop) mark(i int) {
	if d.marked == nil {
		d.marked = make([]bool, len(d.sizes))
	}
	d.marked[i] = true
	d.marks++
	d.octets -= max(d.sizes[i], 0)
}

func (d *maildrop) unmarkAll() {
	for i, marked := range d.marked {
		if marked {
			d.octets += max(d.sizes[i], 0)
		}
	}
	d.marked, d.marks = nil, 0
}

func (d *maildrop) markedIDs() []string {
	ids := make([]string, 0, d.marks)
	for i, marked := range d.marked {
		if marked {
			ids = append(ids, d.id(i))
		}
	}
	return ids
}
