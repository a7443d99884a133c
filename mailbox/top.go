package mailbox

import (
	"bytes"
	"io"
)

// TopReader reads what TOP sends of a message: its header, the blank line, and
// the first lines of its body (RFC 1939 section 7). The message may have any
// line ends. TopReader does not read the source further than that.
type TopReader struct {
	source   io.Reader
	lines    int
	inBody   bool
	lineSize int  // octets of the current header line, CR and LF not counted
	sawCR    bool // the last octet was a CR
	done     bool
}

// NewTopReader returns a reader of source that ends after so many lines of the
// body. 0 or less means the header and the blank line only.
func NewTopReader(source io.Reader, lines int) *TopReader {
	return &TopReader{source: source, lines: lines}
}

// Read implements [io.Reader].
func (r *TopReader) Read(p []byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	n, err := r.source.Read(p)
	n = r.keep(p[:n])
	if r.done {
		return n, nil // an error of the source after the cut does not matter
	}
	return n, err
}

// keep returns how much of p belongs to the top.
func (r *TopReader) keep(p []byte) int {
	at := 0
	for at < len(p) {
		feed := bytes.IndexByte(p[at:], '\n')
		if feed < 0 {
			r.count(p[at:])
			return len(p)
		}
		r.count(p[at : at+feed])
		at += feed + 1
		if r.lineEnd() {
			r.done = true
			return at
		}
	}
	return at
}

// count counts octets of the current header line. A CR counts only if no LF
// follows it.
func (r *TopReader) count(p []byte) {
	if len(p) == 0 || r.inBody {
		return
	}
	if r.sawCR {
		r.lineSize++
		r.sawCR = false
	}
	r.lineSize += len(p)
	if p[len(p)-1] == '\r' {
		r.lineSize--
		r.sawCR = true
	}
}

// lineEnd reports whether the line that has just ended was the last one wanted.
func (r *TopReader) lineEnd() bool {
	if r.inBody {
		r.lines--
	} else {
		r.inBody = r.lineSize == 0
		r.lineSize, r.sawCR = 0, false
	}
	return r.inBody && r.lines <= 0
}
