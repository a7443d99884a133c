package cassandra

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/popcask/popcask/cassandra/cql"
)

// Reads of a range of the ring meet partitions that have more tombstones than a
// node allows. Such a range is read in halves, down to a single token. What is
// at that token is read later, in slices of time, when the ledgers have said
// which bucket it is.

// placed is something that is in a bucket of a mailbox.
type placed struct {
	bucketKey
	id MessageID
}

func (p placed) token() int64 { return Token(p.mailbox, p.bucket) }

// compare orders as the ring does.
func (p placed) compare(other placed) int {
	if p.bucketKey == other.bucketKey { // as almost always, and needs no hash
		return p.id.Compare(other.id)
	}
	return cmp.Or(cmp.Compare(p.token(), other.token()), slices.Compare(p.mailbox[:], other.mailbox[:]), cmp.Compare(p.bucket, other.bucket))
}

// crowdedTokens are the tokens that could not be read to their end, and the last
// of what was read.
type crowdedTokens struct {
	mu sync.Mutex
	at map[int64]placed
}

func (c *crowdedTokens) add(token int64, last placed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = make(map[int64]placed)
	}
	c.at[token] = last
}

func (c *crowdedTokens) has(token int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.at[token]
	return ok
}

// take returns the tokens, and forgets them.
func (c *crowdedTokens) take() map[int64]placed {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at
	c.at = nil
	return at
}

// inRing yields what read yields for a range of the ring, in the order of the
// ring, without what is at tokens that could not be read: those it adds to
// crowded.
func inRing[T any](stretch tokens, crowded *crowdedTokens, place func(T) placed, read func(tokens) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last *placed // that was yielded
		var walk func(tokens) bool
		walk = func(stretch tokens) bool {
			for item, err := range read(stretch) {
				if errors.Is(err, cql.ErrTooManyTombstones) {
					if last != nil && stretch.has(last.token()) {
						stretch.after = last.token() - 1 // perhaps not all of it was read
					}
					middle, ok := stretch.middle()
					if !ok {
						var of placed
						if last != nil {
							of = *last
						}
						crowded.add(stretch.until, of)
						return true
					}
					return walk(tokens{stretch.after, middle}) && walk(tokens{middle, stretch.until})
				}
				if err != nil {
					yield(item, err)
					return false
				}
				at := place(item)
				if last != nil && at.compare(*last) <= 0 {
					continue
				}
				last = &at
				if !yield(item, nil) {
					return false
				}
			}
			return true
		}
		walk(stretch)
	}
}

// placedMember is a membership with its place.
type placedMember struct {
	bucketKey
	memberRow
}

func (m placedMember) placed() placed { return placed{m.bucketKey, m.id} }

// membersIn reads the memberships in a range of the ring, in every data centre.
func (s *Store) membersIn(ctx context.Context, stretch tokens, crowded *crowdedTokens) iter.Seq2[placedMember, error] {
	return inRing(stretch, crowded, placedMember.placed, func(stretch tokens) iter.Seq2[placedMember, error] {
		return rows(ctx, s.db, cql.EachQuorum, selectMembersIn, func(row cql.Row) (m placedMember, err error) {
			var mailbox, id [16]byte
			var size *int64
			err = row.Scan(&mailbox, &m.bucket, &id, &size, &m.removed, &m.uidl, nil, nil)
			m.mailbox, m.id = mailbox, id
			m.setSize(size)
			return m, err
		}, stretch.after, stretch.until)
	})
}

func (l Listed) placed() placed { return placed{bucketKey{l.Mailbox, l.Bucket}, l.ID} }

// listedIn reads the index in a range of the ring, in every data centre.
func (s *Store) listedIn(ctx context.Context, stretch tokens, crowded *crowdedTokens) iter.Seq2[Listed, error] {
	return inRing(stretch, crowded, Listed.placed, func(stretch tokens) iter.Seq2[Listed, error] {
		return s.index.Scan(ctx, stretch.after, stretch.until)
	})
}

