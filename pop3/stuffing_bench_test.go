package pop3

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"
)

// benchmarkText is 1 MiB of text: lines of ordinary length, one in 32 of them
// beginning with a dot.
func benchmarkText() []byte {
	var text bytes.Buffer
	for i := 0; text.Len() < 1<<20; i++ {
		if i%32 == 0 {
			text.WriteString(".")
		}
		text.WriteString(strings.Repeat("mail and more ", i%6))
		text.WriteString("\r\n")
	}
	return text.Bytes()
}

// benchmarkBase64 is 1 MiB of an attachment: lines of 76 characters.
func benchmarkBase64() []byte {
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("popcask"), 9))[:76] + "\r\n"
	return bytes.Repeat([]byte(line), (1<<20)/len(line))
}

// The cost of byte-stuffing alone: to look for line ends, and for dots only if
// the message is known to be canonical.
func BenchmarkStuffing(b *testing.B) {
	for name, message := range map[string][]byte{"text": benchmarkText(), "base64": benchmarkBase64()} {
		for form, canonical := range map[string]bool{"any": false, "canonical": true} {
			b.Run(name+"/"+form, func(b *testing.B) {
				b.SetBytes(int64(len(message)))
				for b.Loop() {
					s := stuffer{w: io.Discard, canonical: canonical}
					s.Write(message)
					s.close()
				}
			})
		}
	}
}
