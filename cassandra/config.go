package cassandra

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/mailbox"
)

// Config says how to reach a cluster, and how to use it. Hosts, LocalDC and
// Keyspace are required; the zero value of every other field is a good choice.
type Config struct {
	// Hosts are some nodes of the local data centre, as host or host:port. The
	// other nodes are found through them. If nodes may come back at other
	// addresses, give names: they are resolved again when no node answers any
	// more.
	Hosts []string

	// LocalDC is the name of the data centre that this process is in.
	// Statements go only to its nodes.
	LocalDC string

	// Keyspace is the keyspace of the tables. [Migrate] creates it.
	Keyspace string

	// TLS encrypts the connections to the nodes. nil means no encryption.
	//
	// The certificate of each node must be signed by an authority of RootCAs,
	// and be for ServerName. If that is "", it must be for the node's IP address
	// and, as the first connection is made to a name of Hosts, also for that
	// name. Certificates, or GetClientCertificate, are for nodes that demand a
	// certificate of their clients. If MinVersion is 0, it is TLS 1.2.
	//
	// If it does not fit what a node has, the error is [ErrTLS].
	TLS *tls.Config

	// Username and Password log in to nodes that have PasswordAuthenticator. ""
	// means no login. Without TLS they cross the network in the clear. If a node
	// refuses them, or demands them and there are none, the error is [ErrLogin].
	// For another authenticator see Cluster.
	Username, Password string

	// ConnectTimeout is how long connecting to a node may take. 0 means 5
	// seconds.
	ConnectTimeout time.Duration

	// Timeout is how long one attempt at a statement may take. 0 means 5
	// seconds.
	Timeout time.Duration

	// Retries is how often a statement is tried again, with the same values and
	// the same timestamp, after pauses that grow from 25 ms to 1 s. 0 means 3,
	// negative none.
	Retries int

	// Connections is the number of connections to each node. 0 means 2.
	Connections int

	// Cluster changes the settings of gocql, the driver: an authenticator of
	// any kind, a dialer, address translation, compression, the port, SSL
	// options. It is called before each session of the driver is created, which
	// happens more than once.
	//
	// A setting that would break a promise of the store is an error of
	// [Connect] and [Migrate] that names the field: default timestamps, a
	// consistency level, a retry policy, a host filter or a host selection
	// policy, for example. nil changes nothing.
	Cluster func(*gocql.ClusterConfig)

	// Wrap returns what the store and the index use in place of the DB of the
	// session, which it gets as its argument: a decorator that sees every
	// statement, for traces, or for tests in which statements fail. A decorator
	// that changes a statement breaks the store's promises. nil means none.
	Wrap func(cql.DB) cql.DB

	// BucketMessages is about how many messages of a mailbox share a partition
	// of the listing. A partition is for 30 days; a mailbox that gets more gets
	// partitions of a day, and then of an hour. 0 means 200,000, of about 60
	// octets each.
	BucketMessages int

	// MaxMessageSize is the size of the largest message that is accepted, in
	// octets. For a larger one the error is [mailbox.ErrTooLarge]. 0 means
	// [mailbox.DefaultMaxMessageSize], 64 MiB; negative no limit.
	MaxMessageSize int64

	// MaxRecipients is the largest number of recipients of one delivery. 0
	// means 1000, negative no limit.
	MaxRecipients int

	// ChunkSize is how many octets of a large message one row holds. 0 means
	// 128 KiB; the largest is 256 KiB.
	ChunkSize int

	// Window is how many chunks of one message are written at the same time. A
	// message of any size takes ChunkSize times Window of memory. 0 means 4.
	Window int

	// Horizon is how far apart the clocks of hosts and nodes may be. While those
	// of a host and a node are further apart, the host seals nothing. A host
	// whose clock is more than half of it behind, or 3 minutes if that is
	// more, takes no mail: Append returns [mailbox.ErrTemporary]. So does a
	// delivery that takes longer than that. 0 means an hour.
	//
	// Less than 6 minutes is for tests: then what such a delivery brings can be
	// hidden if the replication was raised and the cluster not repaired since.
	Horizon time.Duration

	// SealAfter is how many messages are removed from a mailbox, on average,
	// before its buckets are sealed: so that a listing reads the messages that
	// stayed by their keys, and not the tombstones of those that went. 0 means
	// 500, negative never: then opening a mailbox costs the more, the more mail
	// was removed from it within gc_grace_seconds.
	SealAfter int

	// ProofWorkers is how many mailboxes are sealed at the same time. A seal
	// needs the answer of every replica, of every data centre. 0 means 8.
	ProofWorkers int

	// ReplicationRest is how long after a change of the keyspace's replication
	// nothing is sealed, and no repair removes a message because parts of it
	// are missing: a new replica knows nothing until the cluster was repaired.
	// 0 means 7 days.
	ReplicationRest time.Duration

	// Expire is how long a message stays, counted from the time in its ID, which
	// is that of its delivery, also if it was imported. A message that is older
	// is in no listing any more. A session that opens a mailbox removes, in the
	// background, the messages of buckets that are too old as a whole: 30 days
	// later at most. [Store.ExpireAll] removes all that are too old, also where
	// no session comes. Give all hosts the same. 0 is for ever; less than
	// Horizon is an error.
	Expire time.Duration

	// PurgeQueue is how many removed messages may wait for the deletion of
	// their content. If the queue is full, QUIT waits. 0 means 10,000.
	PurgeQueue int

	// PurgeWorkers is how many messages are purged at the same time. 0 means 4.
	PurgeWorkers int

	// Canonical returns the canonical form of a user name, for Open and Append
	// alike. nil means [mailbox.CanonicalUser]. Set CanonicalName with it.
	Canonical func(user string) (string, error)

	// CanonicalName is the name of Canonical in the keyspace's settings. A host
	// whose name differs from it cannot connect. "" means "lower-nfc".
	CanonicalName string

	// Generation returns the number of a user's current mailbox, for hosts in
	// which a removed user can be created again. nil means always 0.
	Generation func(user string) uint32

	// UID and ModSeq draw numbers that an IMAP server needs of a message: from
	// 1 to 2^32-1, and from 1 to 2^63-1. nil means at random. The store does
	// not use them, and two equal ones do no harm.
	UID    func() uint32
	ModSeq func() int64

	// Now is the clock. nil means [time.Now].
	Now func() time.Time

	// Observer is called after every attempt at a statement, by several
	// goroutines. It must not block. nil means none.
	Observer func(Observation)

	// OnError is called with errors that no caller gets: of a purge that is
	// left to repair, of a listener, of a repair in the background, of
	// connecting anew to nodes that were lost. It must not block, nor close the
	// store or the session, which would wait for it. nil means none.
	OnError func(error)
}

