package clients

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestLastAnswer sends more after the command that ends the session, as curl
// does for telnet URLs. The server reads it away, so that curl gets the last
// answer and a clean end. If it closed at once, the rest would be answered by a
// reset, which fails curl, and on a slower network costs it the answer.
func TestLastAnswer(t *testing.T) {
	program := need(t, "curl", "curl")
	t.Parallel()
	m := start(t, memory)
	for name, test := range map[string]struct{ commands, answer string }{
		"commands behind QUIT":    {"QUIT\r\n" + strings.Repeat("NOOP\r\n", 30_000), "+OK bye\r\n"},
		"a line that is too long": {strings.Repeat("x", 200_000) + "\r\n", "-ERR line too long\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command(within(t, time.Minute), t.TempDir(), program, "-q", "-sS", "telnet://"+m.pop3)
			cmd.Stdin = strings.NewReader(test.commands)
			if got := run(t, cmd).stdout; !bytes.HasSuffix(got, []byte("\r\n"+test.answer)) {
				t.Errorf("got %.500q, want the greeting and %q", got, test.answer)
			}
		})
	}
}