// eachCrowded calls do for the buckets at some tokens, with the last message
// that was read of each. It reads the ledgers of all mailboxes, and returns the
// number of tokens at which they have no bucket.
func (s *Store) eachCrowded(ctx context.Context, at map[int64]placed, do func(key bucketKey, read MessageID) error) (unknown int, err error) {
	if len(at) == 0 {
		return 0, nil
	}
	found := make(map[int64]bool)
	for part := range ringParts {
		stretch := partTokens(part)
		keys := rows(ctx, s.db, cql.EachQuorum, selectLedgersIn, func(row cql.Row) (key bucketKey, err error) {
			var mailbox [16]byte
			err = row.Scan(&mailbox, &key.bucket, nil, nil, nil, nil, nil)
			key.mailbox = mailbox
			return key, err
		}, stretch.after, stretch.until)
		for key, err := range keys {
			if err != nil {
				return 0, err
			}
			token := Token(key.mailbox, key.bucket)
			last, ok := at[token]
			if !ok {
				continue
			}
			found[token] = true
			if last.bucketKey != key {
				last.id = MessageID{}
			}
			if err := do(key, last.id); err != nil {
				return 0, err
			}
		}
	}
	return len(at) - len(found), nil
}

// rows reads all rows of a statement, page by page.
func rows[T any](ctx context.Context, db cql.DB, level cql.Level, st *cql.Statement, scan func(cql.Row) (T, error), values ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var state []byte
		for {
			var page []T
			next, err := db.Page(ctx, level, st, state, func(row cql.Row) error {
				item, err := scan(row)
				page = append(page, item)
				return err
			}, values...)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			state = next
		}
	}
}

// pair is a message in the mailbox, in the index, or in both. One of member and
// entry may be nil.
type pair struct {
	placed
	member *memberRow
	entry  *Entry
}

// pairs merges memberships and entries, both in the order of the ring. The
// first error ends the sequence.
func pairs(members iter.Seq2[placedMember, error], entries iter.Seq2[Listed, error]) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		nextMember, stop := iter.Pull2(members)
		defer stop()
		nextEntry, stop := iter.Pull2(entries)
		defer stop()
		m, err, hasMember := nextMember()
		e, err2, hasEntry := nextEntry()
		for hasMember || hasEntry {
			if err := errors.Join(err, err2); err != nil {
				yield(pair{}, err)
				return
			}
			order := 0
			switch {
			case !hasEntry:
				order = -1
			case !hasMember:
				order = 1
			default:
				order = m.placed().compare(e.placed())
			}
			var p pair
			if order >= 0 {
				entry := e.Entry
				p.placed, p.entry = e.placed(), &entry
				e, err2, hasEntry = nextEntry()
			}
			if order <= 0 {
				row := m.memberRow
				p.placed, p.member = m.placed(), &row
				m, err, hasMember = nextMember()
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// groups cuts pairs into groups of one bucket, of no more than groupSize.
func groups(seq iter.Seq2[pair, error]) iter.Seq2[[]pair, error] {
	return func(yield func([]pair, error) bool) {
		var group []pair
		for p, err := range seq {
			if err != nil {
				yield(nil, err)
				return
			}
			if n := len(group); n == groupSize || n > 0 && group[0].bucketKey != p.bucketKey {
				if !yield(group, nil) {
					return
				}
				group = nil
			}
			group = append(group, p)
		}
		if len(group) > 0 {
			yield(group, nil)
		}
	}
}

// groupSize is how many messages of a bucket are compared at a time. It bounds
// the memory that a repair takes.
const groupSize = 500

// bucketPairs reads some slices of a bucket in the mailbox and in the index.
func (s *Store) bucketPairs(ctx context.Context, level cql.Level, key bucketKey, list []Slice) iter.Seq2[pair, error] {
	members := func(yield func(placedMember, error) bool) {
		for m, err := range s.members(ctx, level, key.mailbox, list) {
			if !yield(placedMember{key, m}, err) {
				return
			}
		}
	}
	entries := func(yield func(Listed, error) bool) {
		for e, err := range s.index.List(ctx, level, key.mailbox, list) {
			if !yield(Listed{key.mailbox, key.bucket, e}, err) {
				return
			}
		}
	}
	return pairs(members, entries)
}
