package pop3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// shake begins TLS with a config of the client's own, by STLS or from the first
// octet on.
func shake(t *testing.T, server *pop3test.Server, implicit bool, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	address := server.AddrTLS
	if !implicit {
		address = server.Addr
	}
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(pop3test.Patience))
	if !implicit {
		readLine(t, conn)
		_, err := io.WriteString(conn, "STLS\r\n")
		require.NoError(t, err)
		require.Equal(t, "+OK begin TLS\r\n", readLine(t, conn))
	}
	secure := tls.Client(conn, config)
	return secure, secure.Handshake()
}

func readLine(t *testing.T, conn net.Conn) string {
	t.Helper()
	line := ""
	for octet := make([]byte, 1); !strings.HasSuffix(line, "\n"); line += string(octet) {
		_, err := io.ReadFull(conn, octet)
		require.NoError(t, err)
	}
	return line
}

func eachTLS(t *testing.T, f func(t *testing.T, implicit bool)) {
	t.Run("STLS", func(t *testing.T) { f(t, false) })
	t.Run("implicit", func(t *testing.T) { f(t, true) })
}

// RFC 8314 section 4 and the ALPN registry: the protocol is "pop3". A client
// that offers it gets it, and one that offers nothing is served. One that
// offers only others is talking to the wrong server, and refused (RFC 7301
// section 3.2; ALPACA).
func TestALPN(t *testing.T) {
	eachTLS(t, func(t *testing.T, implicit bool) {
		server := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), newFakeStore()))
		server.Config.TLSConfig.NextProtos = []string{"h2", "http/1.1"} // shared with an HTTP server
		server.Start(t)
		for _, test := range []struct {
			offered []string
			chosen  string
			refused bool
		}{
			{[]string{"pop3"}, "pop3", false},
			{[]string{"http/1.1", "pop3"}, "pop3", false},
			{nil, "", false},
			{[]string{"http/1.1"}, "", true},
			{[]string{"h2"}, "", true},
			{[]string{"imap", "smtp"}, "", true},
		} {
			config := server.ClientTLS()
			config.NextProtos = test.offered
			conn, err := shake(t, server, implicit, config)
			if test.refused {
				require.Error(t, err, test.offered)
				continue
			}
			require.NoError(t, err, test.offered)
			require.Equal(t, test.chosen, conn.ConnectionState().NegotiatedProtocol)
		}
	})
}

// RFC 8996, RFC 8314 section 4.1: nothing older than TLS 1.2, even if the
// host's config allows it. A stricter minimum of the host holds.
func TestTLSVersions(t *testing.T) {
	eachTLS(t, func(t *testing.T, implicit bool) {
		server := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), newFakeStore()))
		server.Config.TLSConfig.MinVersion = tls.VersionTLS10
		server.Start(t)
		for version, taken := range map[uint16]bool{
			tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
		} {
			config := server.ClientTLS()
			config.MinVersion, config.MaxVersion = version, version
			_, err := shake(t, server, implicit, config)
			require.Equal(t, taken, err == nil, "%s: %v", tls.VersionName(version), err)
		}
		require.EqualValues(t, tls.VersionTLS10, server.Config.TLSConfig.MinVersion, "the host's own config is not touched")
		require.Empty(t, server.Config.TLSConfig.NextProtos)

		strict := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), newFakeStore()))
		strict.Config.TLSConfig.MinVersion = tls.VersionTLS13
		strict.Start(t)
		config := strict.ClientTLS()
		config.MaxVersion = tls.VersionTLS12
		_, err := shake(t, strict, implicit, config)
		require.Error(t, err)
	})
}

// RFC 2595 section 4: a handshake that fails ends the connection. The session
// does not go on in the clear, and other connections are not disturbed.
func TestAFailedHandshakeEndsTheConnection(t *testing.T) {
	eachTLS(t, func(t *testing.T, implicit bool) {
		server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), newFakeStore()))
		address := server.AddrTLS
		if !implicit {
			address = server.Addr
		}
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(pop3test.Patience))
		if !implicit {
			readLine(t, conn)
			io.WriteString(conn, "STLS\r\n")
			readLine(t, conn)
		}
		io.WriteString(conn, "USER mrose\r\nPASS secret\r\nSTAT\r\n")
		rest, _ := io.ReadAll(conn)
		require.NotContains(t, string(rest), "+OK")
		require.NotContains(t, string(rest), "-ERR")

		client := server.Dial(t)
		client.STLS(server.ClientTLS())
		client.Login("mrose", "secret")
		require.Equal(t, "+OK bye", client.Quit())
	})
}

// RFC 8314 section 4: servers "SHOULD log TLS cipher information along with any
// connection or authentication logs". Here it is at level debug, with the same ID.
func TestLogHasTheCipher(t *testing.T) {
	eachTLS(t, func(t *testing.T, implicit bool) {
		server := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), newFakeStore()))
		var log lockedBuffer
		server.Config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		server.Start(t)
		conn, err := shake(t, server, implicit, server.ClientTLS())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "QUIT\r\n")
		require.NoError(t, err)
		_, err = io.ReadAll(conn)
		require.NoError(t, err)
		state := conn.ConnectionState()
		require.Regexp(t, `msg="pop3: tls" conn=\S+ remote=127\.0\.0\.1:\d+ version="`+tls.VersionName(state.Version)+
			`" cipher=`+tls.CipherSuiteName(state.CipherSuite)+` resumed=false\n`, log.String())
	})
}

