package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
)

// Body returns a small message, a different one for each n.
func Body(n int) string { return fmt.Sprintf("Subject: %d\r\n\r\nbody %d\r\n", n, n) }

// BigBody returns a message of about n octets that compresses badly, a
// different one for each seed.
func BigBody(seed uint64, n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	line := make([]byte, 76)
	var b strings.Builder
	fmt.Fprintf(&b, "Subject: big %d\r\n\r\n", seed)
	for b.Len() < n {
		random.Read(line)
		for i := range line {
			line[i] = letters[line[i]&63]
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
	return b.String()
}

// Deliver delivers one message to one user.
func Deliver(t testing.TB, store mailbox.Appender, user, body string) mailbox.Message {
	t.Helper()
	m, err := TryDeliver(t.Context(), store, user, body)
	require.NoError(t, err)
	return m
}

// TryDeliver is [Deliver] for a delivery that may fail.
func TryDeliver(ctx context.Context, store mailbox.Appender, user, body string) (mailbox.Message, error) {
	return mailbox.Deliver(ctx, store, mailbox.To(user), strings.NewReader(body))
}

// Import delivers Body(1) with a foreign unique-id.
func Import(ctx context.Context, store mailbox.Appender, uidl string, users ...string) ([]mailbox.Result, error) {
	delivery := mailbox.To(users...)
	delivery.UIDL = uidl
	return store.Append(ctx, delivery, strings.NewReader(Body(1)))
}

// Open opens a session that closes with the test.
func Open(t testing.TB, store mailbox.Store, user string) mailbox.Mailbox {
	t.Helper()
	mb, err := store.Open(t.Context(), mailbox.Login{User: user})
	require.NoError(t, err)
	t.Cleanup(func() { mb.Close() })
	return mb
}

// List lists a mailbox through a session of its own.
func List(t testing.TB, store mailbox.Store, user string) []mailbox.Message {
	t.Helper()
	messages, err := mailbox.List(t.Context(), Open(t, store, user))
	require.NoError(t, err)
	return messages
}

// Read reads a message through a session.
func Read(ctx context.Context, mb mailbox.Mailbox, id string) (string, error) {
	octets, err := mailbox.ReadMessage(ctx, mb, id)
	return string(octets), err
}

// ListIDs lists the IDs of a mailbox through a session of its own.
func ListIDs(t testing.TB, store mailbox.Store, user string) []string {
	t.Helper()
	return IDs(List(t, store, user))
}

// IDs returns the IDs of messages, in their order.
func IDs(messages []mailbox.Message) []string {
	ids := make([]string, 0, len(messages))
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// Remove removes messages through a session, and waits until they are purged.
func Remove(t testing.TB, store *cassandra.Store, user string, ids []string) {
	t.Helper()
	mb := Open(t, store, user)
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.NoError(t, mb.Delete(t.Context(), ids))
	Eventually(t, "the purge", func() bool {
		report, err := store.Verify(t.Context(), user)
		require.NoError(t, err)
		return len(report.Findings) == 0
	})
}
