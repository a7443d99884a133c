package indextest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

// clock stands for the session.
type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) TooOld(id cassandra.MessageID) bool { return time.Since(id.Time()) > 5*24*time.Hour }

// row is what the memory of an index has of a message: an entry that was added,
// or what removes it forever.
type row struct {
	cassandra.Listed
	added, removed, renamed bool
}

func (r *row) take(e cassandra.Entry) {
	if r.renamed {
		e.UIDL = ""
	}
	r.Entry, r.added = e, true
}

// planted is an index in memory, with bugs.
type planted struct {
	bugs
	mu   sync.Mutex
	rows map[cassandra.MailboxID]map[cassandra.MessageID]*row
}

// bugs are functions that stand in the place of calls, or change what a healthy
// listing yields.
type bugs struct {
	onAdded   func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error
	onRestore func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error
	onRenamed func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error
	onRemoved func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error
	onList    func(mailbox cassandra.MailboxID, list []cassandra.Slice) []cassandra.Listed
	onScan    func(after, until int64) []cassandra.Listed
	onBucket  func(id cassandra.MessageID) int64

	onLevel func(level cql.Level, all []cassandra.Listed) []cassandra.Listed
	onYield func(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error]
}

// newPlanted makes one without bugs.
func newPlanted() *planted {
	return &planted{rows: make(map[cassandra.MailboxID]map[cassandra.MessageID]*row)}
}

var _ cassandra.Index = (*planted)(nil)

func (p *planted) Added(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	if p.onAdded != nil {
		return p.onAdded(ctx, mailbox, e)
	}
	return p.added(ctx, mailbox, e)
}

func (p *planted) added(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	if (clock{}).TooOld(e.ID) {
		return fmt.Errorf("add: %w", cassandra.ErrTooOld)
	}
	return p.restore(ctx, mailbox, e)
}

func (p *planted) Restore(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	if p.onRestore != nil {
		return p.onRestore(ctx, mailbox, e)
	}
	return p.restore(ctx, mailbox, e)
}

func (p *planted) restore(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	return p.change(ctx, mailbox, e.ID, func(r *row) { r.take(e) })
}

func (p *planted) Renamed(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	if p.onRenamed != nil {
		return p.onRenamed(ctx, mailbox, e)
	}
	return p.change(ctx, mailbox, e.ID, func(r *row) { r.Entry, r.added, r.renamed = e, true, true })
}

func (p *planted) Removed(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
	if p.onRemoved != nil {
		return p.onRemoved(ctx, mailbox, ids)
	}
	return p.removed(ctx, mailbox, ids)
}

func (p *planted) removed(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
	for _, id := range ids {
		if err := p.change(ctx, mailbox, id, func(r *row) { r.removed = true }); err != nil {
			return err
		}
	}
	return nil
}

// change changes the row of a message.
func (p *planted) change(ctx context.Context, mailbox cassandra.MailboxID, id cassandra.MessageID, do func(*row)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rows[mailbox] == nil {
		p.rows[mailbox] = make(map[cassandra.MessageID]*row)
	}
	r := p.rows[mailbox][id]
	if r == nil {
		r = &row{Listed: cassandra.Listed{Mailbox: mailbox, Bucket: p.bucket(id)}}
		p.rows[mailbox][id] = r
	}
	do(r)
	return nil
}

// bucket is the bucket in which the row of a message is.
func (p *planted) bucket(id cassandra.MessageID) int64 {
	if p.onBucket != nil {
		return p.onBucket(id)
	}
	return id.Bucket()
}

func (p *planted) List(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, list []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return entries(p.yield(ctx, func() []cassandra.Listed {
		all := p.listed(mailbox, list)
		if p.onLevel != nil {
			all = p.onLevel(level, all)
		}
		return all
	}))
}

func (p *planted) Scan(ctx context.Context, after, until int64) iter.Seq2[cassandra.Listed, error] {
	return p.yield(ctx, func() []cassandra.Listed {
		if p.onScan != nil {
			return p.onScan(after, until)
		}
		return p.stretch(after, until)
	})
}

// entries leaves out the mailboxes and the buckets.
func entries(seq iter.Seq2[cassandra.Listed, error]) iter.Seq2[cassandra.Entry, error] {
	return func(yield func(cassandra.Entry, error) bool) {
		seq(func(l cassandra.Listed, err error) bool { return yield(l.Entry, err) })
	}
}

// yield hands on what a listing has, and ends with its context.
func (p *planted) yield(ctx context.Context, list func() []cassandra.Listed) iter.Seq2[cassandra.Listed, error] {
	if p.onYield != nil {
		return p.onYield(ctx, list)
	}
	return func(yield func(cassandra.Listed, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(cassandra.Listed{}, err)
			return
		}
		for _, l := range list() {
			if err := ctx.Err(); err != nil {
				yield(cassandra.Listed{}, err)
				return
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// listed is what is in the slices.
func (p *planted) listed(mailbox cassandra.MailboxID, list []cassandra.Slice) (found []cassandra.Listed) {
	if p.onList != nil {
		return p.onList(mailbox, list)
	}
	all := p.of(mailbox)
	for _, slice := range list {
		found = append(found, in(all, slice)...)
	}
	return found
}

// in is what is in a slice of a mailbox.
func (p *planted) in(mailbox cassandra.MailboxID, slice cassandra.Slice) []cassandra.Listed {
	return in(p.of(mailbox), slice)
}

func in(all []cassandra.Listed, slice cassandra.Slice) (found []cassandra.Listed) {
	for _, l := range all {
		at := l.ID.Timestamp()
		if l.Bucket == slice.Bucket && slice.From <= at && at <= slice.To && (slice.IDs == nil || slices.Contains(slice.IDs, l.ID)) {
			found = append(found, l)
		}
	}
	return found
}

// of is all that is in a mailbox, in the order of the IDs.
func (p *planted) of(mailbox cassandra.MailboxID) (found []cassandra.Listed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rows[mailbox] {
		if r.added && !r.removed {
			found = append(found, r.Listed)
		}
	}
	slices.SortFunc(found, func(a, b cassandra.Listed) int { return a.ID.Compare(b.ID) })
	return found
}

// stretch is all that is in a stretch of the ring, in the order of a scan.
func (p *planted) stretch(after, until int64) (found []cassandra.Listed) {
	p.mu.Lock()
	mailboxes := slices.Collect(maps.Keys(p.rows))
	p.mu.Unlock()
	for _, mailbox := range mailboxes {
		for _, l := range p.of(mailbox) {
			if at := token(l); after < at && at <= until {
				found = append(found, l)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b cassandra.Listed) int { return cmp.Compare(token(a), token(b)) })
	return found
}
