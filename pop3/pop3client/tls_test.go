package pop3client_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/testcert"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3client"
	"github.com/popcask/popcask/pop3/pop3test"
)

var insecureTLS = &tls.Config{InsecureSkipVerify: true}

// mail is a store with messages for "demo".
func mail(t *testing.T, messages ...string) *memory.Store {
	t.Helper()
	files := fstest.MapFS{}
	for i, message := range messages {
		files[fmt.Sprintf("demo/%03d.eml", i)] = &fstest.MapFile{Data: []byte(message)}
	}
	store := new(memory.Store)
	require.NoError(t, store.LoadFS(t.Context(), files))
	return store
}

// newServer is a server that takes no password in the clear.
func newServer(t *testing.T, messages ...string) (*pop3test.Server, pop3client.Options) {
	t.Helper()
	users := pop3.Users{"demo": "secret"}
	server := pop3test.NewUnstartedServer(t, pop3.Login(users.SharedSecrets(), mail(t, messages...)))
	server.Config.AllowInsecureAuth = false
	server.Config.TLSConfig.NextProtos = []string{"pop3"}
	server.Start(t)
	return server, pop3client.Options{TLS: &tls.Config{RootCAs: server.RootCAs}}
}

func TestTLSFromTheFirstOctet(t *testing.T) {
	server, options := newServer(t, "Subject: a\r\n\r\nA\r\n")
	ctx := t.Context()
	client, err := pop3client.DialTLS(ctx, server.AddrTLS, options)
	require.NoError(t, err)
	defer client.Close()
	require.True(t, client.IsTLS())
	state := client.Conn().(*tls.Conn).ConnectionState()
	require.Equal(t, "pop3", state.NegotiatedProtocol, "ALPN")
	require.GreaterOrEqual(t, state.Version, uint16(tls.VersionTLS12))
	require.Equal(t, "", options.TLS.ServerName, "the config is the caller's")
	require.ErrorContains(t, client.StartTLS(ctx, nil), "TLS is active")
	require.True(t, client.CanAPOP())
	require.NoError(t, client.Login(ctx, "demo", "secret"))
	body, err := client.Retr(ctx, 1)
	require.Equal(t, "Subject: a\r\n\r\nA\r\n", readAll(t, body, err))
	require.NoError(t, client.Quit(ctx))
}

func TestSTLS(t *testing.T) {
	server, options := newServer(t)
	ctx := t.Context()
	client, err := pop3client.Dial(ctx, server.Addr, options)
	require.NoError(t, err)
	defer client.Close()
	require.False(t, client.IsTLS())
	before, err := client.Capabilities(ctx)
	require.NoError(t, err)
	require.True(t, before.Has("STLS"))
	require.True(t, client.CanAPOP())
	require.NoError(t, client.StartTLS(ctx, nil))
	require.True(t, client.IsTLS())
	require.Equal(t, "pop3", client.Conn().(*tls.Conn).ConnectionState().NegotiatedProtocol)
	require.False(t, client.CanAPOP(), "the timestamp came in the clear")
	after, err := client.Capabilities(ctx)
	require.NoError(t, err)
	require.False(t, after.Has("STLS"))
	require.NoError(t, client.Login(ctx, "demo", "secret"))
	require.NoError(t, client.Quit(ctx))
}

// A server that does not offer TLS leaves the connection in the clear, and the
// client then keeps its password to itself.
func TestSTLSThatIsRefused(t *testing.T) {
	client, err := pop3client.New(t.Context(), play(t, `
		S: +OK ready
		C: STLS
		S: -ERR no
		C: NOOP
		S: +OK
		C: (closes)`), pop3client.Options{TLS: insecureTLS})
	require.NoError(t, err)
	require.ErrorAs(t, client.StartTLS(t.Context(), nil), new(*pop3client.Error))
	require.NoError(t, client.Noop(t.Context()))
	require.ErrorIs(t, client.Login(t.Context(), "demo", "secret"), pop3client.ErrInsecure)
	require.ErrorIs(t, client.Auth(t.Context(), pop3client.Plain("", "demo", "secret")), pop3client.ErrInsecure)
	require.NoError(t, client.Close())
}

func TestCertificatesAreVerified(t *testing.T) {
	server, options := newServer(t)
	other, err := testcert.NewFor("pop.example.org")
	require.NoError(t, err)
	port := server.AddrTLS[strings.LastIndexByte(server.AddrTLS, ':'):]
	for name, config := range map[string]*tls.Config{
		"the system's roots": nil,
		"another authority":  {RootCAs: other.Roots},
		"another name":       {RootCAs: server.RootCAs, ServerName: "pop.example.org"},
	} {
		_, err := pop3client.DialTLS(t.Context(), "localhost"+port, pop3client.Options{TLS: config})
		require.ErrorAs(t, err, new(*tls.CertificateVerificationError), name)
		client, err := pop3client.Dial(t.Context(), server.Addr, pop3client.Options{TLS: config})
		require.NoError(t, err)
		require.ErrorAs(t, client.StartTLS(t.Context(), nil), new(*tls.CertificateVerificationError), name)
		require.ErrorAs(t, client.Noop(t.Context()), new(*tls.CertificateVerificationError), name)
	}
	client, err := pop3client.DialTLS(t.Context(), "localhost"+port, options)
	require.NoError(t, err)
	require.NoError(t, client.Close())
}

// New knows no address. The mistake is found before STLS is sent.
func TestSTLSNeedsAServerName(t *testing.T) {
	client := greeted(t, `C: (closes)`)
	require.ErrorContains(t, client.StartTLS(t.Context(), nil), "needs a ServerName")
	require.NoError(t, client.Close())
}

func TestOldTLSIsRefused(t *testing.T) {
	certificate, err := testcert.New()
	require.NoError(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate.Server},
		MinVersion:   tls.VersionTLS10,
		MaxVersion:   tls.VersionTLS11,
	})
	require.NoError(t, err)
	defer listener.Close()
	var accepting sync.WaitGroup
	accepting.Go(func() {
		conn, err := listener.Accept()
		if err == nil {
			conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	})
	options := pop3client.Options{TLS: &tls.Config{RootCAs: certificate.Roots, MinVersion: tls.VersionTLS10}}
	_, err = pop3client.DialTLS(t.Context(), listener.Addr().String(), options)
	require.ErrorContains(t, err, "protocol version")
	accepting.Wait()
}

func TestDialErrors(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener.Close()
	_, err = pop3client.Dial(t.Context(), listener.Addr().String(), pop3client.Options{})
	require.ErrorContains(t, err, "refused")
	_, err = pop3client.Dial(t.Context(), "localhost", pop3client.Options{})
	require.ErrorContains(t, err, "missing port")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = pop3client.DialTLS(ctx, listener.Addr().String(), pop3client.Options{})
	require.ErrorIs(t, err, context.Canceled)

	// A server that is full says so, in the error and with its address.
	full := pop3test.NewUnstartedServer(t, pop3.Login(pop3test.AnyPassword(), mail(t)))
	full.Config.MaxConnections = 1
	full.Start(t)
	first, err := pop3client.Dial(t.Context(), full.Addr, pop3client.Options{AllowInsecureAuth: true})
	require.NoError(t, err)
	defer first.Close()
	require.NoError(t, first.Login(t.Context(), "demo", "secret")) // or else a newcomer takes its place
	_, err = pop3client.Dial(t.Context(), full.Addr, pop3client.Options{})
	var refused *pop3client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, pop3.CodeTemporary, refused.Code)
	require.ErrorContains(t, err, full.Addr)
}
