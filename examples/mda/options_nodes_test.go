package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/dnstest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/testcert"
)

// args are the flags that give these values.
func (n nodes) args() (args []string) {
	for _, flag := range [...][2]string{
		{"-cassandra", n.cassandra}, {"-dc", n.dc}, {"-keyspace", n.keyspace}, {"-cassandra-login", n.login}, {"-cassandra-ca", n.ca},
		{"-cassandra-cert", n.cert}, {"-cassandra-key", n.key}, {"-cassandra-server-name", n.serverName},
	} {
		if flag[1] != "" {
			args = append(args, flag[:]...)
		}
	}
	return args
}

// writeFile writes a file of a test and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// certificates writes the files of a new authority and of a certificate for
// these names.
func certificates(t *testing.T, names ...string) (dir string) {
	t.Helper()
	certificate, err := testcert.NewFor(names...)
	require.NoError(t, err)
	dir = t.TempDir()
	require.NoError(t, certificate.WriteFiles(dir))
	return dir
}

// A file that is not what its flag wants is one line, before anything is
// dialled. What may be a secret is not in it.
func TestFilesForTheNodes(t *testing.T) {
	dir := certificates(t, "localhost")
	ca, cert := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem")
	const form = "-cassandra-login: the file must have one line, name:password"
	for _, test := range []struct {
		nodes nodes
		want  string
	}{
		{nodes{login: "popcask:secret"}, "-cassandra-login: the file with name:password: no such file or directory"},
		{nodes{login: writeFile(t, "login", "")}, form},
		{nodes{login: writeFile(t, "login", "secret\n")}, form},
		{nodes{login: writeFile(t, "login", ":secret\n")}, form},
		{nodes{login: writeFile(t, "login", "popcask:\n")}, form},
		{nodes{login: writeFile(t, "login", "popcask\nsecret\n")}, form},
		{nodes{login: writeFile(t, "login", "popcask:secret\nmore:secret\n")}, form},
		{nodes{ca: "/nonexistent/ca"}, "-cassandra-ca: open /nonexistent/ca: no such file or directory"},
		{nodes{ca: os.DevNull}, "-cassandra-ca: there is no certificate in " + os.DevNull},
		{nodes{ca: ca, cert: cert, key: "/nonexistent/key"}, "-cassandra-cert, -cassandra-key: open /nonexistent/key: no such file or directory"},
		{nodes{ca: ca, cert: cert, key: cert}, "-cassandra-cert, -cassandra-key: tls: found a certificate rather than a key in the PEM for the private key"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(t.Context(), append([]string{"verify"}, test.nodes.args()...), &stdout, &stderr))
		require.Equal(t, "mda: "+test.want+"\n", stderr.String())
	}
	for _, text := range []string{"popcask: s:e ", "popcask: s:e \n", "popcask: s:e \r\n"} {
		name, password, err := readLogin(writeFile(t, "login", text))
		require.NoError(t, err)
		require.Equal(t, [2]string{"popcask", " s:e "}, [2]string{name, password})
	}
}

// commonName is what the certificate of the nodes is for. It is for no IP
// address.
const commonName = "nodes.popcask.test"

// On a node that demands a password, TLS and a client certificate, mail is
// delivered, read and verified, with a role that may only read and write the
// keyspace. What is wrong is one line that says what, and soon.
func TestNodesThatDemandTLSAndALogin(t *testing.T) {
	slow.Test(t, "a node with TLS, which no other test has")
	dir, password := certificates(t, "localhost", commonName), rand.Text()
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true, TLS: dir,
		Settings: map[string]any{"authenticator": "PasswordAuthenticator", "authorizer": "CassandraAuthorizer"}})
	dc := cluster.DCs[0].Name
	good := nodes{
		cassandra: cluster.Hosts("")[0], dc: dc, keyspace: "mail",
		login: writeFile(t, "login", "popcask:"+password+"\n"), serverName: commonName,
		ca: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
	}
	admin := good
	admin.login = writeFile(t, "login", "cassandra:cassandra\n")
	config, err := admin.config()
	require.NoError(t, err)
	config.Timeout = time.Minute
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{dc: 1}))
	db := cluster.Session(t, "")
	for _, statement := range []string{
		"CREATE ROLE popcask WITH LOGIN = true AND PASSWORD = '" + password + "'",
		"GRANT SELECT ON KEYSPACE mail TO popcask",
		"GRANT MODIFY ON KEYSPACE mail TO popcask",
	} {
		require.NoError(t, db.Query(statement).Exec())
	}

	p := launch(t, append([]string{"-store", "cassandra", "-trace=false", "-log", "debug"}, good.args()...)...)
	p.patience = time.Minute
	require.Contains(t, p.deliver(t, "demo@example.org", "Subject: sealed\r\n\r\n"), delivered)
	require.Equal(t, []string{"Subject: sealed\n\n"}, p.fetch(t))
	require.Zero(t, p.end(t, syscall.SIGTERM), p.stderr.String())
	require.NotContains(t, p.stderr.String(), password)
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), append([]string{"verify"}, good.args()...), &stdout, &stderr), stderr.String())
	require.Equal(t, "1 mailboxes, 1 messages: 0 findings, 0 mended, 0 postponed\n", stdout.String())

	refusedConnections(t, good, cassandratest.Start(t, cassandratest.Topology{}).Hosts("")[0])
}

