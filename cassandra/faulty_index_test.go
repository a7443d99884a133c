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

// errFault is what goes wrong on purpose.
var errFault = errors.New("a fault of the test")

// faultyIndex is an index that a test hurts: the hooks run in place of a call
// and may go on with it. nil goes on at once.
type faultyIndex struct {
	cassandra.Index

	mu      sync.Mutex
	added   func(ctx context.Context, m cassandra.MailboxID, goOn func() error) error
	restore func(ctx context.Context, goOn func() error) error
	removed func(ctx context.Context, goOn func() error) error
}

// hurt sets what the calls do from now on.
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

// newFaultyStore makes a store with an index that can be hurt.
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

// slowIndex does not list what was added before it may go on.
type slowIndex struct {
	cassandra.Index
	goOn chan struct{}
}

func (i slowIndex) Added(ctx context.Context, mailbox cassandra.MailboxID, message cassandra.Entry) error {
	<-i.goOn
	return i.Index.Added(ctx, mailbox, message)
}
