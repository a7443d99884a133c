//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

const proofTrip = 50 * time.Millisecond

// proofs returns how many mailboxes a minute one process proves, which have
// four messages each and lose three of them, with 50 ms between the data
// centres.
func proofs(ctx context.Context, cluster *cassandratest.Cluster, mailboxes int) (perMinute float64, err error) {
	config := cassandra.Config{
		Hosts: cluster.Hosts("dc1"), LocalDC: "dc1", Keyspace: "wanproofs", Timeout: 10 * time.Second,
		Horizon: time.Second, SealAfter: 1, // a look after every removal
	}
	if err := cassandra.Migrate(ctx, config, cassandra.Replication{"dc1": 1, "dc2": 1}); err != nil {
		return 0, err
	}
	config.ReplicationRest = time.Millisecond
	store, err := cassandra.Open(ctx, config, projection.New)
	if err != nil {
		return 0, err
	}
	defer store.Close(ctx)
	library := &library{store: store}
	link := cluster.Link("dc1", "dc2")
	if err := link.SetDelay(0); err != nil {
		return 0, err
	}
	const workers = 16
	user := func(n int) string { return fmt.Sprintf("user%d", n) }
	err = parallel.Each(workers, 4*mailboxes, func(n int) error { return library.deliverTo(ctx, user(n%mailboxes)) })
	if err != nil {
		return 0, err
	}
	time.Sleep(2 * config.Horizon)
	if err := link.SetDelay(proofTrip / 2); err != nil {
		return 0, err
	}
	began := time.Now()
	err = parallel.Each(workers, mailboxes, func(n int) error {
		mb, err := store.Open(ctx, mailbox.Login{User: user(n)})
		if err != nil {
			return err
		}
		defer mb.Close()
		list, err := mailbox.List(ctx, mb)
		if err != nil {
			return err
		}
		return mb.Delete(ctx, []string{list[0].ID, list[1].ID, list[2].ID})
	})
	if err != nil {
		return 0, err
	}
	for store.Stats().Sealed < mailboxes {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if s := store.Stats(); s.ProofsWaiting == 0 && s.ProofsRemembered > 0 {
			return 0, fmt.Errorf("%d proofs have failed", s.ProofsRemembered)
		}
	}
	return float64(mailboxes) / time.Since(began).Minutes(), nil
}
