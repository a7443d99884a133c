package cassandra

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/mailbox"
)

// Config is how to reach a cluster, and how to use it. Hosts, LocalDC and
// Keyspace are required; the zero values of all others are good.
type Config struct {
	// Hosts are some nodes of the local data centre, as host or host:port. The
	// others are found through them. Where nodes may come back at other
	// addresses give names, which are resolved again when none of the nodes
	// answers any more.
	Hosts []string

	// LocalDC is the name of the data centre that this process is in. Only its
	// nodes are spoken to.
	LocalDC string

	// Keyspace is where the tables are; [Migrate] creates it.
	Keyspace string

	// TLS encrypts the connections to the nodes. nil means that they are in
	// the clear.
	TLS *tls.Config

	// Username and Password log in to the nodes. Empty: without.
	Username, Password string

	// ConnectTimeout is what connecting to a node may take. 0 means 5 seconds.
	ConnectTimeout time.Duration

	// Timeout is what one attempt at a statement may take. 0 means 5 seconds.
	Timeout time.Duration

	// Retries is how often a statement is tried again, after pauses that grow
	// from 25 ms to 1 s. The values and the timestamp stay the same. 0 means
	// 3, negative none.
	Retries int

	// Connections is how many connections each node gets. 0 means 2.
	Connections int

	// Cluster changes the settings of the driver: an authenticator of any kind, a
	// dialer, address translation, compression, the port, SSL options. It is
	// called for each session of the driver, before the settings that the store's
	// promises need are made: the filter of the local data centre, the
	// token-aware policy, the timestamps. One that would break a promise is an
	// error of Connect and Migrate that names the field. nil: none.
	Cluster func(*gocql.ClusterConfig)

	// Wrap puts something between the store and the cluster that sees every
	// statement, for traces or for tests that make some of them fail. What it
	// changes breaks the store's promises. nil: nothing.
	Wrap func(cql.DB) cql.DB

	// Bucket is the width of a bucket, the window of time whose messages
	// share a partition of the listing. It is settled for good by [Migrate];
	// for a mailbox that gets more than 100,000 messages in 30 days a smaller
	// one keeps the partitions small. Days are good, hours are not: a mailbox
	// keeps a row for each bucket that ever got mail, and every delivery and
	// every listing reads them all. 0 means what the keyspace says, and 30 days
	// for a new one. It must be whole seconds.
	Bucket time.Duration

	// MaxMessageSize is the largest message that is taken, in octets; a larger
	// one is [mailbox.ErrTooLarge]. 0 means 64 MiB, negative no limit.
	MaxMessageSize int64

	// MaxRecipients is the most recipients of one delivery. 0 means 1000,
	// negative no limit.
	MaxRecipients int

	// ChunkSize is how much of a large message one row holds, in octets. 0
	// means 128 KiB; 256 KiB is the most.
	ChunkSize int

	// Window is how many chunks of one message are on their way at a time: a
	// message of any size costs ChunkSize times Window of memory. 0 means 4.
	Window int

	// Horizon is H: how far apart the clocks of two hosts may be, and how long
	// a delivery may take, before it is refused where a range of ids was
	// closed meanwhile. No mail is lost where it is too small. 0 means an
	// hour.
	Horizon time.Duration

	// GapInterval is how much time must lie between Horizon ago and where the
	// last look for what is empty in a mailbox ended, before a session that
	// removed something has the range in between looked through. 0 means an
	// hour, negative never: opening a mailbox then costs the more, the more mail
	// was removed from it within gc_grace_seconds.
	GapInterval time.Duration

	// ReplicationRest is how long after a change of the keyspace's replication
	// no range is recorded as empty, and no repair removes what it misses the
	// rest of: replicas that are new know nothing until the cluster was
	// repaired. 0 means 7 days.
	ReplicationRest time.Duration

	// PurgeQueue is how many removed messages may wait for the deletion of
	// their content. When it is full, QUIT waits. 0 means 10,000.
	PurgeQueue int

	// PurgeWorkers is how many messages are purged at a time. 0 means 4.
	PurgeWorkers int

	// Canonical makes user names canonical, for Open and Append alike. nil
	// means [mailbox.CanonicalUser]. Set CanonicalName with it.
	Canonical func(user string) (string, error)

	// CanonicalName names Canonical in the keyspace's settings, so that two
	// hosts with different ones notice. "" means "lower-nfc".
	CanonicalName string

	// Generation tells which generation of a user's mailbox is the current
	// one, for hosts that let a removed user be created again. nil: always 0.
	Generation func(user string) uint32

	// UID and ModSeq draw what an IMAP server would need of a message: 1 to
	// 2^32-1, and 1 to 2^63-1. nil means at random. Nothing here relies on
	// them: a collision does no harm.
	UID    func() uint32
	ModSeq func() int64

	// Now is the clock. nil means [time.Now].
	Now func() time.Time

	// Observer hears of every attempt at a statement. It may be nil, is called
	// from several goroutines, and must not block.
	Observer func(Observation)

	// OnError hears of what goes wrong behind the sessions: a purge that will
	// be tried again, a listener that failed, a repair, nodes that are lost and
	// not found again yet. It may be nil, and must neither block nor close the
	// store or the session, which wait for it.
	OnError func(error)
}

