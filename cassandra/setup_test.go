package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// recorder keeps what an observer hears.
type recorder struct {
	mu   sync.Mutex
	seen []cassandra.Observation
}

func (r *recorder) observe(o cassandra.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, o)
}

// take returns what was heard since the last time.
func (r *recorder) take() []cassandra.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// migrated makes a keyspace with the tables on the shared cluster.
func migrated(t testing.TB, cluster *cassandratest.Cluster) cassandra.Config {
	t.Helper()
	return migratedWith(t, cluster, func(*cassandra.Config) {})
}

// migratedWith is migrated with something in its configuration.
func migratedWith(t testing.TB, cluster *cassandratest.Cluster, change func(*cassandra.Config)) cassandra.Config {
	t.Helper()
	config := cassandra.Config{
		Hosts:    cluster.Hosts(cluster.DCs[0].Name),
		LocalDC:  cluster.DCs[0].Name,
		Keyspace: cluster.KeyspaceName(t),
		Timeout:  10 * time.Second,
	}
	change(&config)
	paxostest.Watch(t, cluster, config.Keyspace)
	replication := make(cassandra.Replication)
	for _, dc := range cluster.DCs {
		replication[dc.Name] = min(3, dc.Nodes)
	}
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	return config
}

// connect connects and closes with the test.
func connect(t testing.TB, config cassandra.Config) *cassandra.Session {
	t.Helper()
	host := config.Observer
	config.Observer = func(o cassandra.Observation) {
		lwt{t}.observe(o)
		if host != nil {
			host(o)
		}
	}
	session, err := cassandra.Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

// newStore makes a store that closes with the test.
func newStore(t testing.TB, config cassandra.Config) *cassandra.Store {
	t.Helper()
	session := connect(t, config)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	t.Cleanup(func() { closeStore(t, store) })
	return store
}

func closeStore(t testing.TB, store *cassandra.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := store.Close(ctx); err != nil {
		t.Errorf("close store: %v", err)
	}
}

// deliver delivers one message to one user.
func deliver(t testing.TB, store mailbox.Appender, user, body string) mailbox.Message {
	t.Helper()
	m, err := tryDeliver(t.Context(), store, user, body)
	require.NoError(t, err)
	return m
}

func tryDeliver(ctx context.Context, store mailbox.Appender, user, body string) (mailbox.Message, error) {
	delivery := mailbox.Delivery{Recipients: []mailbox.Recipient{{User: user}}}
	results, err := store.Append(ctx, delivery, strings.NewReader(body))
	if err != nil {
		return mailbox.Message{}, err
	}
	return results[0].Message, results[0].Err
}

// open opens a session that closes with the test.
func open(t testing.TB, store mailbox.Store, user string) mailbox.Mailbox {
	t.Helper()
	mb, err := store.Open(t.Context(), mailbox.Login{User: user})
	require.NoError(t, err)
	t.Cleanup(func() { mb.Close() })
	return mb
}

// list lists a mailbox through a session of its own.
func list(t testing.TB, store mailbox.Store, user string) []mailbox.Message {
	t.Helper()
	messages, err := tryList(t.Context(), open(t, store, user))
	require.NoError(t, err)
	return messages
}

func tryList(ctx context.Context, mb mailbox.Mailbox) (messages []mailbox.Message, err error) {
	for m, err := range mb.Messages(ctx) {
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// read reads a message through a session.
func read(ctx context.Context, mb mailbox.Mailbox, id string) (string, error) {
	body, err := mb.Open(ctx, id, mailbox.OpenOptions{})
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(body)
	return string(text), errors.Join(err, body.Close())
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 20*time.Millisecond, what)
}

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }

func body(n int) string { return fmt.Sprintf("Subject: %d\r\n\r\nbody %d\r\n", n, n) }
