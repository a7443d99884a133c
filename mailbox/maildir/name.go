package maildir

import (
	"encoding/base64"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// A file name is
//
//	ID [,S=octets] [,W=octets] [,UIDL=unique-id] [:2,flags]
//
// and the ID, by the Maildir specification, is
//
//	seconds.M<microseconds>P<process>Q<delivery>R<random>.host
const (
	fieldSeparator = ','
	sizeField      = "S="    // octets of the file
	wireField      = "W="    // octets of the canonical form
	uidlField      = "UIDL=" // not U=, which offlineimap and mbsync use
)

// infoSeparator stands before the flags. Windows allows no colon in names.
var infoSeparator = func() byte {
	if runtime.GOOS == "windows" {
		return ';'
	}
	return ':'
}()

// idOf returns the ID of the file called name, empty if it has none.
func idOf(name string) string {
	if strings.HasPrefix(name, ".") {
		return ""
	}
	for i := range len(name) {
		if name[i] == fieldSeparator || name[i] == infoSeparator {
			return name[:i]
		}
	}
	return name
}

// timeOf returns the time of delivery in an ID, in microseconds since 1970: 0
// if the ID has none, and the largest int64 if the number is out of range.
func timeOf(id string) int64 {
	seconds, rest := leadingNumber(id)
	if seconds > math.MaxInt64/1_000_000-1 {
		return math.MaxInt64
	}
	micros := seconds * 1_000_000
	unique, isSpec := strings.CutPrefix(rest, ".")
	if !isSpec {
		return micros
	}
	unique, _, _ = strings.Cut(unique, ".")
	if at := strings.IndexByte(unique, 'M'); at >= 0 {
		fraction, _ := leadingNumber(unique[at+1:])
		micros += min(fraction, 999_999)
	}
	return micros
}

// leadingNumber reads the decimal number that s begins with. A larger one than
// fits is the largest int64.
func leadingNumber(s string) (n int64, rest string) {
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		digit := int64(s[0] - '0')
		if n > (math.MaxInt64-digit)/10 {
			n = math.MaxInt64
		} else {
			n = n*10 + digit
		}
		s = s[1:]
	}
	return n, s
}

// fields are what a file name says after the ID. A size that is missing, or that
// cannot be true, is -1.
type fields struct {
	file int64  // S=
	wire int64  // W=
	uidl string // UIDL=
}

func fieldsOf(name string) fields {
	f := fields{file: -1, wire: -1}
	rest := name[len(idOf(name)):]
	if end := strings.IndexByte(rest, infoSeparator); end >= 0 {
		rest = rest[:end]
	}
	for field := range strings.SplitSeq(rest, ",") {
		switch {
		case strings.HasPrefix(field, sizeField):
			f.file = parseSize(field[len(sizeField):])
		case strings.HasPrefix(field, wireField):
			f.wire = parseSize(field[len(wireField):])
		case strings.HasPrefix(field, uidlField):
			f.uidl = decodeUIDL(field[len(uidlField):])
		}
	}
	if f.file >= 0 && !f.plausible(f.file) {
		f.wire = -1
	}
	return f
}

// plausible reports whether the canonical form of a file of size octets can
// have the size in W=: each octet may be a bare LF, and the last line may lack
// its CRLF.
func (f fields) plausible(size int64) bool {
	return f.wire >= size && f.wire <= 2*size+2
}

// maxSize is far larger than any message. The sum of many still fits an int64.
const maxSize = 1 << 50

func parseSize(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n > maxSize {
		return -1
	}
	return int64(n)
}

// A unique-id is in the name as it is, unless it has a character that a file
// name or its syntax does not allow: then it is written as % and its base64
// form. That is short enough even for the longest (70 octets); an escape for
// each character would not be.
func encodeUIDL(uidl string) string {
	if !strings.ContainsAny(uidl, `%/\,:;<>"|?*`) {
		return uidl
	}
	return "%" + base64.RawURLEncoding.EncodeToString([]byte(uidl))
}

// decodeUIDL returns "" if the unique-id is not legal.
func decodeUIDL(s string) string {
	if encoded, is := strings.CutPrefix(s, "%"); is {
		decoded, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil {
			return ""
		}
		s = string(decoded)
	}
	if !mailbox.ValidUIDL(s) {
		return ""
	}
	return s
}

// fileName is the name of a new message, whose file has the canonical form.
func fileName(id string, size int64, uidl string) string {
	name := fmt.Sprintf("%s,%s%d,%s%d", id, sizeField, size, wireField, size)
	if uidl != "" {
		name += "," + uidlField + encodeUIDL(uidl)
	}
	return name
}
