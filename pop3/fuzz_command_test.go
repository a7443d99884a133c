package pop3_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// recorder is an authenticator that accepts and records every login.
type recorder struct{ logins []mailbox.Login }

func (r *recorder) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	r.logins = append(r.logins, login)
	return "demo", nil
}

// FuzzSASL sends any octets in place of base64, as an initial response and as a
// continuation. A PLAIN response (RFC 4616) reaches the authenticator if and
// only if it is well-formed, and octet for octet.
func FuzzSASL(f *testing.F) {
	encode := base64.StdEncoding.EncodeToString
	for _, response := range []string{
		"", "\x00", "\x00\x00", "\x00demo\x00secret", "demo\x00demo\x00secret", "other\x00demo\x00secret", "\x00demo\x00", "\x00\x00secret",
		"a\x00b\x00c\x00d", "\x00d\r\nQUIT\x00s", "\x00\xff\xfe\x00\x01",
	} {
		f.Add([]byte(encode([]byte(response))), true)
		f.Add([]byte(encode([]byte(response))), false)
		f.Add([]byte(response), true)
	}
	for _, raw := range []string{"*", "=", "==", "====", "A", "AA", "AAA", "AGRlbW8Ac2VjcmV0=", "AGRlbW8Ac2VjcmV0 ", " AGRlbW8Ac2VjcmV0", "AGRlbW8A\rc2VjcmV0", "AGRlbW8Ac2VjcmV1B"} {
		f.Add([]byte(raw), true)
		f.Add([]byte(raw), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, initial bool) {
		if bytes.ContainsAny(text, "\n") || bytes.HasSuffix(text, []byte("\r")) || len(text) > 60000 {
			t.Skip("that is two lines, or too long a one")
		}
		line := "AUTH PLAIN\r\n" + string(text) + "\r\n"
		if initial {
			line = "AUTH PLAIN " + string(text) + "\r\n"
		}
		want := plainLogin(text, initial)
		var got recorder
		conn := newScript([]byte(line), 0)
		insecure(pop3.Login(&got, new(memory.Store))).ServeConn(t.Context(), conn)
		output := conn.out.String()
		if want == nil {
			require.Empty(t, got.logins, "%q reached the authenticator", text)
			require.NotContains(t, output, "+OK maildrop")
			return
		}
		require.Len(t, got.logins, 1, "%q: %s", text, output)
		login := got.logins[0]
		require.Equal(t, want, []string{login.AuthorizationID, login.User, login.Password})
	})
}

// plainLogin parses a PLAIN response by its definition. It is nil if the
// response is not well-formed, or has no password. An authorization identity that is the user's own
// counts as none.
func plainLogin(text []byte, initial bool) []string {
	if initial {
		text = bytes.Trim(text, " ")
		if bytes.IndexByte(text, 0) >= 0 {
			return nil
		}
	}
	octets, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || bytes.ContainsAny(text, "\r\n") {
		return nil
	}
	parts := strings.Split(string(octets), "\x00")
	if len(parts) != 3 || !utf8.Valid(octets) || parts[1] == "" || parts[2] == "" || strings.ContainsFunc(parts[0]+parts[1], unicode.IsControl) {
		return nil
	}
	if parts[0] == parts[1] {
		parts[0] = ""
	}
	return parts
}

// FuzzNumbers sends any text in place of a message number. Only decimal digits
// are a number, and none wraps around.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{
		"1", "2", "3", "4", "0", "00", "01", "-1", "+1", "1 ", " 1", "1x", "0x1", "1e0", "1.0", "1 2", "\t1", "१", "",
		"2147483647", "2147483648", "4294967297", "18446744073709551617", strings.Repeat("0", 100) + "1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\n\x00") || len(text) > 2000 {
			t.Skip("not an argument")
		}
		valid := false
		digits := strings.Trim(text, " ")
		if regexp.MustCompile(`^[0-9]+$`).MatchString(digits) {
			n, _ := new(big.Int).SetString(digits, 10)
			valid = n.Cmp(big.NewInt(1)) == 0 // the maildrop has one message
		}
		for _, verb := range []string{"RETR", "DELE", "LIST", "UIDL"} {
			if digits == "" && (verb == "LIST" || verb == "UIDL") {
				continue // without a number they list all messages
			}
			answer := answers(t, &oneMessage{body: []byte("x")}, verb+" "+text+"\r\n")
			require.Equal(t, valid, strings.HasPrefix(answer, "+OK"), "%s %q: %q", verb, text, answer)
		}
		answer := answers(t, &oneMessage{body: []byte("x")}, "TOP "+text+" 0\r\n")
		require.Equal(t, valid, strings.HasPrefix(answer, "+OK"), "TOP %q 0: %q", text, answer)
	})
}
