package mailbox

import (
	"bytes"
	"io"
)

// CanonicalReader turns a message with any line ends into its canonical form,
// the one that POP3 sends and that [Message.Size] counts. It uses 16 KiB of
// memory for a message of any size.
//
// Only LF ends a line: a bare LF becomes CRLF, and a CR that no LF follows is
// content and stays. A message that does not end in a line end gets one (a
// final CR becomes one CRLF). An empty message stays empty.
type CanonicalReader struct {
	source     io.Reader
	buffer     []byte
	start, end int   // of the octets in buffer that were not returned yet
	err        error // of source, after it ended
	last       byte  // the octet that was returned last
	octets     int64
}

// canonicalBuffer is the memory of a CanonicalReader, in octets.
const canonicalBuffer = 16 << 10

// NewCanonicalReader returns a reader of the canonical form of source.
func NewCanonicalReader(source io.Reader) *CanonicalReader {
	return &CanonicalReader{source: source}
}

// Octets returns how many octets were read so far.
func (r *CanonicalReader) Octets() int64 { return r.octets }

// Read implements [io.Reader].
func (r *CanonicalReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.start == r.end && r.err == nil {
		r.fill()
	}
	n := 0
	for n < len(p) && r.start < r.end {
		n += r.emit(p[n:])
	}
	for n < len(p) && r.start == r.end && r.err == io.EOF && r.last != '\n' && r.octets+int64(n) > 0 {
		n += r.emitMissing(p[n:])
	}
	r.octets += int64(n)
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

func (r *CanonicalReader) fill() {
	if r.buffer == nil {
		r.buffer = make([]byte, canonicalBuffer)
	}
	const maxEmptyReads = 100
	for range maxEmptyReads {
		n, err := r.source.Read(r.buffer)
		r.start, r.end, r.err = 0, n, err
		if n > 0 || err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// emit returns the next octets that need no change, or the CR that a bare LF
// lacks.
func (r *CanonicalReader) emit(p []byte) int {
	chunk := r.buffer[r.start:r.end]
	feed := bytes.IndexByte(chunk, '\n')
	switch {
	case feed == 0 && r.last != '\r':
		p[0], r.last = '\r', '\r'
		return 1
	case feed == 0 || feed > 0 && chunk[feed-1] == '\r':
		chunk = chunk[:feed+1]
	case feed > 0:
		chunk = chunk[:feed]
	}
	n := copy(p, chunk)
	r.start += n
	r.last = p[n-1]
	return n
}

// emitMissing returns one octet of the line end that the last line lacks.
func (r *CanonicalReader) emitMissing(p []byte) int {
	if r.last == '\r' {
		p[0] = '\n'
	} else {
		p[0] = '\r'
	}
	r.last = p[0]
	return 1
}

// Octets reads source to its end and counts the octets of its canonical form.
func Octets(source io.Reader) (int64, error) {
	return io.Copy(io.Discard, NewCanonicalReader(source))
}
