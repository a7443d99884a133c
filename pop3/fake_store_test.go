package pop3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// fakeStore is a store of one mailbox that returns what a test tells it to,
// right or wrong, and records its calls.
type fakeStore struct {
	messages   []mailbox.Message
	bodies     map[string]string // by ID
	storeErr   error             // of Store.Open
	listingErr error             // ends the listing
	openErr    error             // of Mailbox.Open
	deleteErr  error             // of Mailbox.Delete

	// open replaces bodies if it is not nil.
	open func(id string, options mailbox.OpenOptions) (io.ReadCloser, error)

	mu     sync.Mutex
	calls  []string // in order
	logins []mailbox.Login
}

// newFakeStore returns a store with a message of each body and their true
// sizes.
func newFakeStore(bodies ...string) *fakeStore {
	s := &fakeStore{bodies: map[string]string{}}
	for i, body := range bodies {
		octets, err := mailbox.Octets(strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		id := fmt.Sprintf("id-%d", i+1)
		s.bodies[id] = body
		s.messages = append(s.messages, mailbox.Message{ID: id, Size: octets})
	}
	return s
}

func (s *fakeStore) called(format string, arguments ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, arguments...))
}

// history returns the calls so far.
func (s *fakeStore) history() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Open implements mailbox.Store.
func (s *fakeStore) Open(_ context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	s.called("open mailbox")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = append(s.logins, login)
	if s.storeErr != nil {
		return nil, s.storeErr
	}
	return fakeMailbox{s}, nil
}

// Close implements mailbox.Store.
func (s *fakeStore) Close(context.Context) error { return nil }

// fakeMailbox implements mailbox.Mailbox.
type fakeMailbox struct{ *fakeStore }

func (s fakeMailbox) Messages(context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		for _, m := range s.messages {
			if !yield(m, nil) {
				return
			}
		}
		if s.listingErr != nil {
			yield(mailbox.Message{}, s.listingErr)
		}
	}
}

func (s fakeMailbox) Open(_ context.Context, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
	s.called("open %s", id)
	if s.openErr != nil {
		return nil, s.openErr
	}
	if s.fakeStore.open != nil {
		return s.fakeStore.open(id, options)
	}
	return io.NopCloser(strings.NewReader(s.bodies[id])), nil
}

func (s fakeMailbox) Delete(_ context.Context, ids []string) error {
	s.called("delete %s", strings.Join(ids, " "))
	return s.deleteErr
}

func (s fakeMailbox) Close() error {
	s.called("close mailbox")
	return nil
}

// server returns a server of the store that takes any password, without TLS
// too.
func (s *fakeStore) server() *pop3.Server {
	return &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), s), AllowInsecureAuth: true, Brake: pop3.NoBrake}
}

// pieces is a body that is read in pieces and may end with an error.
type pieces struct {
	rest []string
	err  error // nil: io.EOF
}

func (p *pieces) Read(buffer []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, errorOr(p.err, io.EOF)
	}
	n := copy(buffer, p.rest[0])
	if p.rest[0] = p.rest[0][n:]; p.rest[0] == "" {
		p.rest = p.rest[1:]
	}
	return n, nil
}

func (p *pieces) Close() error { return nil }

func errorOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

var errDisk = errors.New("disk\r\n+OK on fire at /var/mail")
