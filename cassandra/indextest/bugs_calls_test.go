package indextest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/popcask/popcask/cassandra"
)

// lastWins makes an index for which the last call counts, as if each wrote with
// the time of its own clock.
func lastWins(p *planted) {
	p.onRestore = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
		return p.change(ctx, mailbox, e.ID, func(r *row) {
			r.take(e)
			r.removed = false
		})
	}
	p.onAdded = p.onRestore
	p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
		for _, id := range ids {
			if err := p.change(ctx, mailbox, id, func(r *row) { r.removed = true }); err != nil {
				return err
			}
		}
		return nil
	}
}

func callBugs() []bug {
	return []bug{
		{"EntriesAreKept", "sizes of 32 bits", ruleAdded, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				e.Size = int64(int32(e.Size))
				return p.added(ctx, mailbox, e)
			}
		}},
		{"EntriesAreKept", "foreign unique-ids are not kept", ruleAdded, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				e.UIDL = ""
				return p.added(ctx, mailbox, e)
			}
		}},
		{"EntriesAreKept", "Restore forgets the unique-id", ruleAdded, func(p *planted) {
			p.onRestore = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				e.UIDL = ""
				return p.restore(ctx, mailbox, e)
			}
		}},
		{"EntriesAreKept", "one entry for each unique-id", ruleAdded, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				for _, l := range p.of(mailbox) {
					if e.UIDL != "" && l.UIDL == e.UIDL {
						return nil
					}
				}
				return p.added(ctx, mailbox, e)
			}
		}},
		{"EntriesAreKept", "added twice is an error", ruleAdded, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				if slices.ContainsFunc(p.of(mailbox), func(l cassandra.Listed) bool { return l.ID == e.ID }) {
					return errors.New("it is there")
				}
				return p.added(ctx, mailbox, e)
			}
		}},
		{"MailboxesAreApart", "messages are removed by their IDs alone", ruleMailbox, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				for other := range p.rows {
					if err := p.removed(ctx, other, ids); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{"RemovedFromSeveralBuckets", "the first hundred alone", ruleRemoved, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				return p.removed(ctx, mailbox, ids[:min(len(ids), 100)])
			}
		}},
		{"RemovedFromSeveralBuckets", "the bucket of the first one alone", ruleRemoved, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				return p.removed(ctx, mailbox, slices.DeleteFunc(slices.Clone(ids), func(id cassandra.MessageID) bool {
					return id.Bucket() != ids[0].Bucket()
				}))
			}
		}},
		{"RemovedFromSeveralBuckets", "the range from the first to the last", ruleRemoved, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				first, last := slices.MinFunc(ids, cassandra.MessageID.Compare), slices.MaxFunc(ids, cassandra.MessageID.Compare)
				for _, l := range p.of(mailbox) {
					if l.ID.Compare(first) >= 0 && l.ID.Compare(last) <= 0 {
						ids = append(ids, l.ID)
					}
				}
				return p.removed(ctx, mailbox, ids)
			}
		}},
		{"CallsInEveryOrder", "the last call wins", ruleForever, lastWins},
		{"CallsInEveryOrder", "what is not there is not removed", ruleForever, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				for _, l := range p.of(mailbox) {
					if slices.Contains(ids, l.ID) {
						if err := p.removed(ctx, mailbox, []cassandra.MessageID{l.ID}); err != nil {
							return err
						}
					}
				}
				return nil
			}
		}},
		{"CallsInEveryOrder", "Restore brings back what was removed", ruleForever, func(p *planted) {
			p.onRestore = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				return p.change(ctx, mailbox, e.ID, func(r *row) {
					r.take(e)
					r.removed = false
				})
			}
		}},
		{"CallsInEveryOrder", "the tombstone goes with the second removal", ruleForever, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				return p.change(ctx, mailbox, ids[0], func(r *row) {
					if r.removed && !r.added {
						*r = row{Listed: r.Listed}
						return
					}
					r.removed = true
				})
			}
		}},
		{"CallsInEveryOrder", "Restore is for what was added before", ruleCommute, func(p *planted) {
			p.onRestore = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				return p.change(ctx, mailbox, e.ID, func(r *row) { r.Entry = e })
			}
		}},
		{"CallsInEveryOrder", "Renamed is Restore", ruleRenamed, func(p *planted) { p.onRenamed = p.restore }},
		{"CallsInEveryOrder", "Renamed brings back what was removed", ruleForever, func(p *planted) {
			p.onRenamed = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				return p.change(ctx, mailbox, e.ID, func(r *row) { r.Entry, r.added, r.renamed, r.removed = e, true, true, false })
			}
		}},
		{"CallsAtRandom", "a removal of several keeps the first", ruleCommute, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				if len(ids) > 1 {
					ids = ids[1:]
				}
				return p.removed(ctx, mailbox, ids)
			}
		}},
		{"CallsAtRandom", "a removal hits all of its microsecond", ruleCommute, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				for _, l := range p.of(mailbox) {
					if l.ID.Timestamp() == ids[0].Timestamp() {
						ids = append(ids, l.ID)
					}
				}
				return p.removed(ctx, mailbox, ids)
			}
		}},
		{"TooOld", "of any age", ruleTooOld, func(p *planted) { p.onAdded = p.restore }},
		{"TooOld", "another error", ruleTooOld, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				if (clock{}).TooOld(e.ID) {
					return errors.New("too old")
				}
				return p.restore(ctx, mailbox, e)
			}
		}},
		{"TooOld", "listed all the same", ruleTooOld, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				if err := p.restore(ctx, mailbox, e); err != nil {
					return err
				}
				return p.added(ctx, mailbox, e)
			}
		}},
		{"TooOld", "Restore is Added", ruleTooOld, func(p *planted) { p.onRestore = p.added }},
		{"TooOld", "old tombstones are not kept", ruleForever, func(p *planted) {
			p.onRestore = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				if (clock{}).TooOld(e.ID) {
					return p.change(ctx, mailbox, e.ID, func(r *row) {
						r.take(e)
						r.removed = false
					})
				}
				return p.restore(ctx, mailbox, e)
			}
		}},
		{"EndedCalls", "nil, and nothing is done", ruleContext, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				if ctx.Err() != nil {
					return nil
				}
				return p.added(ctx, mailbox, e)
			}
		}},
		{"EndedCalls", "an error that does not say why", ruleContext, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				if err := p.removed(ctx, mailbox, ids); err != nil {
					return fmt.Errorf("remove: %v", err)
				}
				return nil
			}
		}},
		{"EndedCalls", "half a removal, and nil", ruleContext, func(p *planted) {
			p.onRemoved = func(ctx context.Context, mailbox cassandra.MailboxID, ids []cassandra.MessageID) error {
				if ctx.Err() != nil {
					return p.removed(context.WithoutCancel(ctx), mailbox, ids[:1])
				}
				return p.removed(ctx, mailbox, ids)
			}
		}},
		{"ConcurrentCalls", "some calls are lost", ruleParallel, func(p *planted) {
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				if rand.IntN(3) == 0 { // about half of the messages are added, others restored
					return nil
				}
				return p.added(ctx, mailbox, e)
			}
		}},
		{"ConcurrentCalls", "one call at a time, else an error", ruleParallel, func(p *planted) {
			var busy sync.Mutex
			second := make(chan struct{}) // closed when a call has come during another one
			refused := sync.OnceFunc(func() { close(second) })
			p.onAdded = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				if !busy.TryLock() {
					refused()
					return errors.New("busy")
				}
				defer busy.Unlock()
				<-second
				return p.added(ctx, mailbox, e)
			}
		}},
		{"ConcurrentCalls", "what was removed comes back for a moment", ruleParallel, func(p *planted) {
			p.onRestore = func(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
				return p.change(ctx, mailbox, e.ID, func(r *row) {
					r.take(e)
					r.removed = false
				})
			}
		}},
	}
}
