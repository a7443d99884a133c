package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Text is a message that names its writer.
type Text struct {
	Body
	UIDL   string // the foreign unique-id that it comes with; "" for none
	octets string
}

// Write returns a message of about size octets. Some of its lines begin with a
// dot.
func Write(writer string, seq, size int, random *rand.Rand) Text {
	var payload strings.Builder
	for payload.Len() < size {
		if random.IntN(8) == 0 {
			payload.WriteByte('.')
		}
		for range 1 + random.IntN(4) {
			payload.WriteString(strconv.FormatUint(random.Uint64(), 36))
		}
		payload.WriteString("\r\n")
	}
	body := Body{Writer: writer, Seq: seq, Hash: hash(writer, seq, payload.String())}
	octets := fmt.Sprintf("Subject: faults\r\nX-Writer: %s\r\nX-Seq: %d\r\nX-Hash: %s\r\n\r\n%s", writer, seq, body.Hash, payload.String())
	return Text{Body: body, octets: octets}
}

// hash returns the hash of a message without the line that has it.
func hash(writer string, seq int, payload string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s %d %s", writer, seq, payload)))
	return hex.EncodeToString(sum[:16])
}

// read returns which message a text is, and what is wrong with it, if anything
// is.
func read(octets string, listed int64) (body Body, torn string) {
	if int64(len(octets)) != listed {
		torn = fmt.Sprintf("%d octets, %d are listed", len(octets), listed)
	}
	header, payload, ok := strings.Cut(octets, "\r\n\r\n")
	if !ok {
		return body, "there is no header"
	}
	for line := range strings.SplitSeq(header, "\r\n") {
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "X-Writer":
			body.Writer = value
		case "X-Seq":
			body.Seq, _ = strconv.Atoi(value)
		case "X-Hash":
			body.Hash = value
		}
	}
	if got := hash(body.Writer, body.Seq, payload); got != body.Hash {
		torn = fmt.Sprintf("the hash is %s, the message says %q", got, body.Hash)
	}
	return body, torn
}
