package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/mailbox"
)

// attempt is one attempt to deliver a message to one recipient. Its ID is never
// used again, even if it fails: the tombstones of the failed attempt would hide
// a retry under the same ID.
type attempt struct {
	id      MessageID
	mailbox MailboxID
	bucket  int64
	user    string
	header  []byte // the recipient's own, in canonical form
	uidl    string // foreign; "" for almost all mail
	claimed bool   // a claim of uidl may be written
	sent    bool   // the membership may be written
	digest  *contentDigest
	tries   driver.Budget // for all its statements together
	result  *mailbox.Result

	mu  sync.Mutex
	err error // see fail and failure
}

// fail records why the attempt failed, unless it has failed before or err is
// nil.
func (a *attempt) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

// failure returns why the attempt failed, or nil.
func (a *attempt) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// spareTries is how often all statements of a delivery together are tried again;
// a large message has one try more for each of its chunks. A cluster that fails
// gets no more than three times the statements of a delivery that succeeds:
// those, the other tries, and those that undo it (P8).
const spareTries = 4

// recipientsAtOnce is how many recipients of one delivery are served at the
// same time.
const recipientsAtOnce = 16

// Append implements [mailbox.Appender]. A message of up to 64 KiB is one
// mutation of content; a larger one is written while it arrives, a few chunks
// at the same time. After the content and the membership it writes the index,
// and reads the ledger. A nil Err in a result means that a quorum
// of the local data centre has acknowledged all of it (P1).
func (s *Store) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, fmt.Errorf("cassandra: append: %w", err)
	}
	defer leave()
	if err := s.checkDelivery(ctx, delivery, body); err != nil {
		return nil, fmt.Errorf("cassandra: append: %w", err)
	}
	if err := s.session.checkClock(ctx); err != nil {
		return nil, fmt.Errorf("cassandra: append: %w", temporary(err))
	}
	canonical := mailbox.NewCanonicalReader(body)
	first := make([]byte, smallMessage)
	n, whole, err := fill(canonical, first)
	if err != nil {
		return nil, fmt.Errorf("cassandra: append: read body: %w", err)
	}
	first = first[:n]

	results := make([]mailbox.Result, len(delivery.Recipients))
	attempts := s.prepare(delivery, results)
	if whole {
		eachAttempt(attempts, func(a *attempt) { a.fail(s.addWhole(ctx, a, first)) })
	} else if err := s.addChunked(ctx, attempts, first, canonical); err != nil {
		for _, a := range attempts {
			s.undo(ctx, a)
		}
		return nil, fmt.Errorf("cassandra: append: %w", err)
	}
	eachAttempt(attempts, func(a *attempt) { s.conclude(ctx, a) })
	for _, a := range attempts {
		if a.failure() != nil {
			s.undo(ctx, a)
		}
	}
	return results, nil
}

