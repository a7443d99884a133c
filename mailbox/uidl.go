package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
)

// MaxUIDLLength is the longest unique-id, in octets (RFC 1939 section 7).
const MaxUIDLLength = 70

// ValidUIDL reports whether s is a legal unique-id: 1 to 70 octets in the range
// 0x21 to 0x7E (RFC 1939 section 7).
func ValidUIDL(s string) bool {
	if len(s) == 0 || len(s) > MaxUIDLLength {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// SafeUIDL returns s if it is a legal unique-id, and otherwise a digest of s,
// which is always the same for the same s.
func SafeUIDL(s string) string {
	if ValidUIDL(s) {
		return s
	}
	return digestUIDL(s)
}

// UIDL returns the unique-id that clients see for m: m.UIDL or, if that is
// empty, m.ID, made legal by [SafeUIDL]. It depends only on the message itself,
// so it never changes.
func UIDL(m Message) string {
	if m.UIDL != "" {
		return SafeUIDL(m.UIDL)
	}
	return SafeUIDL(m.ID)
}

// DistinctUIDL returns the unique-id that a server shows in place of [UIDL] if
// several messages of a listing have the same one, so that a client can tell
// them apart. If the store keeps the rules of [Delivery], it is not needed.
func DistinctUIDL(m Message) string {
	return digestUIDL(UIDL(m) + "\x00" + m.ID)
}

// digestUIDL returns a digest that is short enough to be legal and long enough
// not to collide.
func digestUIDL(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:20])
}
