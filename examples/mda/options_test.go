package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	o, err := parseOptions(nil)
	require.NoError(t, err)
	require.Equal(t, options{
		pop3: "127.0.0.1:1110", lmtp: "127.0.0.1:1124", smtp: "127.0.0.1:1125",
		store: "maildir", dir: "./maildata", maxSize: 50 << 20, trace: true,
		nodes: nodes{cassandra: "127.0.0.1", dc: "dc1", keyspace: "popcask"},
		level: slog.LevelInfo,
	}, o)
}

func TestUsageErrors(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that the program would not run
	for _, test := range []struct{ args, message string }{
		{"-nonsense", "flag provided but not defined: -nonsense"},
		{"-log loud", `invalid value "loud" for flag -log: slog: level string "loud": unknown name`},
		{"-max-size big", `invalid value "big" for flag -max-size: parse error`},
		{"-max-size -1", "-max-size -1 is negative"},
		{"-expire 30d", `invalid value "30d" for flag -expire: parse error`},
		{"-expire -1", "-expire -1: want 0 to 36500 days"},
		{"-expire 36501", "-expire 36501: want 0 to 36500 days"},
		{"-insecure-auth=maybe", `invalid boolean value "maybe" for -insecure-auth: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{"-pop3", "flag needs an argument: -pop3"},
		{"-trace false", `"false" is not a flag`},
		{"-create-schema dc1:3", "-create-schema needs -store cassandra"},
		{"-store cassandra -create-schema dc1", `invalid value "dc1" for flag -create-schema: cassandra: replication "dc1": want a data centre and its replicas, as in dc1:3,dc2:3`},
		{"-store paper", "-store paper: there are maildir, cassandra and memory"},
		{"-dir=", "-dir: the name is empty"},
		{"-store paper -dir x", "-store paper: there are maildir, cassandra and memory"},
		{"-cassandra-login x", "-cassandra-login needs -store cassandra"},
		{"-cassandra-cert x", "-cassandra-cert needs -store cassandra"},
		{"-cassandra 127.0.0.1", "-cassandra needs -store cassandra"},
		{"-store memory -dc=dc1", "-dc needs -store cassandra"},
		{"-store maildir -keyspace mail", "-keyspace needs -store cassandra"},
		{"-store memory -dir ./maildata", "-dir needs -store maildir"},
		{"-store cassandra -dir ./maildata", "-dir needs -store maildir"},
		{"-store memory -dir=", "-dir needs -store maildir"},
		{"-store cassandra -cassandra-cert x", "-cassandra-cert and -cassandra-key need each other"},
		{"-store cassandra -cassandra-cert x -cassandra-key y", "-cassandra-cert needs -cassandra-ca"},
		{"-store cassandra -cassandra-server-name x", "-cassandra-server-name needs -cassandra-ca"},
		{"-tls-cert x", "-tls-cert and -tls-key need each other"},
		{"-tls-key x", "-tls-cert and -tls-key need each other"},
		{"-tls-cert x -tls-key y -tls-self-signed", "-tls-self-signed and -tls-cert exclude each other"},
		{"-pop3s 127.0.0.1:0", "-pop3s needs -tls-cert and -tls-key, or -tls-self-signed"},
		{"-pop3= -lmtp= -smtp=", "every listener is switched off"},
		{"-lmtp=unix:", "-lmtp unix:: a Unix socket is unix:/path"},
		{"-smtp=unix:@name", "-smtp unix:@name: a Unix socket is unix:/path"},
	} {
		t.Run(test.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, run(ended, strings.Fields(test.args), &stdout, &stderr))
			require.Empty(t, stdout.String())
			require.Equal(t, "mda: "+test.message+" (mda -h explains)\n", stderr.String())
		})
	}
}

// Each flag for nodes of Cassandra is refused without -store cassandra.
func TestFlagsOfNodesAreOfCassandra(t *testing.T) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	new(nodes).flags(flags)
	flags.VisitAll(func(f *flag.Flag) { require.Equal(t, "cassandra", storeOf(f.Name), "-%s", f.Name) })
}

// A port alone is on loopback: whoever forgets the host opens nothing to other
// machines.
func TestBarePort(t *testing.T) {
	for given, want := range map[string]string{
		"1110":           "127.0.0.1:1110",
		"0":              "127.0.0.1:0",
		"":               "",
		":1110":          ":1110",
		"0.0.0.0:1110":   "0.0.0.0:1110",
		"[::1]:1110":     "[::1]:1110",
		"localhost:1110": "localhost:1110",
		"65536":          "65536",
		"-1":             "-1",
		"pop3":           "pop3",
	} {
		o, err := parseOptions([]string{"-tls-self-signed", "-pop3=" + given, "-pop3s=" + given, "-lmtp=" + given, "-smtp=" + given, "-health=" + given})
		if given == "" {
			require.ErrorContains(t, err, "every listener is switched off")
			continue
		}
		require.NoError(t, err)
		for name, address := range o.addresses() {
			require.Equal(t, want, address, "-%s %s", name, given)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"-version"}, {"-version", "-store", "paper"}} {
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(t.Context(), args, &stdout, &stderr))
		require.Empty(t, stderr.String())
		require.Regexp(t, `^mda: github\.com/popcask/popcask \S+, `+regexp.QuoteMeta(runtime.Version())+`\n$`, stdout.String())
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &stdout, &stderr))
	require.Empty(t, stderr.String())
	require.Equal(t, usageText, stdout.String())
}

// The usage text is written by hand. It must have every flag and its default.
func TestUsageIsComplete(t *testing.T) {
	var o options
	newFlags(&o).VisitAll(func(f *flag.Flag) {
		line, found := "", false
		for candidate := range strings.Lines(usageText) {
			if strings.HasPrefix(candidate, "  -"+f.Name+" ") || strings.HasPrefix(candidate, "  -"+f.Name+"=") {
				line, found = candidate, true
			}
		}
		require.True(t, found, "-%s", f.Name)
		if f.DefValue != "" && f.DefValue != "true" && f.DefValue != "false" {
			require.Contains(t, strings.ToLower(line), "("+strings.ToLower(f.DefValue)+")")
		}
	})
}

func TestInsecureAuthOnLoopbackOnly(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		pop3, pop3s string
		said        *bool
		want        bool
	}{
		{"127.0.0.1:0", "", nil, true},
		{"127.0.0.1:0", "[::1]:0", nil, true},
		{"localhost:0", "", nil, true},
		{"", "", nil, true},
		{"0.0.0.0:0", "", nil, false},
		{":0", "", nil, false},
		{"127.0.0.1:0", ":0", nil, false},
		{":0", "", &yes, true},
		{"127.0.0.1:0", "", &no, false},
	} {
		t.Run(fmt.Sprintf("%q %q %v", test.pop3, test.pop3s, test.want), func(t *testing.T) {
			ports, err := listen(options{pop3: test.pop3, pop3s: test.pop3s}.addresses())
			if test.pop3s == "[::1]:0" && err != nil {
				t.Skip("no IPv6 here")
			}
			require.NoError(t, err)
			defer ports.close()
			require.Equal(t, test.want, options{insecureAuth: test.said}.allowInsecureAuth(ports))
		})
	}
}

func TestRuntimeErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	address := taken.Addr().String()

	for _, test := range []struct {
		args    []string
		message string
	}{
		{[]string{"-store", "memory", "-pop3", "127.0.0.1:0", "-lmtp", address},
			"mda: -lmtp: listen tcp " + address + ": bind: address already in use\n"},
		{[]string{"-users", "/nonexistent/users"},
			"mda: -users: open /nonexistent/users: no such file or directory\n"},
		{[]string{"-tls-cert", "/nonexistent/cert", "-tls-key", "/nonexistent/key"},
			"mda: -tls-cert, -tls-key: open /nonexistent/cert: no such file or directory\n"},
		{[]string{"-dir", "/dev/null/x", "-pop3", "127.0.0.1:0", "-lmtp", "127.0.0.1:0", "-smtp", "127.0.0.1:0"},
			"mda: -dir: open /dev/null/x: not a directory\n"},
	} {
		var stderr bytes.Buffer
		require.Equal(t, 1, run(t.Context(), test.args, io.Discard, &stderr))
		require.Equal(t, test.message, stderr.String())
	}
}

func TestSelfSigned(t *testing.T) {
	certificate, err := selfSigned(time.Now())
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots})
		require.NoError(t, err, name)
	}
}