// fill reads until p is full or the source ends. Unlike [io.ReadFull] it
// returns the [io.ErrUnexpectedEOF] of a source that breaks off as an error,
// not as an end.
func fill(source io.Reader, p []byte) (n int, end bool, err error) {
	for n < len(p) {
		more, err := source.Read(p[n:])
		n += more
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

func (s *Store) checkDelivery(ctx context.Context, delivery mailbox.Delivery, body io.Reader) error {
	switch most := s.config.MaxRecipients; {
	case ctx.Err() != nil:
		return ctx.Err()
	case body == nil:
		return errors.New("no body")
	case len(delivery.Recipients) == 0:
		return errors.New("no recipients")
	case most >= 0 && len(delivery.Recipients) > most:
		return fmt.Errorf("%d recipients, the limit is %d", len(delivery.Recipients), most)
	}
	return nil
}

// prepare makes an attempt for each recipient, or sets the error in its result.
// It is called after the first part of the body has arrived, so that the IDs
// are young even if the sender was slow.
func (s *Store) prepare(delivery mailbox.Delivery, results []mailbox.Result) []*attempt {
	var attempts []*attempt
	taken := make(map[MailboxID]bool)
	for i, recipient := range delivery.Recipients {
		result := &results[i]
		id, user, err := s.Mailbox(recipient.User)
		if err != nil {
			result.Err = fmt.Errorf("cassandra: append: %w", err)
			continue
		}
		header, err := io.ReadAll(mailbox.NewCanonicalReader(bytes.NewReader([]byte(recipient.Header))))
		if err == nil && len(header) > smallMessage {
			err = fmt.Errorf("header of %d octets: %w", len(header), mailbox.ErrTooLarge)
		}
		if err != nil {
			result.Err = fmt.Errorf("cassandra: append for %q: %w", user, err)
			continue
		}
		a := &attempt{mailbox: id, user: user, header: header, result: result, digest: newContentDigest()}
		now := s.config.Now()
		a.id = s.minter.mint(now, s.crowds.width(id, now.UnixMicro()))
		a.bucket = a.id.Bucket()
		a.tries.Add(spareTries)
		if delivery.UIDL != "" && !taken[id] { // only one message of a mailbox can show it
			taken[id] = true
			a.uidl = mailbox.SafeUIDL(delivery.UIDL)
		}
		attempts = append(attempts, a)
	}
	return attempts
}

// eachAttempt calls do for all attempts, several at the same time.
func eachAttempt(attempts []*attempt, do func(*attempt)) {
	if len(attempts) == 1 {
		do(attempts[0])
		return
	}
	window := parallel.NewWindow(recipientsAtOnce)
	for _, a := range attempts {
		window.Run(func() { do(a) })
	}
	window.Wait()
}

// addWhole adds a small message: its content and its membership, at the same
// time.
func (s *Store) addWhole(ctx context.Context, a *attempt, body []byte) error {
	ctx = driver.WithBudget(ctx, &a.tries)
	content := body
	if len(a.header) > 0 {
		content = append(append(make([]byte, 0, len(a.header)+len(body)), a.header...), body...)
	}
	a.digest.Write(content)
	if err := s.checkSize(a); err != nil {
		return err
	}
	if err := s.claimUIDL(ctx, a); err != nil {
		return err
	}
	return parallel.All(
		func() error {
			d := a.digest
			return s.db.Exec(ctx, cql.LocalQuorum, insertWhole, AddedAt(a.id),
				[16]byte(a.id), 0, content, [16]byte(a.mailbox), d.size, 1, d.head(), d.sum())
		},
		func() error { return s.addMember(ctx, a) },
	)
}

func (s *Store) checkSize(a *attempt) error {
	if most := s.config.MaxMessageSize; most >= 0 && a.digest.size > most {
		return fmt.Errorf("%w: more than %d octets", mailbox.ErrTooLarge, most)
	}
	return nil
}

// addMember adds the membership, which decides what is in the mailbox.
func (s *Store) addMember(ctx context.Context, a *attempt) error {
	a.sent = true
	st := insertMember
	values := []any{[16]byte(a.mailbox), a.bucket, [16]byte(a.id), int64(s.config.UID()), s.config.ModSeq(), a.digest.size}
	if a.uidl != "" { // a null would be a tombstone
		st, values = insertMemberForeign, append(values, a.uidl)
	}
	return s.db.Exec(ctx, cql.LocalQuorum, st, AddedAt(a.id), values...)
}

// conclude lists the message and enters its bucket into the ledger, at the same
// time, and sets the result of the attempt. If that is an error, the attempt is
// undone; the sender tries again, and gets another ID.
func (s *Store) conclude(ctx context.Context, a *attempt) {
	ctx = driver.WithBudget(ctx, &a.tries)
	if a.failure() == nil {
		a.fail(parallel.All(
			func() error { return s.index.Added(ctx, a.mailbox, a.entry()) },
			func() error { return s.enterLedger(ctx, a) },
		))
	}
	if s.session.TooOld(a.id) {
		a.fail(ErrTooOld)
	}
	if err := a.failure(); err != nil {
		a.result.Err = fmt.Errorf("cassandra: append for %q: %w", a.user, temporary(err))
		return
	}
	a.result.Message = a.entry().message()
	s.listeners.Notify(mailbox.Event{Kind: mailbox.Added, User: a.user, Messages: []mailbox.Message{a.result.Message}})
}

func (a *attempt) entry() Entry { return Entry{ID: a.id, Size: a.digest.size, UIDL: a.uidl} }

// errClosed says that the messages up to the ID of an attempt were sealed.
var errClosed = errors.New("the delivery took too long: the mailbox takes no message that old any more")
