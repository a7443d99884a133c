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

// CanonicalUser returns the canonical form of a user name: Unicode normal form
// C, lower case. The stores of this module use it for Open and Append alike, so
// that bob@example.org finds mail for Bob@Example.org. The canonical form of a
// canonical form is the same.
//
// A name that is empty, longer than [MaxUserLength], or not UTF-8, or that has
// control characters, is one that no user can have: the error is
// [ErrNoSuchUser].
func CanonicalUser(user string) (string, error) {
	if !utf8.ValidString(user) {
		return "", fmt.Errorf("%w: the name is not UTF-8", ErrNoSuchUser)
	}
	// Lower case can undo the normal form, and the normal form can bring back a
	// letter that has a lower case. Two rounds reach the fixed point.
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
