package lmtp

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/popcask/popcask/mailbox"
)

// address is what stands between < and > (RFC 5321 section 4.1.2). Quotes and
// backslashes of its local part are removed, and so is a source route (appendix
// C). The empty path has neither part.
type address struct {
	local, domain string // domain is "" if there was no @
}

// String returns local@domain, or local alone.
func (a address) String() string {
	if a.domain == "" {
		return a.local
	}
	return a.local + "@" + a.domain
}

// clone returns the same address without the line of which it is a part: a line may
// be long.
func (a address) clone() address {
	return address{strings.Clone(a.local), strings.Clone(a.domain)}
}

// isEmpty reports whether it is that of <>, the sender of bounces.
func (a address) isEmpty() bool { return a == address{} }

// isPostmaster reports whether it is the one that needs no domain (RFC 5321
// section 4.5.1).
func (a address) isPostmaster() bool {
	return a.domain == "" && strings.EqualFold(a.local, "postmaster")
}

// parsePath reads a path at the beginning of text, and returns what follows it.
// Without < and > it reads to the next blank.
func parsePath(text string) (a address, rest string, ok bool) {
	text, bracket := strings.CutPrefix(text, "<")
	if bracket {
		text = withoutRoute(text)
	}
	local, text, ok := parseLocal(text, bracket)
	if !ok {
		return a, "", false
	}
	a.local = local
	if after, has := strings.CutPrefix(text, "@"); has && local != "" {
		if a.domain, text = parseDomain(after); a.domain == "" {
			return a, "", false
		}
	}
	if bracket {
		rest, ok = strings.CutPrefix(text, ">")
		text = rest
	} else if a.isEmpty() {
		ok = false
	}
	if !ok || text != "" && text[0] != ' ' {
		return a, "", false
	}
	return a, text, len(a.String()) <= mailbox.MaxUserLength
}

// withoutRoute leaves out "@one.example,@two.example:" at the beginning.
func withoutRoute(text string) string {
	if !strings.HasPrefix(text, "@") {
		return text
	}
	route, rest, found := strings.Cut(text, ":")
	if !found || strings.ContainsAny(route, "<>\" ") || strings.HasPrefix(rest, ">") {
		return text // it is no path
	}
	return rest
}

// parseLocal reads a local part, quoted or not.
func parseLocal(text string, bracket bool) (local, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		return parseQuoted(text[1:])
	}
	end := strings.IndexFunc(text, func(r rune) bool {
		return r == '@' || r == ' ' || bracket && r == '>'
	})
	if end < 0 {
		end = len(text)
	}
	local = text[:end]
	return local, text[end:], isText(local) && !strings.ContainsAny(local, `<>"\,;:()[]`)
}

// parseQuoted reads the rest of a quoted string.
func parseQuoted(text string) (local, rest string, ok bool) {
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			local = plain.String()
			return local, text[i+1:], local != "" && isText(local)
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		plain.WriteByte(text[i])
	}
	return "", "", false
}

// parseDomain reads a domain, or an address literal such as [192.0.2.1].
func parseDomain(text string) (domain, rest string) {
	if strings.HasPrefix(text, "[") {
		end := strings.IndexByte(text, ']')
		if end < 0 || !isDomain(strings.ReplaceAll(text[1:end], ":", "")) {
			return "", ""
		}
		return text[:end+1], text[end+1:]
	}
	end := strings.IndexFunc(text, func(r rune) bool { return r == '>' || r == ' ' })
	if end < 0 {
		end = len(text)
	}
	if !isDomain(text[:end]) {
		return "", ""
	}
	return text[:end], text[end:]
}

// path writes an address as it stands between < and >.
func (a address) path() string {
	local := a.local
	if !a.isEmpty() && !isDotString(local) {
		local = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"`
	}
	return address{local, a.domain}.String()
}

// isDotString reports whether a local part needs no quotes (RFC 5321 section
// 4.1.2, with the non-ASCII of RFC 6531).
func isDotString(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool {
			return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
		}) {
			return false
		}
	}
	return true
}

// maxDomain is the longest domain in octets (RFC 5321 section 4.5.3.1.2).
const maxDomain = 255

// isDomain reports whether name has the characters of a host name only, or
// underscores.
func isDomain(name string) bool {
	return name != "" && len(name) <= maxDomain && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune(".-_", r)
	})
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' ||
		r >= utf8.RuneSelf && unicode.IsPrint(r)
}

// isText reports whether s is UTF-8 without control characters.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
