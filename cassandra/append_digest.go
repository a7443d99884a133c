package cassandra

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// contentDigest computes, while content is written to it, what the static
// columns of the message say of the content.
type contentDigest struct {
	size   int64
	sha256 hash.Hash

	headSize int    // octets of the header and the blank line
	headDone bool   // the blank line was found
	tail     []byte // the last 3 octets that were written, or fewer
}

func newContentDigest() *contentDigest { return &contentDigest{sha256: sha256.New()} }

// Write adds the next part of the canonical form.
func (d *contentDigest) Write(p []byte) {
	d.sha256.Write(p)
	if !d.headDone {
		d.findHead(p)
	}
	d.size += int64(len(p))
}

var blankLine = []byte("\r\n\r\n")

// findHead looks for the blank line, which may be spread over two parts.
func (d *contentDigest) findHead(p []byte) {
	if d.size == 0 && bytes.HasPrefix(p, blankLine[:2]) {
		d.headSize, d.headDone = 2, true // a message without a header
		return
	}
	seam := append(d.tail, p[:min(len(p), 3)]...)
	if i := bytes.Index(seam, blankLine); i >= 0 {
		d.headSize, d.headDone = int(d.size)-len(d.tail)+i+4, true
		return
	}
	if i := bytes.Index(p, blankLine); i >= 0 {
		d.headSize, d.headDone = int(d.size)+i+4, true
		return
	}
	last := append(d.tail, p[max(0, len(p)-3):]...)
	d.tail = bytes.Clone(last[max(0, len(last)-3):])
}

// head returns the octets of the header and the blank line; without a blank
// line, those of the whole message.
func (d *contentDigest) head() int {
	if d.headDone {
		return d.headSize
	}
	return int(d.size)
}

func (d *contentDigest) sum() []byte { return d.sha256.Sum(nil) }
