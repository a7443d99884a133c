package secret_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/secret"
)

var (
	formOf   = regexp.MustCompile(`^[ \t]*\{([A-Za-z0-9._-]+)\}`)
	hashForm = regexp.MustCompile(`^[ \t]*\$[^$]+\$`)
	shown    = regexp.MustCompile(`^(\{[A-Z0-9-]+\} )+$`)
)

// FuzzParse reads any text. What is taken is written so that it reads as the same
// secret, and shows nothing of itself; a text without a form is a password as it
// stands, and what begins like a hash never is one.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "b", " b ", "{PLAIN}b", "{plain} {BCRYPT}b ", "{}b", "{PLAIN", "\t{PLAIN}x", "{PLAIN}", "{a b}c", "{" + strings.Repeat("hunter2", 20) + "}", "$", "$1", "$1$salt$hash", " $2a$04$short",
		bobsHash, " " + bobsHash + "\t", "{BCRYPT} " + bobsHash, "{blf-crypt}" + strings.Replace(bobsHash, "$2a$", "$2y$", 1), "{BCRYPT}" + strings.Replace(bobsHash, "$04$", "$99$", 1),
		keys256, " " + keys256 + "\v", keys256 + " " + keys256, strings.Replace(keys256, "4096", "+1", 1), strings.Replace(keys256, "256}4096", "1}4096", 1), strings.ToLower(keys256[:13]) + keys256[13:],
		keys256 + " {scram-sha-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := secret.Parse(text)
		form := formOf.FindStringSubmatch(text)
		plain, isPlain := s.Plain()
		switch {
		case form == nil && !hashForm.MatchString(text):
			require.Equal(t, text, plain)
			require.Equal(t, text != "", err == nil)
		case form != nil && strings.EqualFold(form[1], "PLAIN"):
			require.Equal(t, text[len(form[0]):], plain)
			require.Equal(t, plain != "", err == nil)
		default:
			require.False(t, isPlain)
		}
		if err != nil {
			require.Equal(t, secret.Secret{}, s)
			require.LessOrEqual(t, len(err.Error()), 200, "it quotes the text")
			return
		}
		require.Regexp(t, shown, s.String()+" ")
		again, err := secret.Parse(s.Encode())
		require.NoError(t, err)
		require.Equal(t, s, again)
		require.Equal(t, s.Encode(), again.Encode())
	})
}
