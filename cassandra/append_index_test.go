package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P1: if the index fails, the sender gets a temporary error, nothing of the
// attempt is listed, and the sender's retry is listed exactly once.
func TestP1AnIndexThatFails(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 32 << 10
	tables := storetest.TablesOf(t, cluster, config)
	store, index := newFaultyStore(t, config)
	for _, fault := range indexFaults() {
		for size, message := range map[string]string{"small": storetest.Body(7), "chunked": storetest.BigBody(7, 200<<10)} {
			t.Run(fault.name+"/"+size, func(t *testing.T) {
				user := fmt.Sprintf("%s-%s@example.org", strings.ReplaceAll(fault.name, " ", "-"), size)
				contents := tables.Contents()
				ctx := t.Context()
				if fault.patience > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, fault.patience)
					defer cancel()
				}
				index.hurt(fault.added, fault.removed)
				m, err := storetest.TryDeliver(ctx, store, user, message)
				index.heal()
				if err == nil { // the store itself tried again: just as good
					require.Equal(t, "it fails once", fault.name)
				} else {
					require.ErrorIs(t, err, mailbox.ErrTemporary)
					require.Empty(t, m.ID)
					storetest.Eventually(t, "nothing of the attempt is listed, or left", func() bool {
						return len(storetest.List(t, store, user)) == 0 &&
							tables.Members(store, user, bucketNow(t, store)) == 0 && tables.Contents() == contents
					})
					storetest.Deliver(t, store, user, message)
				}
				storetest.Holds(t, store, user, message)
				storetest.Consistent(t, config, user)
			})
		}
	}
}

// indexFault is a way in which an index fails.
type indexFault struct {
	name     string
	added    func(ctx context.Context, m cassandra.MailboxID, goOn func() error) error
	removed  func(ctx context.Context, goOn func() error) error
	patience time.Duration // how long the sender waits; 0: forever
}

func indexFaults() []indexFault {
	type hook = func(ctx context.Context, goOn func() error) error
	added := func(h hook) func(context.Context, cassandra.MailboxID, func() error) error {
		return func(ctx context.Context, _ cassandra.MailboxID, goOn func() error) error { return h(ctx, goOn) }
	}
	refuse := func(context.Context, func() error) error { return errFault }
	writeAndFail := func(_ context.Context, goOn func() error) error { return errors.Join(goOn(), errFault) }
	hang := func(ctx context.Context, _ func() error) error { <-ctx.Done(); return ctx.Err() }
	once := func() hook {
		failed := false
		return func(_ context.Context, goOn func() error) error {
			if !failed {
				failed = true
				return errFault
			}
			return goOn()
		}
	}
	return []indexFault{
		{name: "it refuses", added: added(refuse)},
		{name: "it lists and says that it failed", added: added(writeAndFail)},
		{name: "it hangs", added: added(hang), patience: 300 * time.Millisecond},
		{name: "it fails once", added: added(once())},
		{name: "it fails and does not take back", added: added(writeAndFail), removed: refuse},
		{name: "it fails and takes back at the second time", added: added(writeAndFail), removed: once()},
	}
}
