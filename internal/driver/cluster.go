package driver

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/gocql/gocql"
)

// newCluster returns the settings of the driver: first our defaults, then those
// of the host. The host filter and the policy are set by [open]. When life
// ends, so do the connections.
func newCluster(config Config, life context.Context) (*gocql.ClusterConfig, error) {
	cluster := gocql.NewCluster(config.Hosts...)
	cluster.ConnectTimeout = cmp.Or(config.ConnectTimeout, 5*time.Second)
	cluster.Timeout = cmp.Or(config.Timeout, 5*time.Second)
	cluster.WriteTimeout = cluster.Timeout
	cluster.ProtoVersion = 4
	cluster.NumConns = cmp.Or(config.Connections, 2)
	cluster.DefaultTimestamp = false
	cluster.Consistency = gocql.LocalQuorum
	cluster.MaxWaitSchemaAgreement = time.Minute
	cluster.ReconnectInterval = 2 * time.Second // the default, a minute, is long for a client that waits
	cluster.Logger = noLogger{}
	if config.TLS != nil {
		cluster.SslOpts = &gocql.SslOptions{Config: config.TLS, EnableHostVerification: !config.TLS.InsecureSkipVerify}
	}
	if config.Username != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: config.Username, Password: config.Password}
	}
	if config.Cluster != nil {
		before := *cluster
		config.Cluster(cluster)
		if err := checkRules(cluster, &before, config); err != nil {
			return nil, err
		}
	}
	if cluster.Dialer == nil {
		cluster.Dialer = &net.Dialer{Timeout: cluster.ConnectTimeout, KeepAlive: cluster.SocketKeepalive}
	}
	cluster.Dialer = dialer{cluster.Dialer, life, cluster.ConnectTimeout}
	if cluster.HostDialer != nil {
		cluster.HostDialer = hostDialer{cluster.HostDialer, life}
	}
	return cluster, nil
}

// noLogger is the driver's logger. What the driver logs it also returns as
// errors.
type noLogger struct{}

func (noLogger) Print(...any)          {}
func (noLogger) Printf(string, ...any) {}
func (noLogger) Println(...any)        {}
