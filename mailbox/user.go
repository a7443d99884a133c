package mailbox

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxUserLength is the longest user name, in octets of its canonical form: the
// longest mail address (RFC 5321 section 4.5.3.1).
const MaxUserLength = 320

// CanonicalUser is the canonicaliser that the stores of this module use for
// Open and Append alike, so that mail for Bob@Example.org is found by
// bob@example.org: Unicode normal form C, lower case. Applying it twice changes
// nothing. A name that is empty, longer than [MaxUserLength], not UTF-8, or
// that has control characters can be nobody's and is [ErrNoSuchUser].
func CanonicalUser(user string) (string, error) {
	if !utf8.ValidString(user) {
		return "", fmt.Errorf("%w: the name is not UTF-8", ErrNoSuchUser)
	}
	// Lower case can undo the normal form, and the normal form can bring back
	// what has a lower case: two rounds reach the fixed point.
	canonical := user
	for range 2 {
		canonical = norm.NFC.String(strings.ToLower(canonical))
	}
	switch {
	case canonical == "":
		return "", fmt.Errorf("%w: the name is empty", ErrNoSuchUser)
	case len(canonical) > MaxUserLength:
		return "", fmt.Errorf("%w: the name has %d octets, %d are the limit", ErrNoSuchUser, len(canonical), MaxUserLength)
	case strings.ContainsFunc(canonical, unicode.IsControl):
		return "", fmt.Errorf("%w: the name has control characters", ErrNoSuchUser)
	}
	return canonical, nil
}
