package lmtp

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// from is a connection from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// RFC 5321 section 4.4.
func TestTraceFields(t *testing.T) {
	alice, bob := recipient{address: address{"Alice", "example.org"}}, recipient{address: address{"bob", "example.org"}}
	c := &Conn{
		server: &Server{hostname: "mx.example.org", Protocol: SMTP},
		nc:     from{addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711}},
		name:   "client.example", hello: "EHLO",
		mail: envelope{from: address{"sender", "example.net"}, to: []recipient{alice}},
	}
	m := &message{id: "ABCDEFGHIJKLMNOP", received: time.Date(2026, 11, 24, 8, 5, 6, 0, time.FixedZone("", 3600))}
	require.Equal(t, "Return-Path: <sender@example.net>\r\n"+
		"Delivered-To: Alice@example.org\r\n"+
		"Received: from client.example ([192.0.2.1])\r\n"+
		"\tby mx.example.org with ESMTP id ABCDEFGHIJKLMNOP\r\n"+
		"\tfor <Alice@example.org>;\r\n"+
		"\tTue, 24 Nov 2026 08:05:06 +0100\r\n", c.trace(m, alice))

	c.mail = envelope{to: []recipient{alice, bob}}
	require.Equal(t, "Return-Path: <>\r\n"+
		"Delivered-To: bob@example.org\r\n"+
		"Received: from client.example ([192.0.2.1])\r\n"+
		"\tby mx.example.org with ESMTP id ABCDEFGHIJKLMNOP;\r\n"+
		"\tTue, 24 Nov 2026 08:05:06 +0100\r\n", c.trace(m, bob), "a bounce for two")

	c.server.NoTrace = true
	require.Empty(t, c.trace(m, alice))
}

func TestWithValue(t *testing.T) {
	for _, test := range []struct {
		protocol        Protocol
		hello           string
		utf8, encrypted bool
		want            string
	}{
		{LMTP, "LHLO", false, false, "LMTP"},
		{LMTP, "LHLO", false, true, "LMTPS"},
		{LMTP, "LHLO", true, false, "UTF8LMTP"},
		{LMTP, "LHLO", true, true, "UTF8LMTPS"},
		{SMTP, "HELO", false, false, "SMTP"},
		{SMTP, "EHLO", false, false, "ESMTP"},
		{SMTP, "EHLO", false, true, "ESMTPS"},
		{SMTP, "HELO", false, true, "ESMTPS"},
		{SMTP, "EHLO", true, false, "UTF8SMTP"},
		{SMTP, "EHLO", true, true, "UTF8SMTPS"},
	} {
		c := &Conn{server: &Server{Protocol: test.protocol}, hello: test.hello, mail: envelope{utf8: test.utf8}, nc: from{}}
		if test.encrypted {
			c.nc = tls.Server(from{}, &tls.Config{})
		}
		require.Equal(t, test.want, c.withValue())
	}
}

// What a sender says of itself cannot leave its place in the field.
func TestExtendedDomain(t *testing.T) {
	for hello, want := range map[string]string{
		"client.example":    "client.example",
		"[192.0.2.1]":       "[192.0.2.1]",
		"[IPv6:2001:db8::]": "[IPv6:2001:db8::]",
		"bücher.example":    "bücher.example",
		"my_pc":             "my_pc",
		"(comment)":         "unknown",
		"a;b":               "unknown",
		"a\rb":              "unknown",
		"[":                 "unknown",
		"[]":                "unknown",
		"[a(]":              "unknown",
		"\xff":              "unknown",
		"":                  "unknown",
	} {
		require.Equal(t, want, extendedDomain(hello), "%q", hello)
	}
}

func TestAddressLiteral(t *testing.T) {
	require.Equal(t, "[192.0.2.1]", addressLiteral(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}))
	require.Equal(t, "[IPv6:2001:db8::1]", addressLiteral(&net.TCPAddr{IP: net.ParseIP("2001:db8::1")}))
	require.Equal(t, "unknown", addressLiteral(nil))
}
