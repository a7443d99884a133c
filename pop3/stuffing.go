package pop3

import (
	"bytes"
	"io"
)

// stuffer writes a message as the body of a multi-line response (RFC 1939
// section 3): every line ends in CRLF, and a line that begins with the
// termination octet gets a second one. It takes messages with any line ends, by
// the rules of [mailbox.CanonicalReader], and passes stretches that need no
// change on without a copy.
type stuffer struct {
	w         io.Writer
	canonical bool  // the message is in canonical form: look for dots only
	last      byte  // octet that was written
	octets    int64 // of the canonical form, without stuffing
}

var (
	cr       = []byte("\r")
	crlf     = []byte("\r\n")
	dot      = []byte(".")
	dotCRLF  = []byte(".\r\n")
	lineFeed = []byte("\n")
)

// Write implements [io.Writer].
func (s *stuffer) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := s.write(p[written:min(len(p), written+writeStep)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// write writes at least one octet, and writeStep at most.
func (s *stuffer) write(p []byte) (int, error) {
	s.octets += int64(len(p))
	if p[0] == '.' && (s.last == '\n' || s.octets == int64(len(p))) {
		if _, err := s.w.Write(dot); err != nil {
			return 0, err
		}
	}
	if s.canonical {
		return s.writeCanonical(p)
	}
	written := 0 // octets of p
	for at := 0; ; {
		feed := bytes.IndexByte(p[at:], '\n')
		if feed < 0 {
			break
		}
		feed += at
		at = feed + 1
		if feed > 0 && p[feed-1] != '\r' || feed == 0 && s.last != '\r' {
			if err := s.insert(p[written:feed], cr); err != nil {
				return written, err
			}
			written = feed
			s.octets++
		}
		if at < len(p) && p[at] == '.' {
			if err := s.insert(p[written:at], dot); err != nil {
				return written, err
			}
			written = at
		}
	}
	s.last = p[len(p)-1]
	n, err := s.w.Write(p[written:])
	return written + n, err
}

// writeCanonical looks for dots, of which there are far fewer than line ends.
func (s *stuffer) writeCanonical(p []byte) (written int, err error) {
	for at := 1; at < len(p); at++ {
		next := bytes.IndexByte(p[at:], '.')
		if next < 0 {
			break
		}
		if at += next; p[at-1] == '\n' {
			if err := s.insert(p[written:at], dot); err != nil {
				return written, err
			}
			written = at
		}
	}
	s.last = p[len(p)-1]
	n, err := s.w.Write(p[written:])
	return written + n, err
}

// insert writes a stretch of the message, and then the octets that it lacks
// there.
func (s *stuffer) insert(stretch, lacking []byte) error {
	if _, err := s.w.Write(stretch); err != nil {
		return err
	}
	_, err := s.w.Write(lacking)
	return err
}

// close ends the last line, if the message does not, and the response.
func (s *stuffer) close() error {
	end := crlf
	switch {
	case s.octets == 0 || s.last == '\n':
		end = nil
	case s.last == '\r':
		end = lineFeed
	}
	s.octets += int64(len(end))
	return s.insert(end, dotCRLF)
}
