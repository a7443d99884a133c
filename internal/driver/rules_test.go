package driver

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// A setting that breaks a promise is an error that names the field, before
// anything is dialled.
func TestSettingsThatBreakAPromise(t *testing.T) {
	for field, change := range map[string]func(*gocql.ClusterConfig){
		"DefaultTimestamp":                func(c *gocql.ClusterConfig) { c.DefaultTimestamp = true },
		"Consistency":                     func(c *gocql.ClusterConfig) { c.Consistency = gocql.One },
		"SerialConsistency":               func(c *gocql.ClusterConfig) { c.SerialConsistency = gocql.LocalSerial },
		"RetryPolicy":                     func(c *gocql.ClusterConfig) { c.RetryPolicy = &gocql.DowngradingConsistencyRetryPolicy{} },
		"HostFilter":                      func(c *gocql.ClusterConfig) { c.HostFilter = gocql.AcceptAllFilter() },
		"PoolConfig.HostSelectionPolicy":  func(c *gocql.ClusterConfig) { c.PoolConfig.HostSelectionPolicy = gocql.RoundRobinHostPolicy() },
		"DisableInitialHostLookup":        func(c *gocql.ClusterConfig) { c.DisableInitialHostLookup = true },
		"Keyspace":                        func(c *gocql.ClusterConfig) { c.Keyspace = "other" },
		"Hosts":                           func(c *gocql.ClusterConfig) { c.Hosts = []string{"192.0.2.1"} },
		"ProtoVersion":                    func(c *gocql.ClusterConfig) { c.ProtoVersion = 3 },
		"QueryObserver or BatchObserver":  func(c *gocql.ClusterConfig) { c.QueryObserver = observer{} },
		"QueryObserver or BatchObserver:": func(c *gocql.ClusterConfig) { c.BatchObserver = observer{} },
	} {
		_, err := Connect(t.Context(), Config{
			Hosts: []string{"127.0.0.1"}, LocalDC: "dc1", Cluster: change, Observe: func(cql.Observation) {},
		})
		require.ErrorContains(t, err, "Config.Cluster must not set "+field)
	}
}

// countingDialer is a dialer of the host.
type countingDialer struct {
	net.Dialer
	calls atomic.Int32
}

func (d *countingDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.calls.Add(1)
	conn, err := d.Dialer.DialContext(ctx, network, address)
	return struct{ net.Conn }{conn}, err // not one of TCP
}

type countingHostDialer struct{ *countingDialer }

func (d countingHostDialer) DialHost(ctx context.Context, host *gocql.HostInfo) (*gocql.DialedHost, error) {
	conn, err := d.DialContext(ctx, "tcp", host.HostnameAndPort())
	if err != nil {
		return nil, err
	}
	return &gocql.DialedHost{Conn: conn, DisableCoalesce: true}, nil
}

// The settings of a host are those of every connection, and what its dialer
// dials is closed with the session.
func TestAHostsOwnDialer(t *testing.T) {
	_, _, config := newSession(t, new(observations))
	dialer := new(countingDialer)
	for name, change := range map[string]func(*gocql.ClusterConfig){
		"Dialer":     func(c *gocql.ClusterConfig) { c.Dialer = dialer },
		"HostDialer": func(c *gocql.ClusterConfig) { c.HostDialer = countingHostDialer{dialer} },
	} {
		t.Run(name, func(t *testing.T) {
			config := config
			compressed := false
			config.Cluster = func(c *gocql.ClusterConfig) {
				change(c)
				c.Compressor = gocql.SnappyCompressor{}
				compressed = true
			}
			before := dialer.calls.Load()
			s, err := Connect(t.Context(), config)
			require.NoError(t, err)
			defer s.Close()
			require.True(t, compressed)
			require.NoError(t, s.Exec(t.Context(), cql.LocalQuorum, insertT, 1, 7, 1, "dialled"))
			require.Equal(t, map[int]string{1: "dialled"}, rowsOf(t, s, 7))
			require.Greater(t, dialer.calls.Load()-before, int32(1), "the control connection, and the others")
		})
	}
}
