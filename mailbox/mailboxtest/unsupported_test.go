package mailboxtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// strictly returns an error if a message is not one that every store takes.
func strictly(_ mailbox.Delivery, octets string) error {
	if strings.ContainsFunc(octets, func(r rune) bool { return r >= 0x7f || r < ' ' && r != '\r' && r != '\n' }) {
		return errors.New("octets that are not printable ASCII")
	}
	if plain := strings.ReplaceAll(octets, "\r\n", ""); strings.ContainsAny(plain, "\r\n") || !strings.HasSuffix(octets, "\r\n") {
		return errors.New("line ends other than CRLF")
	}
	for line := range strings.Lines(octets) {
		if len(line) >= 78 {
			return fmt.Errorf("a line of %d octets", len(line))
		}
	}
	header, body, found := strings.Cut(octets, "\r\n\r\n")
	if !found || body == "" {
		return errors.New("a message without a body")
	}
	if len(header) > 1000 {
		return fmt.Errorf("a header of %d octets", len(header))
	}
	message, err := netmail.ReadMessage(strings.NewReader(octets))
	if err != nil {
		return err
	}
	for _, field := range []string{"From", "Date", "Subject", "Message-Id"} {
		if len(message.Header[field]) != 1 {
			return fmt.Errorf("a header without %s: %q", field, header)
		}
	}
	_, addressErr := message.Header.AddressList("From")
	_, dateErr := message.Header.Date()
	return errors.Join(addressErr, dateErr)
}

// refusals are the ways in which a store says that it cannot hold a message.
var refusals = map[string]func(cause error) ([]mailbox.Result, error){
	"as a whole": func(error) ([]mailbox.Result, error) { return nil, errors.ErrUnsupported },
	"as a whole, wrapped": func(cause error) ([]mailbox.Result, error) {
		return nil, fmt.Errorf("planted: %w: %w", errors.ErrUnsupported, cause)
	},
	"for each recipient": func(cause error) ([]mailbox.Result, error) {
		return []mailbox.Result{{Err: fmt.Errorf("planted: %w: %w", errors.ErrUnsupported, cause)}}, nil
	},
}

// refusing makes a store refuse what can says it cannot hold, before and after a
// restart.
func refusing(p *planted, can func(delivery mailbox.Delivery, octets string) error, refuse func(cause error) ([]mailbox.Result, error)) {
	p.onReopen = func() mailbox.Store {
		again := &planted{Store: p.Store}
		refusing(again, can, refuse)
		return again
	}
	p.onAppend = func(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
		if err := p.sick(); err != nil {
			return nil, err
		}
		octets, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		if err := can(delivery, string(octets)); err != nil {
			return refuse(err)
		}
		return p.Store.Append(ctx, delivery, strings.NewReader(string(octets)))
	}
}

// A store that takes nothing but simple mail passes every check: the texts that
// the kit uses where the octets do not matter are such mail. Of the others, each
// kind is named.
func TestTheStrictStorePasses(t *testing.T) {
	for _, c := range checks {
		recordStrict(t, c, refusals["as a whole"])
	}
}

// A store may say in several ways that it cannot hold a message.
func TestEveryPeculiarKindMayBeRefused(t *testing.T) {
	for way, refuse := range refusals {
		t.Run(way, func(t *testing.T) {
			r := recordStrict(t, checkNamed("Octets"), refuse)
			require.Len(t, r.skipped, len(peculiarForms()))
		})
	}
}

// recordStrict runs a check on a store that takes nothing but simple mail. It
// must pass, and skip only messages.
func recordStrict(t *testing.T, c check, refuse func(error) ([]mailbox.Result, error)) *recorder {
	r := record(t, c, func(t testing.TB) Harness {
		p := newPlanted()
		refusing(p, strictly, refuse)
		return p.harness(t, 30*time.Second)
	})
	require.Empty(t, r.failures, c.name)
	require.Empty(t, r.skips, "%s is skipped as a whole", c.name)
	for _, reason := range r.skipped {
		require.True(t, strings.HasPrefix(reason, c.name+": the delivery of a message with "), reason)
		require.Contains(t, reason, errors.ErrUnsupported.Error())
		require.NotContains(t, reason, "\n")
	}
	return r
}

