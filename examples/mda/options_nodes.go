package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/popcask/popcask/cassandra"
)

// nodesUsage is the usage of the flags that say how to reach Cassandra. The
// program has them, and each command.
const nodesUsage = `  -cassandra HOSTS   some nodes of the local data centre (127.0.0.1), HOST or
                     HOST:PORT, with commas between them
  -dc NAME           the local data centre (dc1)
  -keyspace NAME     the keyspace with the tables (popcask)
  -cassandra-login FILE
                     log in to the nodes; the file has one line, name:password
  -cassandra-ca FILE
                     TLS to the nodes; the file has the certificates of the
                     authorities that sign those of the nodes, in PEM form
  -cassandra-cert FILE
                     certificate chain and
  -cassandra-key FILE
                     private key in PEM form, for nodes that demand them of their
                     clients; they are read again for each connection
  -cassandra-server-name NAME
                     a name that the certificates of all nodes have; without it
                     each must have the IP address of its node, and the host names
                     of -cassandra
`

// nodes are the flags that say how to reach Cassandra.
type nodes struct {
	cassandra, dc, keyspace string

	login, ca, cert, key, serverName string
}

func (n *nodes) flags(flags *flag.FlagSet) {
	flags.StringVar(&n.cassandra, "cassandra", "127.0.0.1", "")
	flags.StringVar(&n.dc, "dc", "dc1", "")
	flags.StringVar(&n.keyspace, "keyspace", "popcask", "")
	flags.StringVar(&n.login, "cassandra-login", "", "")
	flags.StringVar(&n.ca, "cassandra-ca", "", "")
	flags.StringVar(&n.cert, "cassandra-cert", "", "")
	flags.StringVar(&n.key, "cassandra-key", "", "")
	flags.StringVar(&n.serverName, "cassandra-server-name", "", "")
}

// check rejects flags that do not go together.
func (n nodes) check() error {
	switch {
	case (n.cert == "") != (n.key == ""):
		return usagef("-cassandra-cert and -cassandra-key need each other")
	case n.ca == "" && n.cert != "":
		return usagef("-cassandra-cert needs -cassandra-ca")
	case n.ca == "" && n.serverName != "":
		return usagef("-cassandra-server-name needs -cassandra-ca")
	}
	return nil
}

// config reads the files, and returns how to reach the nodes.
func (n nodes) config() (config cassandra.Config, err error) {
	config = cassandra.Config{Hosts: strings.Split(n.cassandra, ","), LocalDC: n.dc, Keyspace: n.keyspace}
	if n.login != "" {
		config.Username, config.Password, err = readLogin(n.login)
		if err != nil {
			return config, fmt.Errorf("-cassandra-login: %w", err)
		}
	}
	config.TLS, err = n.tls()
	return config, err
}

// readLogin reads a name and a password. No error quotes them, nor the name of
// the file, since that may be a password if the flag was misunderstood.
func readLogin(file string) (name, password string, err error) {
	text, err := os.ReadFile(file)
	var path *fs.PathError
	if errors.As(err, &path) {
		err = fmt.Errorf("the file with name:password: %w", path.Err)
	}
	if err != nil {
		return "", "", err
	}
	line := strings.TrimRight(string(text), "\r\n")
	name, password, _ = strings.Cut(line, ":")
	if name == "" || password == "" || strings.Contains(line, "\n") {
		return "", "", errors.New("the file must have one line, name:password")
	}
	return name, password, nil
}

// tls returns nil if no flag asks for TLS.
func (n nodes) tls() (*tls.Config, error) {
	if n.ca == "" {
		return nil, nil
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: n.serverName, MinVersion: tls.VersionTLS12}
	text, err := os.ReadFile(n.ca)
	if err != nil {
		return nil, fmt.Errorf("-cassandra-ca: %w", err)
	}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("-cassandra-ca: there is no certificate in %s", n.ca)
	}
	if n.cert != "" {
		config.GetClientCertificate = n.certificate
		if _, err := n.certificate(nil); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// certificate reads the client's certificate, which may have been renewed.
func (n nodes) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(n.cert, n.key)
	if err != nil {
		return nil, fmt.Errorf("-cassandra-cert, -cassandra-key: %w", err)
	}
	return &pair, nil
}

// about says which flags an error of Cassandra is about, if it is about one of
// those for TLS and the login.
func about(err error) string {
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.Is(err, cassandra.ErrLogin):
		return "the flag is -cassandra-login"
	case errors.As(err, &name):
		return "the flag is -cassandra-server-name"
	case errors.As(err, &unknown):
		return "the flag is -cassandra-ca"
	case errors.Is(err, cassandra.ErrTLS):
		return "the flags are -cassandra-ca, -cassandra-cert and -cassandra-key"
	}
	return ""
}
