package pop3

import (
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"math"
	"slices"

	"github.com/popcask/popcask/mailbox"
)

// maildrop is what a session sees of a mailbox: the listing at login, packed,
// and the client's marks. Message n of the protocol is index n-1 here, and
// stays it for the whole session.
type maildrop struct {
	ids   texts
	uidls texts // empty: every message is known by its ID alone
	sizes []int64
	cut   bool // the mailbox has more than the limit allows

	unmeasured int    // messages of unknown size
	octets     int64  // of unmarked messages whose size is known
	marked     []bool // nil: none
	marks      int

	ascending bool           // the IDs rise, so that none comes twice
	settled   bool           // distinct is right
	distinct  map[int]string // unique-ids that are not those of the listing
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

// list reads the listing of a mailbox, at most limit messages of it.
func list(step *step, mb mailbox.Mailbox, limit int) (*maildrop, error) {
	d := &maildrop{ascending: true}
	for m, err := range mb.Messages(step.ctx) {
		switch {
		case err != nil:
			return nil, err
		case m.ID == "":
			return nil, errors.New("the store lists a message without an ID")
		case exceeds(len(d.sizes)+1, limit) || !d.ids.fits(m.ID) || !d.uidls.fits(m.UIDL):
			d.cut = true
			return d, nil
		}
		d.add(m)
	}
	return d, nil
}

// fewMessages is what a maildrop has room for before it grows.
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
			d.uidls.add("") // those before had none
		}
		d.uidls.add(m.UIDL)
	}
	if m.Size < 0 {
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

// at returns the index of message n, which must be there and not marked.
func (d *maildrop) at(n int) (int, error) {
	i := n - 1
	switch {
	case i < 0 || i >= len(d.sizes):
		return 0, mistake("no such message")
	case d.isMarked(i):
		return 0, mistake("message is deleted")
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

// idsAfter yields the IDs of the unmarked messages behind index i.
func (d *maildrop) idsAfter(i int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for j := i + 1; j < len(d.sizes); j++ {
			if !d.isMarked(j) && !yield(d.id(j)) {
				return
			}
		}
	}
}

func (d *maildrop) setSize(i int, octets int64) {
	d.sizes[i] = octets
	d.octets += octets
	d.unmeasured--
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

// uidl is the unique-id of the message at index i, once they are settled.
func (d *maildrop) uidl(i int) []byte {
	if text, ok := d.distinct[i]; ok {
		return []byte(text)
	}
	return d.listedUIDL(i)
}

func (d *maildrop) listedUIDL(i int) []byte {
	if len(d.uidls.ends) > 0 {
		if text := d.uidls.at(i); len(text) > 0 {
			return text
		}
	}
	return d.ids.at(i)
}

// settle makes the unique-ids legal and distinct, and returns what a store did
// wrong. A legal one stays what the store says; so does what [mailbox.UIDL]
// makes of an illegal one. Messages that share one get a
// [mailbox.DistinctUIDL] each, rather than the one that happens to come second:
// which that is may change.
func (d *maildrop) settle() (problems []error) {
	if d.settled {
		return nil
	}
	d.settled = true
	for i := range d.sizes {
		if !mailbox.ValidUIDL(string(d.listedUIDL(i))) {
			if len(d.uidls.ends) > 0 && len(d.uidls.at(i)) > 0 { // an ID may be anything
				problems = append(problems, fmt.Errorf("pop3: message %q has an illegal unique-id, %q", d.id(i), d.uidls.at(i)))
			}
			d.replace(i, mailbox.SafeUIDL(string(d.listedUIDL(i))))
		}
	}
	if d.ascending && len(d.uidls.ends) == 0 && len(d.distinct) == 0 {
		return nil
	}
	for _, i := range d.repeated() {
		m := mailbox.Message{ID: d.id(i), UIDL: string(d.uidl(i))}
		d.replace(i, mailbox.DistinctUIDL(m))
		problems = append(problems, fmt.Errorf("pop3: message %q has the unique-id of another, %q", m.ID, m.UIDL))
	}
	return problems
}

func (d *maildrop) replace(i int, uidl string) {
	if d.distinct == nil {
		d.distinct = make(map[int]string)
	}
	d.distinct[i] = uidl
}

// repeated returns the indexes of the messages whose unique-id is also another
// one's. It sorts hashes, which need far less memory than a map of the texts.
func (d *maildrop) repeated() (indexes []int) {
	seed := maphash.MakeSeed()
	hashes := make([]uint64, len(d.sizes))
	for i := range hashes {
		hashes[i] = maphash.Bytes(seed, d.uidl(i))
	}
	slices.Sort(hashes)
	suspects := make(map[uint64]struct{})
	for i := 1; i < len(hashes); i++ {
		if hashes[i] == hashes[i-1] {
			suspects[hashes[i]] = struct{}{}
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	holders := make(map[string][]int)
	for i := range d.sizes {
		if _, suspect := suspects[maphash.Bytes(seed, d.uidl(i))]; suspect {
			text := string(d.uidl(i))
			holders[text] = append(holders[text], i)
		}
	}
	for _, holder := range holders {
		if len(holder) > 1 {
			indexes = append(indexes, holder...)
		}
	}
	slices.Sort(indexes)
	return indexes
}