// refusedConnections are what is wrong, each on its own. good is right; plain
// is a node without TLS.
func refusedConnections(t *testing.T, good nodes, plain string) {
	other := certificates(t, "localhost")
	const ended = `(EOF|remote error: tls: .*|.*: connection reset by peer|.*: broken pipe|.*unsupported protocol response version.*)`
	for name, test := range map[string]struct {
		change func(*nodes)
		want   string // NODE is the address
	}{
		"wrong password": {
			func(n *nodes) { n.login = writeFile(t, "login", "popcask:hunter2") },
			`node NODE refuses the user name or the password: .* \(the flag is -cassandra-login\)`},
		"no login": {
			func(n *nodes) { n.login = "" },
			`node NODE demands a user name and a password: .* \(the flag is -cassandra-login\)`},
		"wrong CA": {
			func(n *nodes) { n.ca = filepath.Join(other, "ca.pem") },
			`the certificate of node NODE is signed by an authority that is not trusted here: .*x509: certificate signed by unknown authority.* \(the flag is -cassandra-ca\)`},
		"wrong name": {
			func(n *nodes) { n.serverName = "other.test" },
			`the certificate of node NODE is not for the name that it must have: .*, not other\.test \(the flag is -cassandra-server-name\)`},
		"no name": {
			func(n *nodes) { n.serverName = "" },
			`the certificate of node NODE is not for the name that it must have: .* for 127\.\S+ because it doesn't contain any IP SANs \(the flag is -cassandra-server-name\)`},
		"no client certificate": {
			func(n *nodes) { n.cert, n.key = "", "" },
			`node NODE ended the connection, as nodes do that demand a certificate of their clients: ` + ended + ` \(the flags are .*\)`},
		"wrong client certificate": {
			func(n *nodes) { n.cert, n.key = filepath.Join(other, "cert.pem"), filepath.Join(other, "key.pem") },
			`node NODE ended the connection, as nodes do that do not trust the certificate of their client: ` + ended + ` \(the flags are .*\)`},
		"no TLS": {
			func(n *nodes) { n.ca, n.cert, n.key, n.serverName = "", "", "", "" },
			`node NODE ended the connection before it answered, as nodes do that demand TLS: ` + ended + ` \(the flags are .*\)`},
		"TLS to a node without": {
			func(n *nodes) { n.cassandra = plain },
			`node NODE answers without TLS: .* \(the flags are .*\)`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			test.change(&bad)
			want := strings.ReplaceAll(test.want, "NODE", regexp.QuoteMeta(bad.cassandra))
			server := append([]string{"-store", "cassandra", "-pop3", "127.0.0.1:0", "-lmtp", "127.0.0.1:0", "-smtp", "127.0.0.1:0"}, bad.args()...)
			out := fails(t, toItsEnd(t, server...))
			require.Regexp(t, "^mda: -store cassandra: cassandra: connect: "+want+"\n$", out)
			_, secret, err := readLogin(cmp.Or(bad.login, good.login))
			require.NoError(t, err)
			require.NotContains(t, out, secret)
			out = fails(t, toItsEnd(t, append([]string{"repair"}, bad.args()...)...))
			require.Regexp(t, "^mda: cassandra: connect: "+want+"\n$", out)
			require.NotContains(t, out, secret)
		})
	}

	// The first connection is made to a name that the certificate has, the
	// others to an address that it has not.
	t.Run("a name for the first connection only", func(t *testing.T) {
		address, port, _ := strings.Cut(good.cassandra, ":")
		dnstest.Start(t).Set(commonName, address)
		bad := good
		bad.cassandra, bad.serverName = commonName+":"+port, ""
		require.Regexp(t, "^mda: cassandra: connect: the certificate of node "+regexp.QuoteMeta(good.cassandra)+
			` is not for the name that it must have: .* \(the flag is -cassandra-server-name\)`+"\n$",
			fails(t, func(ctx context.Context) (int, string) {
				var out bytes.Buffer
				return run(ctx, append([]string{"verify"}, bad.args()...), &out, &out), out.String()
			}))
	})
}

// toItsEnd returns what runs the program to its end.
func toItsEnd(t *testing.T, args ...string) func(context.Context) (int, string) {
	return func(ctx context.Context) (int, string) {
		cmd := exec.CommandContext(ctx, program(t), args...)
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		return cmd.ProcessState.ExitCode(), string(out)
	}
}

// fails runs the program, which fails soon, and returns what it says. A node
// that is too busy to answer at all is asked again.
func fails(t *testing.T, run func(context.Context) (code int, out string)) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		code, out := run(ctx)
		cancel()
		require.Equal(t, 1, code, out)
		if !strings.Contains(out, "connect: no node of ") || time.Now().After(deadline) {
			t.Log(out)
			return out
		}
	}
}
