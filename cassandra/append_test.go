package cassandra_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// Messages that all have the same UID and MODSEQ do no harm.
func TestConstantUIDsDoNoHarm(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t)
	config.UID = func() uint32 { return 7 }
	config.ModSeq = func() int64 { return 7 }
	store := storetest.NewStore(t, config)
	var want []string
	for i := range 10 {
		want = append(want, storetest.Deliver(t, store, "bob", storetest.Body(i)).ID)
	}
	mb := storetest.Open(t, store, "bob")
	listed, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.Equal(t, want, storetest.IDs(listed))
	for i, m := range listed {
		text, err := storetest.Read(t.Context(), mb, m.ID)
		require.NoError(t, err)
		require.Equal(t, storetest.Body(i), text)
	}
	require.NoError(t, mb.Delete(t.Context(), want[:5]))
	require.Equal(t, want[5:], storetest.ListIDs(t, store, "bob"))
}

// A delivery that takes longer than half of gc_grace_seconds is refused, and
// leaves nothing.
func TestDeliveryOlderThanHalfOfGCGraceIsRefused(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	clock := newClock(time.Now())
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	slow := &slowBody{Reader: strings.NewReader(strings.Repeat("a line of a large message\r\n", 10_000)),
		at: 150_000, do: func() { clock.set(clock.Now().Add(6 * 24 * time.Hour)) }}
	_, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), slow)
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.ErrorIs(t, err, cassandra.ErrTooOld)
	requireEmpty(t, cluster, config, store, "bob")
}

// P1: a host whose clock is more than half a horizon behind those of the nodes
// takes no mail, since replicas that are newer than a fence would not refuse it;
// nor does one whose clock is set back during a delivery. When the clock is
// right, it takes mail at once.
func TestP1AHostThatIsBehindTakesNoMail(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var off atomic.Int64 // of the clock
	config.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	store := storetest.NewStore(t, config)
	set := func(d time.Duration) { off.Store(int64(d)) }
	refused := func(body io.Reader) {
		t.Helper()
		result, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), body)
		require.ErrorIs(t, err, mailbox.ErrTemporary, result)
		require.ErrorContains(t, err, "behind those of the nodes: it takes no mail until its clock is right")
	}
	set(-2 * time.Hour)
	refused(strings.NewReader(storetest.Body(1)))
	requireEmpty(t, cluster, config, store, "bob")
	want := 0
	for _, d := range []time.Duration{0, -20 * time.Minute, 10 * time.Hour} {
		set(d)
		storetest.Deliver(t, store, "bob", storetest.Body(1))
		want++
	}
	set(0)
	refused(&slowBody{Reader: strings.NewReader(strings.Repeat("a line of a large message\r\n", 10_000)),
		at: 150_000, do: func() { set(-40 * time.Minute) }})
	refused(strings.NewReader(storetest.Body(2)))
	set(0)
	storetest.Deliver(t, store, "bob", storetest.Body(3))
	require.Len(t, storetest.List(t, store, "bob"), want+1)
}

// slowBody calls do when at octets of it were read.
type slowBody struct {
	io.Reader
	at   int
	do   func()
	read int
}

func (s *slowBody) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 1000)])
	if s.read += n; s.do != nil && s.read >= s.at {
		s.do()
		s.do = nil
	}
	return n, err
}

// P2: fifty recipients at once, of a small message and of a large one, each
// with a header of another length; one of them is impossible. Each gets its own
// octets.
func TestP2FiftyRecipients(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	raw := cluster.Session(t, "")
	for _, body := range []string{"Subject: all\r\n\r\nsmall\r\n", "Subject: all\r\n\r\n" + strings.Repeat("large and larger\r\n", 20_000)} {
		var delivery mailbox.Delivery
		for i := range 50 {
			r := mailbox.Recipient{User: fmt.Sprintf("User%d", i)}
			if i > 0 {
				r.Header = "Delivered-To: " + strings.Repeat("u", i*i) + "\r\n"
			}
			delivery.Recipients = append(delivery.Recipients, r)
		}
		delivery.Recipients[17].User = "" // no user has that name
		results, err := store.Append(t.Context(), delivery, strings.NewReader(body))
		require.NoError(t, err)
		require.Len(t, results, 50)
		for i, result := range results {
			if i == 17 {
				require.ErrorIs(t, result.Err, mailbox.ErrNoSuchUser)
				continue
			}
			require.NoError(t, result.Err)
			text := delivery.Recipients[i].Header + body
			require.Equal(t, int64(len(text)), result.Size)
			if i%7 == 0 {
				got, err := storetest.Read(t.Context(), storetest.Open(t, store, fmt.Sprintf("user%d", i)), result.ID)
				require.NoError(t, err)
				require.True(t, text == got, "recipient %d", i)
				requireRow(t, raw, config.Keyspace, result.ID, text, strings.Index(text, "\r\n\r\n")+4)
			}
		}
	}
}

// P1: each recipient of a delivery has a result of its own.
func TestP1TwoRecipientsOfWhichOneFails(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize, config.MaxMessageSize = 32<<10, 200<<10
	store, index := newFaultyStore(t, config)
	const good, bad, long = "good@example.org", "bad@example.org", "long@example.org"
	badID, _, err := store.Mailbox(bad)
	require.NoError(t, err)
	index.hurt(func(_ context.Context, m cassandra.MailboxID, goOn func() error) error {
		if m == badID {
			return errFault
		}
		return goOn()
	}, nil)

	small, big := storetest.Body(1), storetest.BigBody(1, 190<<10)
	padding := "X-Padding: " + strings.Repeat("x", 20<<10) + "\r\n"
	for _, message := range []string{small, big} {
		results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{
			{User: good}, {User: bad}, {User: "nobody\x00"}, {User: long, Header: padding},
		}}, strings.NewReader(message))
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.ErrorIs(t, results[1].Err, mailbox.ErrTemporary)
		require.ErrorIs(t, results[2].Err, mailbox.ErrNoSuchUser)
		if message == small {
			require.NoError(t, results[3].Err)
		} else { // with its own header it is too large, which is final
			require.ErrorIs(t, results[3].Err, mailbox.ErrTooLarge)
			require.NotErrorIs(t, results[3].Err, mailbox.ErrTemporary)
		}
	}
	storetest.Holds(t, store, good, small, big)
	storetest.Holds(t, store, bad)
	storetest.Holds(t, store, long, padding+small)
	index.heal()
	storetest.Deliver(t, store, bad, big)
	storetest.Holds(t, store, bad, big)
	storetest.Consistent(t, config, good, bad, long)
}
