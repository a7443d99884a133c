package mailbox_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

func TestCanonicalUserFindsBob(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"bob@example.org", "bob@example.org"},
		{"Bob@Example.ORG", "bob@example.org"},
		{"jose\u0301", "jos\u00e9"},
		{"JOSE\u0301", "jos\u00e9"},
		{"\u212b", "\u00e5"}, // ANGSTROM SIGN
		{"\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c3"},
		{"bob smith", "bob smith"},
		{"../x", "../x"}, // a store must take it
		{strings.Repeat("X", mailbox.MaxUserLength), strings.Repeat("x", mailbox.MaxUserLength)},
	} {
		out, err := mailbox.CanonicalUser(c.in)
		require.NoError(t, err, "%q", c.in)
		require.Equal(t, c.out, out, "%+q", c.in)
	}
}

func TestCanonicalUserRefusesImpossibleNames(t *testing.T) {
	for _, name := range []string{
		"", "\x00", "bob\x00", "bob\r\n", "\t", "\x7f", "\u0085", "bob\xff", "\xc0\xaf",
		strings.Repeat("x", mailbox.MaxUserLength+1),
		strings.Repeat("\u00e9", mailbox.MaxUserLength/2+1), // octets, not letters
	} {
		out, err := mailbox.CanonicalUser(name)
		require.ErrorIs(t, err, mailbox.ErrNoSuchUser, "%q", name)
		require.Empty(t, out)
	}
}

func canonicalTwice(t require.TestingT, name string) {
	once, err := mailbox.CanonicalUser(name)
	if err != nil {
		require.ErrorIs(t, err, mailbox.ErrNoSuchUser)
		return
	}
	twice, err := mailbox.CanonicalUser(once)
	require.NoError(t, err, "%+q", name)
	require.Equal(t, once, twice, "%+q", name)
	require.True(t, norm.NFC.IsNormalString(once), "%+q", name)
	require.True(t, utf8.ValidString(once))
}

func TestCanonicalUserTwiceChangesNothing(t *testing.T) {
	marks := rapid.RuneFrom(nil, unicode.Mn, unicode.Lu, unicode.Lt)
	rapid.Check(t, func(t *rapid.T) {
		canonicalTwice(t, rapid.OneOf(
			rapid.String(),
			rapid.StringOf(marks),
			rapid.StringOf(rapid.OneOf(marks, rapid.Rune())),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "name"))
	})
}

// This tries every letter that has a case or a composition, alone and with the
// marks that compose with letters. Hangul has neither case nor marks.
func TestCanonicalUserTwiceChangesNothingForEveryLetter(t *testing.T) {
	marks := []string{"", "\u0300", "\u0301", "\u0307", "\u0308", "\u030a", "\u0323", "\u0327", "\u0328", "\u0331", "\u0342", "\u0345", "\u0313\u0345", "\u0323\u0307", "\u0307\u0323"}
	for r := rune(0); r < 0x20000; r++ { // after these come ideographs and nothing with a case
		letter := string(r)
		if !utf8.ValidRune(r) || unicode.Is(unicode.Hangul, r) || unicode.ToLower(r) == r && norm.NFD.IsNormalString(letter) {
			continue
		}
		for _, mark := range marks {
			once, err := mailbox.CanonicalUser(letter + mark)
			if err != nil {
				continue
			}
			if twice, _ := mailbox.CanonicalUser(once); twice != once {
				t.Fatalf("%+q becomes %+q and then %+q", letter+mark, once, twice)
			}
		}
	}
}
