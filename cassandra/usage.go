package cassandra

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/murmur3"
	"github.com/popcask/popcask/mailbox"
)

// Usage is how much is listed in a mailbox.
type Usage struct {
	User     string // canonical; "" if the ledger does not have it
	Mailbox  MailboxID
	Messages int
	Octets   int64 // of the canonical form
}

// heldUsages is how many mailboxes are added up at the same time, at about 50
// octets each. If there are more, the listings are read several times.
const heldUsages = 1_000_000

// Largest returns the mailboxes with the most octets, no more than most of
// them, the largest first. It reads the listings of all mailboxes, in every
// data centre.
func (s *Store) Largest(ctx context.Context, most int) ([]Usage, error) {
	var largest []Usage
	for next := 0; next < ringParts && most > 0; {
		sums, until, err := s.sumListings(ctx, next)
		if err != nil {
			return nil, fmt.Errorf("cassandra: largest mailboxes: %w", temporary(err))
		}
		for _, sum := range sums {
			largest = append(largest, *sum)
		}
		slices.SortFunc(largest, func(a, b Usage) int {
			return cmp.Or(cmp.Compare(b.Octets, a.Octets), cmp.Compare(b.Messages, a.Messages), slices.Compare(a.Mailbox[:], b.Mailbox[:]))
		})
		largest = slices.Clone(largest[:min(most, len(largest))])
		next = until
	}
	for i := range largest {
		l, err := s.readLedger(ctx, cql.EachQuorum, largest[i].Mailbox)
		if err != nil {
			return nil, fmt.Errorf("cassandra: largest mailboxes: %w", temporary(err))
		}
		largest[i].User = l.user
	}
	return largest, nil
}

// sumListings adds up the listings of the mailboxes whose IDs are in the parts
// of the ring from a part on, as many parts as fit. It returns the part after
// the last.
func (s *Store) sumListings(ctx context.Context, from int) (map[MailboxID]*Usage, int, error) {
	sums, until := make(map[MailboxID]*Usage), ringParts
	partOfMailbox := func(id MailboxID) int { return partOf(murmur3.Token(id[:])) }
	add := func(mailbox MailboxID, size int64) {
		if part := partOfMailbox(mailbox); part < from || part >= until {
			return
		}
		sum := sums[mailbox]
		if sum == nil {
			sum = &Usage{Mailbox: mailbox}
			sums[mailbox] = sum
		}
		sum.Messages++
		sum.Octets += size
		for len(sums) > heldUsages && until > from+1 {
			until = from + (until-from)/2
			for id := range sums {
				if partOfMailbox(id) >= until {
					delete(sums, id)
				}
			}
		}
	}
	for part := range ringParts {
		crowded := new(crowdedTokens)
		for entry, err := range s.listedIn(ctx, partTokens(part), crowded) {
			if err != nil {
				return nil, 0, err
			}
			add(entry.Mailbox, entry.Size)
		}
		if err := s.addCrowded(ctx, crowded, add); err != nil {
			return nil, 0, err
		}
	}
	return sums, until, nil
}

// addCrowded calls add for what is listed in buckets that could not be read as
// a part of the ring.
func (s *Store) addCrowded(ctx context.Context, crowded *crowdedTokens, add func(MailboxID, int64)) error {
	unknown, err := s.eachCrowded(ctx, crowded.take(), func(key bucketKey, read MessageID) error {
		for entry, err := range s.index.List(ctx, cql.EachQuorum, key.mailbox, []Slice{BucketSlice(key.bucket)}) {
			if err != nil {
				return err
			}
			if entry.ID.Compare(read) > 0 {
				add(key.mailbox, entry.Size)
			}
		}
		return nil
	})
	if err == nil && unknown > 0 {
		err = fmt.Errorf("%w: in %d buckets that are in no ledger", cql.ErrTooManyTombstones, unknown)
	}
	return err
}

// Measure returns how much a session of the user would list now.
func (s *Store) Measure(ctx context.Context, user string) (Usage, error) {
	mb, err := s.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return Usage{}, err
	}
	defer mb.Close()
	usage, _, err := s.usageOf(ctx, user, mb)
	return usage, err
}

// Empty removes all messages that a session of the user would list now, as a
// session removes them, and returns how much that was. Mail that is delivered
// meanwhile stays.
func (s *Store) Empty(ctx context.Context, user string) (removed Usage, err error) {
	mb, err := s.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return removed, err
	}
	defer mb.Close()
	removed, ids, err := s.usageOf(ctx, user, mb)
	if err == nil && len(ids) > 0 {
		err = mb.Delete(ctx, ids)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("cassandra: empty the mailbox of %q: %w", user, err)
	}
	return removed, nil
}

// usageOf lists a mailbox through a session of the user.
func (s *Store) usageOf(ctx context.Context, user string, mb mailbox.Mailbox) (usage Usage, ids []string, err error) {
	usage.Mailbox, usage.User, err = s.Mailbox(user)
	if err != nil {
		return usage, nil, err
	}
	for message, err := range mb.Messages(ctx) {
		if err != nil {
			return usage, nil, err
		}
		usage.Messages++
		usage.Octets += message.Size
		ids = append(ids, message.ID)
	}
	return usage, ids, nil
}
