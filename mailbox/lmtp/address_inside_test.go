package lmtp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// RFC 5321 section 4.1.2, and what senders make of it.
func TestParsePath(t *testing.T) {
	longest := strings.Repeat("l", mailbox.MaxUserLength-len("@example.org"))
	for text, want := range map[string]struct {
		address, rest string
	}{
		"<>":                                   {"", ""},
		"<> SIZE=1":                            {"", " SIZE=1"},
		"<a@example.org>":                      {"a@example.org", ""},
		"<a@example.org> SIZE=1 BODY=7BIT":     {"a@example.org", " SIZE=1 BODY=7BIT"},
		"<postmaster>":                         {"postmaster", ""},
		"<root>":                               {"root", ""},
		"<a.b+c=d!#$%&'*-/?^_`{|}~@x.example>": {"a.b+c=d!#$%&'*-/?^_`{|}~@x.example", ""},
		"<a..b@example.org>":                   {"a..b@example.org", ""},
		"<.a.@example.org>":                    {".a.@example.org", ""},
		"<zoë@bücher.example>":                 {"zoë@bücher.example", ""},
		"<a@[192.0.2.1]>":                      {"a@[192.0.2.1]", ""},
		"<a@[IPv6:2001:db8::1]>":               {"a@[IPv6:2001:db8::1]", ""},
		"<a@my_pc>":                            {"a@my_pc", ""},
		`<"a b"@example.org>`:                  {"a b@example.org", ""},
		`<"a\"b\\"@example.org>`:               {`a"b\@example.org`, ""},
		`<"a@b>"@example.org>`:                 {"a@b>@example.org", ""},
		`<"a"@example.org>`:                    {"a@example.org", ""},
		`<"a">`:                                {"a", ""},
		"<@one.example,@two.example:a@b.example>": {"a@b.example", ""},
		"a@example.org":                 {"a@example.org", ""},
		"a@example.org SIZE=1":          {"a@example.org", " SIZE=1"},
		"<" + longest + "@example.org>": {longest + "@example.org", ""},
	} {
		a, rest, ok := parsePath(text)
		require.True(t, ok, text)
		require.Equal(t, want.address, a.String(), text)
		require.Equal(t, want.rest, rest, text)
	}
	for _, text := range []string{
		"", " ", "<", "<a", "<a@", "<a@>", "<@example.org>", "<@>", "<a@b@example.org>", "<a b@example.org>",
		"<a@exa mple.org>", "<a@example.org>x", "<<a@example.org>>", "<a@example.org", `<"a@example.org>`, `<"a\`,
		`<""@example.org>`, `<"a"b@example.org>`, "<a@[192.0.2.1>", "<a@[]>", "<a@ex(c)ample.org>", "<a,b@example.org>",
		"<a;b@example.org>", "<a:b@example.org>", "<a\x00@example.org>", "<a\rb@example.org>", "<\"a\rb\"@example.org>",
		"<\xff@example.org>", "<a@\xff>", "<@one.example a@b.example>", "<@one.example:>", "<@one.example:@b.example>", "<l" + longest + "@example.org>", "a@b>",
	} {
		a, _, ok := parsePath(text)
		require.False(t, ok, "%q is %q", text, a)
	}
}

// What was parsed is written so that it parses again.
func TestPathIsWrittenAsItIsRead(t *testing.T) {
	for _, test := range []struct {
		address address
		want    string
	}{
		{address{}, ""},
		{address{"a", "example.org"}, "a@example.org"},
		{address{"postmaster", ""}, "postmaster"},
		{address{"a.b+c!#$%&'*-/=?^_`{|}~", "example.org"}, "a.b+c!#$%&'*-/=?^_`{|}~@example.org"},
		{address{"zoë", "example.org"}, "zoë@example.org"},
		{address{"a b", "example.org"}, `"a b"@example.org`},
		{address{"a@b", "example.org"}, `"a@b"@example.org`},
		{address{`a"\b`, "example.org"}, `"a\"\\b"@example.org`},
		{address{".a", "example.org"}, `".a"@example.org`},
		{address{"a..b", "example.org"}, `"a..b"@example.org`},
		{address{"a b", ""}, `"a b"`},
	} {
		require.Equal(t, test.want, test.address.path())
		again, rest, ok := parsePath("<" + test.want + ">")
		require.True(t, ok)
		require.Empty(t, rest)
		require.Equal(t, test.address, again)
	}
}