// A kind that the store cannot hold does not hide what is wrong with others.
func TestTheOtherKindsAreStillChecked(t *testing.T) {
	noEmpty := func(_ mailbox.Delivery, octets string) error {
		if octets == "" {
			return errors.New("an empty message")
		}
		return nil
	}
	r := record(t, checkNamed("Octets"), func(t testing.TB) Harness {
		p := newPlanted()
		rewrite(p, func(octets []byte) []byte { head, _, _ := strings.Cut(string(octets), "\x00"); return []byte(head) })
		refusing(p, noEmpty, refusals["as a whole"])
		return p.harness(t, 30*time.Second)
	})
	require.Len(t, r.skipped, 1)
	require.Contains(t, r.skipped[0], "no octets at all")
	require.Len(t, r.failures, 1)
	require.Contains(t, r.failures[0], "NUL octets")
}

// A store that calls everything unsupported does not pass as one that is checked.
func TestTheStoreThatTakesNothingFails(t *testing.T) {
	nothing := func(mailbox.Delivery, string) error { return errors.New("this store takes no mail") }
	harnesses := map[string]func(t testing.TB) Harness{
		"Deliver": func(t testing.TB) Harness {
			h := minimal(t)
			h.Deliver = func(context.Context, string, io.Reader) error { return errors.ErrUnsupported }
			return h
		},
	}
	for way, refuse := range refusals {
		harnesses["Append "+way] = func(t testing.TB) Harness {
			p := newPlanted()
			refusing(p, nothing, refuse)
			return p.harness(t, 30*time.Second)
		}
	}
	needNoMail := []string{"EmptyMailbox", "ImpossibleNames", "CancelledAppend"}
	for way, harness := range harnesses {
		t.Run(way, func(t *testing.T) {
			for _, c := range checks {
				r := record(t, c, harness)
				if len(r.skips) > 0 || slices.Contains(needNoMail, c.name) {
					continue
				}
				require.NotEmpty(t, r.failures, c.name)
				require.Contains(t, r.failures[0], string(ruleOrdinary), c.name)
			}
		})
	}
}

// A store may be unable to do more than deliver one message to one user. What
// needs more is skipped.
func TestTheStoreWithoutExtrasPasses(t *testing.T) {
	noExtras := func(delivery mailbox.Delivery, _ string) error {
		if len(delivery.Recipients) > 1 || delivery.Recipients[0].Header != "" || delivery.UIDL != "" {
			return errors.New("more than one message for one user")
		}
		return nil
	}
	var skipped []string
	for _, c := range checks {
		r := record(t, c, func(t testing.TB) Harness {
			p := newPlanted()
			refusing(p, noExtras, refusals["as a whole"])
			return p.harness(t, 30*time.Second)
		})
		require.Empty(t, r.failures, c.name)
		skipped = append(skipped, r.skipped...)
	}
	require.Equal(t, []string{
		"ForeignUIDL: a delivery with a foreign UIDL: unsupported operation",
		"ForeignUIDLTwice: a delivery with a foreign UIDL: unsupported operation",
		"ForeignUIDLPerMailbox: a delivery with 2 recipients and a foreign UIDL: unsupported operation",
		"SeveralRecipients: a delivery with 3 recipients and a recipient's own header: unsupported operation",
		"SameRecipientTwice: a delivery with 2 recipients and a recipient's own header: unsupported operation",
		"RecipientsFailOnTheirOwn: a delivery with 4 recipients: unsupported operation",
		"ReopenForgetsNoUIDL: a delivery with a foreign UIDL: unsupported operation",
	}, skipped)
}
