package mailbox

import (
	"bytes"
	"io"
)

// TopReader reads what TOP sends of a message: its header, the blank line, and
// the first lines of its body (RFC 1939 section 7). Any line ends will do. It
// stops reading the source there.
type TopReader struct {
	source   io.Reader
	lines    int
	inBody   bool
	lineSize int  // octets of the current header line, CR and LF not counted
	sawCR    bool // the last octet was a CR
	done     bool
}

// NewTopReader cuts source after lines lines of the body; 0 means the header
// alone.
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
		return n, nil // what the source says behind the cut is nobody's concern
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

// count notes whether the current line has content: a CR is none when the LF
// comes right after it.
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

// lineEnd tells whether the line that just ended was the last one wanted.
func (r *TopReader) lineEnd() bool {
	if r.inBody {
		r.lines--
	} else {
		r.inBody = r.lineSize == 0
		r.lineSize, r.sawCR = 0, false
	}
	return r.inBody && r.lines <= 0
}