// Observation describes one attempt at a statement or a batch, without its
// values.
type Observation = cql.Observation

const (
	defaultCanonicalName = "lower-nfc"
	defaultHorizon       = time.Hour
	gcGrace              = 864000 * time.Second // gc_grace_seconds in schema.cql
	smallMessage         = 64 << 10             // octets; a larger message has several chunks
	maxChunkSize         = 256 << 10            // octets
)

var legalKeyspace = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{0,47}$`)

// check returns an error for an impossible keyspace, and for numbers that have
// no meaning.
func (c Config) check() error {
	if !legalKeyspace.MatchString(c.Keyspace) {
		return fmt.Errorf("keyspace %q: want a letter, then letters, digits or _, 48 characters at most", c.Keyspace)
	}
	if c.ChunkSize < 0 || c.ChunkSize > maxChunkSize {
		return fmt.Errorf("Config.ChunkSize is %d octets: want 1 to %d, or 0 for the default", c.ChunkSize, maxChunkSize)
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"Config.Connections", c.Connections}, {"Config.BucketMessages", c.BucketMessages}, {"Config.ProofWorkers", c.ProofWorkers}} {
		if n.value < 0 {
			return fmt.Errorf("%s is %d: want a positive number, or 0 for the default", n.name, n.value)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Config.ConnectTimeout", c.ConnectTimeout}, {"Config.Timeout", c.Timeout}, {"Config.Horizon", c.Horizon}} {
		if d.value < 0 {
			return fmt.Errorf("%s is %s: want a positive time, or 0 for the default", d.name, d.value)
		}
	}
	if horizon := cmp.Or(c.Horizon, defaultHorizon); c.Expire != 0 && c.Expire < horizon {
		return fmt.Errorf("Config.Expire is %s: want Config.Horizon, %s, or more; or 0 for ever", c.Expire, horizon)
	}
	return nil
}

// withDefaults replaces zero values by the defaults.
func (c Config) withDefaults() Config {
	c.Keyspace = strings.ToLower(c.Keyspace) // as CQL does with names without quotes
	c.MaxMessageSize = cmp.Or(c.MaxMessageSize, mailbox.DefaultMaxMessageSize)
	c.MaxRecipients = cmp.Or(c.MaxRecipients, 1000)
	c.ChunkSize = cmp.Or(c.ChunkSize, 128<<10)
	c.Window = cmp.Or(c.Window, 4)
	c.Horizon = cmp.Or(c.Horizon, defaultHorizon)
	c.BucketMessages = cmp.Or(c.BucketMessages, 200_000)
	c.SealAfter = cmp.Or(c.SealAfter, 500)
	c.ProofWorkers = cmp.Or(c.ProofWorkers, 8)
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

// driver returns the configuration of the driver.
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

// randomUID returns a random UID, which is from 1 to 2^32-1 (RFC 9051 section
// 2.3.1.1).
func randomUID() uint32 { return 1 + rand.Uint32N(math.MaxUint32) }

// randomModSeq returns a random mod-sequence, which is from 1 to 2^63-1 (RFC
// 7162 section 3.1).
func randomModSeq() int64 { return 1 + rand.Int64N(math.MaxInt64) }
