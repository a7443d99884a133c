package cassandra_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/projection"
)

// errFault is the error of faults that a test makes.
var errFault = errors.New("a fault of the test")

// faultyIndex is an index with faults. A hook runs in place of a call, and may
// make the call by goOn. A nil hook makes it.
type faultyIndex struct {
	cassandra.Index

	mu      sync.Mutex
	added   func(ctx context.Context, m cassandra.MailboxID, goOn func() error) error
	restore func(ctx context.Context, goOn func() error) error
	removed func(ctx context.Context, goOn func() error) error
}

// hurt sets the hooks of Added and Removed.
func (f *faultyIndex) hurt(added func(ctx context.Context, m cassandra.MailboxID, goOn func() error) error, removed func(ctx context.Context, goOn func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.added, f.removed = added, removed
}

func (f *faultyIndex) heal() { f.hurt(nil, nil) }

func (f *faultyIndex) Added(ctx context.Context, m cassandra.MailboxID, e cassandra.Entry) error {
	f.mu.Lock()
	hook := f.added
	f.mu.Unlock()
	goOn := func() error { return f.Index.Added(ctx, m, e) }
	if hook == nil {
		return goOn()
	}
	return hook(ctx, m, goOn)
}

func (f *faultyIndex) Restore(ctx context.Context, m cassandra.MailboxID, e cassandra.Entry) error {
	f.mu.Lock()
	hook := f.restore
	f.mu.Unlock()
	goOn := func() error { return f.Index.Restore(ctx, m, e) }
	if hook == nil {
		return goOn()
	}
	return hook(ctx, goOn)
}

func (f *faultyIndex) Removed(ctx context.Context, m cassandra.MailboxID, ids []cassandra.MessageID) error {
	f.mu.Lock()
	hook := f.removed
	f.mu.Unlock()
	goOn := func() error { return f.Index.Removed(ctx, m, ids) }
	if hook == nil {
		return goOn()
	}
	return hook(ctx, goOn)
}

// newFaultyStore returns a store with a faulty index.
func newFaultyStore(t testing.TB, config cassandra.Config) (*cassandra.Store, *faultyIndex) {
	t.Helper()
	session := storetest.Connect(t, config)
	index := &faultyIndex{Index: projection.New(session)}
	store, err := cassandra.NewStore(session, index)
	require.NoError(t, err)
	t.Cleanup(func() {
		index.heal()
		storetest.CloseStore(t, store)
	})
	return store, index
}

// slowIndex is an index whose Added waits until goOn is closed.
type slowIndex struct {
	cassandra.Index
	goOn chan struct{}
}

func (i slowIndex) Added(ctx context.Context, mailbox cassandra.MailboxID, message cassandra.Entry) error {
	<-i.goOn
	return i.Index.Added(ctx, mailbox, message)
}
