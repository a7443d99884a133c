package pop3

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/popcask/popcask/mailbox"
)

// uidl answers UIDL (RFC 1939 section 7), for one message or all.
func (c *Conn) uidl(ctx context.Context, a arguments) error {
	for _, problem := range c.maildrop.settle() {
		c.fault(ctx, problem)
	}
	if a.n > 0 {
		i, err := c.maildrop.at(a.n)
		if err != nil {
			return err
		}
		c.out.strings("+OK ")
		c.writeUIDL(i)
		return nil
	}
	c.out.strings("+OK unique-ids follow\r\n")
	for i := range c.maildrop.all() {
		c.writeUIDL(i)
	}
	c.out.strings(".\r\n")
	return nil
}

func (c *Conn) writeUIDL(i int) {
	c.out.numbers(int64(i + 1))
	c.out.strings(" ")
	c.out.Write(c.maildrop.uidl(i))
	c.out.strings("\r\n")
}

// uidl returns the unique-id of the message at index i. Call settle before.
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

// settle makes the unique-ids legal and distinct, and returns what the store
// did wrong. A legal unique-id stays as it is; an illegal one becomes what
// [mailbox.UIDL] makes of it. Each message that shares one with another gets
// its [mailbox.DistinctUIDL]. All of them get one, not only the second, so that
// a message has the same in every session whatever their order is.
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

// repeated returns the indexes of the messages whose unique-id another message
// has too. It sorts hashes, which need far less memory than a map of the texts.
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