// RFC 8314 section 3.4: the server ends TLS by an alert before it ends the
// connection, so that nobody can cut the last answer off unseen.
func TestTheEndOfTLSIsSaid(t *testing.T) {
	server := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), newFakeStore()))
	server.Config.IdleTimeout = time.Second
	server.Start(t)
	for _, last := range []string{"QUIT\r\n", "USER mrose\r\nPASS x\r\n", strings.Repeat("XYZZY\r\n", 6)} {
		conn, err := net.Dial("tcp", server.AddrTLS)
		require.NoError(t, err)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(pop3test.Patience))
		var received bytes.Buffer
		config := server.ClientTLS()
		config.MaxVersion = tls.VersionTLS12 // later ones hide what a record is
		secure := tls.Client(overheard{conn, &received}, config)
		_, err = io.WriteString(secure, last)
		require.NoError(t, err)
		_, err = io.ReadAll(secure) // without an error, whether there is an alert or not
		require.NoError(t, err)
		var kind byte
		for records := received.Bytes(); len(records) > 0; {
			kind = records[0]
			records = records[5+int(binary.BigEndian.Uint16(records[3:])):]
		}
		require.EqualValues(t, 21, kind, "the last record is an alert, after %q", last)
	}
}

// overheard is a connection of which somebody hears what it receives.
type overheard struct {
	net.Conn
	received io.Writer
}

func (t overheard) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.received.Write(p[:n])
	return n, err
}

// RFC 2595 section 4: a command that an attacker in the middle puts after STLS
// is never taken for one that was sent under TLS. Here it arrives after the
// server has answered STLS, and is a broken handshake.
func TestSTLSInjectionAfterTheAnswer(t *testing.T) {
	store := newFakeStore("a\n")
	server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), store))
	conn, err := net.Dial("tcp", server.Addr)
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(pop3test.Patience))
	readLine(t, conn)
	io.WriteString(conn, "STLS\r\n")
	readLine(t, conn)
	io.WriteString(conn, "USER evil\r\n")
	secure := tls.Client(conn, server.ClientTLS())
	require.Error(t, secure.Handshake())
	require.Empty(t, store.history())
}

// Failed logins before STLS still count after it.
func TestSTLSKeepsTheCountOfFailedLogins(t *testing.T) {
	server := pop3test.NewUnstartedServer(t, pop3.Login(pop3.Users{"mrose": "secret"}, newFakeStore()))
	server.Config.MaxAuthTries = 2
	server.Start(t)
	client := server.Dial(t)
	client.Command("USER mrose")
	require.Equal(t, authAnswer, client.Command("PASS wrong"))
	client.STLS(server.ClientTLS())
	client.Command("USER mrose")
	require.Equal(t, "-ERR [AUTH] too many failed logins", client.Command("PASS wrong"))
	client.ExpectClosed()
}

// The store learns how the client logged in, from where, and whether over TLS.
func TestLoginSaysHowTheClientCame(t *testing.T) {
	store := newFakeStore()
	server := pop3test.NewServer(t, pop3.Login(pop3.Users{"mrose": "secret"}, store))
	plain := server.Dial(t)
	plain.Login("mrose", "secret")
	implicit := server.DialTLS(t)
	require.Equal(t, "+OK maildrop has 0 messages", implicit.Command("AUTH PLAIN AG1yb3NlAHNlY3JldA=="))
	upgraded := server.Dial(t)
	upgraded.STLS(server.ClientTLS())
	upgraded.Login("mrose", "secret")

	store.mu.Lock()
	defer store.mu.Unlock()
	require.Len(t, store.logins, 3)
	for i, want := range []struct {
		mechanism string
		secure    bool
	}{
		{"USER", false},
		{"PLAIN", true},
		{"USER", true},
	} {
		got := store.logins[i]
		require.Equal(t, "mrose", got.User)
		require.Equal(t, want.mechanism, got.Mechanism)
		require.Equal(t, want.secure, got.TLS != nil)
		if want.secure {
			require.True(t, got.TLS.HandshakeComplete)
			require.Equal(t, "localhost", got.TLS.ServerName)
		}
		require.NotNil(t, got.Remote)
		require.NotNil(t, got.Local)
	}
	require.Equal(t, plain.Conn().LocalAddr().String(), store.logins[0].Remote.String())
	require.Equal(t, server.AddrTLS, store.logins[1].Local.String())
}

func TestServeConnOfTLS(t *testing.T) {
	config := pop3test.NewUnstartedServer(t, nil)
	client, conn := net.Pipe()
	server := &pop3.Server{Handler: newFakeHost("one")} // takes passwords only over TLS
	infos := make(chan bool, 1)
	server.Hooks = &pop3.Hooks{TLS: func(_ context.Context, c *pop3.Conn, _ tls.ConnectionState) {
		infos <- c.TLS() != nil
	}}
	over := make(chan error, 1)
	go func() { over <- server.ServeConn(t.Context(), tls.Server(conn, config.Config.TLSConfig)) }()
	secure := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	p := pop3test.NewClient(t, secure)
	require.True(t, <-infos)
	p.Login("demo", "secret")
	status, body := p.Multi("RETR 1")
	require.Equal(t, "+OK 5 octets", status)
	require.Equal(t, "one\r\n", string(body))
	require.Equal(t, "+OK bye", p.Quit())
	require.NoError(t, <-over)
}
