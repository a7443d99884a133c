package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// Append implements [mailbox.Appender]. The body is written once, into tmp of
// the first recipient that can have it; the others get copies of that file. A
// body that is too large for every recipient is read to its end and not kept.
//
// ctx is checked before each read of the body. Recipients that already have
// their message when it ends keep it.
func (s *Store) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	if err := s.begin(); err != nil {
		return nil, failed("append", err)
	}
	defer s.work.Done()
	if len(delivery.Recipients) == 0 {
		return nil, errors.New("maildir: append: no recipients")
	}

	a := appending{store: s, delivery: delivery, body: body}
	defer a.close()
	results := make([]mailbox.Result, len(delivery.Recipients))
	for i, recipient := range delivery.Recipients {
		message, err := a.deliver(ctx, recipient)
		if a.broken != nil {
			return nil, failed("append", a.broken)
		}
		if err != nil {
			err = failed(fmt.Sprintf("append for %q", recipient.User), err)
		}
		results[i] = mailbox.Result{Message: message, Err: err}
	}
	return results, nil
}

// appending is one call of Append.
type appending struct {
	store    *Store
	delivery mailbox.Delivery
	body     io.Reader

	spool  *delivery // has the body; nil until a recipient can have it
	size   int64     // octets of the body
	broken error     // the body cannot be read to its end: Append fails
	failed error     // the body cannot be stored: each recipient fails
}

// deliver stores the message for one recipient.
func (a *appending) deliver(ctx context.Context, recipient mailbox.Recipient) (mailbox.Message, error) {
	user, err := a.store.options.Canonical(recipient.User)
	if err != nil {
		return mailbox.Message{}, err
	}
	if a.failed != nil {
		return mailbox.Message{}, a.failed
	}
	if err := ctx.Err(); err != nil {
		if a.spool == nil {
			a.broken = err
		}
		return mailbox.Message{}, err
	}
	dir, err := a.store.userDir(user)
	if err != nil {
		return mailbox.Message{}, err
	}
	d, err := a.store.newDelivery(dir)
	if err != nil {
		return mailbox.Message{}, err
	}
	if a.spool == nil {
		a.spool = d // closed with a
	} else {
		defer d.close()
	}
	if err := a.write(ctx, d, recipient.Header); err != nil {
		return mailbox.Message{}, err
	}
	if limit := a.store.options.MaxMessageSize; limit > 0 && d.size > limit {
		return mailbox.Message{}, tooLarge(limit)
	}
	message, err := d.publish(ctx, a.delivery.UIDL, a.delivery.Received)
	if err != nil {
		return mailbox.Message{}, err
	}
	a.store.sweep(d.home, d.dir)
	a.store.listeners.Notify(mailbox.Event{Kind: mailbox.Added, User: user, Messages: []mailbox.Message{message}})
	return message, nil
}

// write writes the header and the body to d.
func (a *appending) write(ctx context.Context, d *delivery, header string) error {
	if _, err := io.Copy(d, mailbox.NewCanonicalReader(strings.NewReader(header))); err != nil {
		if d == a.spool {
			a.failed = err
		}
		return err
	}
	if d != a.spool {
		return d.copyFrom(a.spool, a.size)
	}
	start := d.size
	a.readBody(ctx, d)
	a.size = d.size - start
	return errors.Join(a.broken, a.failed)
}

// readBody reads the body to its end, and writes it to d until that fails or the
// body is too large.
func (a *appending) readBody(ctx context.Context, d *delivery) {
	limit := a.store.options.MaxMessageSize
	canonical := mailbox.NewCanonicalReader(a.body)
	buffer := make([]byte, 32<<10)
	for {
		if a.broken = ctx.Err(); a.broken != nil {
			return
		}
		n, err := canonical.Read(buffer)
		if limit > 0 && canonical.Octets() > limit && a.failed == nil {
			a.failed = tooLarge(limit)
		}
		if a.failed == nil {
			_, a.failed = d.Write(buffer[:n])
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			a.broken = fmt.Errorf("read the body: %w", err)
			return
		}
	}
}

func (a *appending) close() {
	if a.spool != nil {
		a.spool.close()
	}
}

func tooLarge(limit int64) error {
	return fmt.Errorf("%w: %d octets are the limit", mailbox.ErrTooLarge, limit)
}
