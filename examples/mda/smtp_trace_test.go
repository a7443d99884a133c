package main

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 5321 section 4.4.
func TestTraceFields(t *testing.T) {
	mx := &trace{host: "mx.example.org"}
	by := hop{
		hello:    "client.example",
		remote:   &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711},
		protocol: "ESMTPS",
		id:       "ABCDEFGHIJKLMNOP",
		time:     time.Date(2026, 11, 24, 8, 5, 6, 0, time.FixedZone("", 3600)),
	}
	alice, bob := recipient{address: "Alice@example.org"}, recipient{address: "bob@example.org"}

	t.Run("one recipient", func(t *testing.T) {
		require.Equal(t, "Return-Path: <sender@example.net>\r\n"+
			"Delivered-To: Alice@example.org\r\n"+
			"Received: from client.example ([192.0.2.1])\r\n"+
			"\tby mx.example.org with ESMTPS id ABCDEFGHIJKLMNOP\r\n"+
			"\tfor <Alice@example.org>;\r\n"+
			"\tTue, 24 Nov 2026 08:05:06 +0100\r\n",
			mx.header(by, envelope{from: "sender@example.net", to: []recipient{alice}}, alice))
	})
	t.Run("a bounce for two", func(t *testing.T) {
		require.Equal(t, "Return-Path: <>\r\n"+
			"Delivered-To: bob@example.org\r\n"+
			"Received: from client.example ([192.0.2.1])\r\n"+
			"\tby mx.example.org with ESMTPS id ABCDEFGHIJKLMNOP;\r\n"+
			"\tTue, 24 Nov 2026 08:05:06 +0100\r\n",
			mx.header(by, envelope{to: []recipient{alice, bob}}, bob))
	})
	t.Run("not wanted", func(t *testing.T) {
		require.Empty(t, newTrace(false).header(by, envelope{to: []recipient{alice}}, alice))
	})
}

func TestWithValue(t *testing.T) {
	for _, test := range []struct {
		protocol        string
		utf8, encrypted bool
		want            string
	}{
		{"LMTP", false, false, "LMTP"},
		{"LMTP", false, true, "LMTPS"},
		{"LMTP", true, false, "UTF8LMTP"},
		{"LMTP", true, true, "UTF8LMTPS"},
		{"SMTP", false, false, "ESMTP"},
		{"SMTP", false, true, "ESMTPS"},
		{"SMTP", true, false, "UTF8SMTP"},
		{"SMTP", true, true, "UTF8SMTPS"},
	} {
		require.Equal(t, test.want, withValue(test.protocol, test.utf8, test.encrypted))
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

// RFC 5321 section 4.1.2.
func TestPath(t *testing.T) {
	for address, want := range map[string]string{
		"":                        "",
		"a@example.org":           "a@example.org",
		"a.b+c!#$%&'*-/=?^_`{|}~": "a.b+c!#$%&'*-/=?^_`{|}~",
		"a.b+c=d@example.org":     "a.b+c=d@example.org",
		"zoë@example.org":         "zoë@example.org",
		"a b@example.org":         `"a b"@example.org`,
		"a@b@example.org":         `"a@b"@example.org`,
		`a"\b@example.org`:        `"a\"\\b"@example.org`,
		".a@example.org":          `".a"@example.org`,
		"a..b@example.org":        `"a..b"@example.org`,
		"@example.org":            `""@example.org`,
	} {
		require.Equal(t, want, path(address))
	}
}