// Observation describes one attempt at a statement or a batch, without its
// values.
type Observation = cql.Observation

const (
	defaultBucket        = 30 * 24 * time.Hour
	defaultCanonicalName = "lower-nfc"
	gcGrace              = 864000 * time.Second // as in schema.cql
	smallMessage         = 64 << 10             // octets: chunk 0 of a message, the whole of a small one
	maxChunkSize         = 256 << 10
)

// check finds numbers that mean nothing.
func (c Config) check() error {
	if c.ChunkSize < 0 || c.ChunkSize > maxChunkSize {
		return fmt.Errorf("Config.ChunkSize is %d octets: want 1 to %d, or 0 for the default", c.ChunkSize, maxChunkSize)
	}
	if c.Connections < 0 {
		return fmt.Errorf("Config.Connections is %d: want a positive number, or 0 for the default", c.Connections)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Config.ConnectTimeout", c.ConnectTimeout}, {"Config.Timeout", c.Timeout}, {"Config.Horizon", c.Horizon}} {
		if d.value < 0 {
			return fmt.Errorf("%s is %s: want a positive time, or 0 for the default", d.name, d.value)
		}
	}
	return nil
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	c.Keyspace = strings.ToLower(c.Keyspace) // as CQL does, without quotes
	c.MaxMessageSize = cmp.Or(c.MaxMessageSize, mailbox.DefaultMaxMessageSize)
	c.MaxRecipients = cmp.Or(c.MaxRecipients, 1000)
	c.ChunkSize = cmp.Or(c.ChunkSize, 128<<10)
	c.Window = cmp.Or(c.Window, 4)
	c.Horizon = cmp.Or(c.Horizon, time.Hour)
	c.GapInterval = cmp.Or(c.GapInterval, time.Hour)
	c.ReplicationRest = cmp.Or(c.ReplicationRest, 7*24*time.Hour)
	c.PurgeQueue = cmp.Or(c.PurgeQueue, 10_000)
	c.PurgeWorkers = cmp.Or(c.PurgeWorkers, 4)
	c.CanonicalName = cmp.Or(c.CanonicalName, defaultCanonicalName)
	if c.Canonical == nil {
		c.Canonical = mailbox.CanonicalUser
	}
	if c.Generation == nil {
		c.Generation = func(string) uint32 { return 0 }
	}
	if c.UID == nil {
		c.UID = randomUID
	}
	if c.ModSeq == nil {
		c.ModSeq = randomModSeq
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	return c
}

func (c Config) driver() driver.Config {
	return driver.Config{
		Hosts: c.Hosts, LocalDC: c.LocalDC, Keyspace: c.Keyspace,
		TLS: c.TLS, Username: c.Username, Password: c.Password,
		ConnectTimeout: c.ConnectTimeout, Timeout: c.Timeout,
		Retries: c.Retries, Connections: c.Connections, Cluster: c.Cluster,
		Observe: c.Observer,
		OnError: func(err error) { c.OnError(fmt.Errorf("cassandra: %w", err)) },
	}
}

// randomUID draws from 1 to 2^32-1, the UIDs that IMAP allows (RFC 9051 section
// 2.3.1.1).
func randomUID() uint32 { return 1 + rand.Uint32N(math.MaxUint32) }

// randomModSeq draws from 1 to 2^63-1 (RFC 7162 section 3.1).
func randomModSeq() int64 { return 1 + rand.Int64N(math.MaxInt64) }
