package lmtp

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// FuzzAddresses reads any text as a path. It is what the grammar of RFC 5321
// section 4.1.2 has, as a regular expression, and is written so that it reads as
// the same.
func FuzzAddresses(f *testing.F) {
	for _, text := range []string{
		"<>", "<> SIZE=1", "<a@example.org> SIZE=1 BODY=7BIT", "<postmaster>", "<a.b+c=d!#$%&'*-/?^_`{|}~@x.example>", "<zoë@bücher.example>", "<a@[IPv6:2001:db8::1]>", "<a@[::]>", "<a@[]>",
		`<"a b"@example.org>`, `<"a\"b\\"@example.org>`, `<"a@b>"@example.org>x`, `<""@x>`, `<"a`, `<"a\`, "<@one.example,@two.example:a@b.example>", "<@one:>", "<@one: a>", "a@example.org SIZE=1", "a>b@c", "a\"b@c", "@", "", "<a@b@c>",
		"<" + strings.Repeat("l", mailbox.MaxUserLength-2) + "@x>", "<" + strings.Repeat("l", mailbox.MaxUserLength-1) + "@x>", "<\"a\x00\"@x>", "<a@" + strings.Repeat("d", 256) + ">", "<\xff@x>", "<\"\\\xff\"@x>",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, rest, ok := parsePath(text)
		local, domain, want, isOne := naivePath(text)
		require.Equal(t, isOne, ok, "%q is %q", text, a)
		if !ok {
			return
		}
		require.Equal(t, address{local, domain}, a)
		require.Equal(t, want, rest)

		again, _, ok := parsePath("<" + a.path() + ">")
		require.True(t, ok, "%q is written as %q", a, a.path())
		require.Equal(t, a, again)
	})
}

var (
	bracketedPath = regexp.MustCompile(`(?s)^<(?:@[^<>" :]*:)?((?:[^<>"\\,;:()\[\]@ ]+|"(?:[^"\\]|\\.)+")(?:@(\[[^\]]*\]|[^> \[][^> ]*|))?|)>( .*)?$`)
	barePath      = regexp.MustCompile(`(?s)^((?:[^<>"\\,;:()\[\]@ ]+|"(?:[^"\\]|\\.)+")(?:@(\[[^\]]*\]|[^> \[][^> ]*|))?)( .*)?$`)
	routeAlone    = regexp.MustCompile(`^<@[^<>" :]*:>`)
	domainForm    = regexp.MustCompile(`^[-._0-9A-Za-z\x{80}-\x{10FFFF}]{1,255}$`)
)

// naivePath reads a path by its grammar.
func naivePath(text string) (local, domain, rest string, ok bool) {
	path := bracketedPath
	if !strings.HasPrefix(text, "<") {
		path = barePath
	}
	parts := path.FindStringSubmatch(text)
	if parts == nil || routeAlone.MatchString(text) {
		return "", "", "", false
	}
	domain, rest = parts[2], parts[3]
	local = parts[1]
	if i := len(local) - len("@"+domain); domain != "" {
		local = local[:i]
	} else if strings.HasSuffix(local, "@") && !strings.HasSuffix(local, `"`) {
		return "", "", "", false // no domain after the @
	}
	if quoted, is := strings.CutPrefix(local, `"`); is {
		local = regexp.MustCompile(`(?s)\\(.)`).ReplaceAllString(strings.TrimSuffix(quoted, `"`), "$1")
	}
	name := domain
	if literal, is := strings.CutPrefix(domain, "["); is {
		name = strings.ReplaceAll(strings.TrimSuffix(literal, "]"), ":", "")
	}
	whole := address{local, domain}.String()
	printable := !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	return local, domain, rest, utf8.ValidString(local) && utf8.ValidString(name) && len(whole) <= mailbox.MaxUserLength && !strings.ContainsFunc(local, unicode.IsControl) &&
		(domain == "" || domainForm.MatchString(name) && len(name) <= 255 && printable)
}
