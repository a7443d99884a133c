package clients

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSNail reads mail with s-nail, which logs in by APOP if the greeting has a
// timestamp, and computes with that timestamp after STLS too.
func TestSNail(t *testing.T) {
	program := need(t, "s-nail", "s-nail")
	over(t, allStores, func(t *testing.T, m *mda) {
		for _, way := range []struct{ name, user, scheme, address string }{
			{"STLS", anna, "pop3", m.pop3},
			{"POP3S", bert, "pop3s", m.pop3s},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				sent := slices.Concat(tolerant(corpus("snail."+way.user)), many(20, way.user))
				m.deliver(t, way.user, sent)
				before := m.maildrop(t, way.user)

				home := t.TempDir()
				server := net.JoinHostPort(host, port(way.address))
				inbox := filepath.Join(home, "inbox")
				config := write(t, filepath.Join(home, "mailrc"), snailConfig(t, way.user, server))
				cmd := command(within(t, 2*time.Minute), home, program, "-:u", "-#", "-f", fmt.Sprintf("%s://%s@%s", way.scheme, way.user, server))
				cmd.Env = append(cmd.Env, "MAILRC="+config)
				cmd.Stdin = strings.NewReader(fmt.Sprintf("copy * maildir://%s\ndelete 1\nquit\n", inbox))
				// Its exit code is 0 even if it could not log in.
				t.Logf("s-nail: %s", tail(run(t, cmd).stderr))

				same(t, files(t, filepath.Join(inbox, "new")), sent, snailForm)
				m.awaitAPOP(t, way.user)
				if left := m.maildrop(t, way.user); !slices.Equal(left, before[1:]) {
					t.Errorf("the maildrop afterwards is %v, want %v", left, before[1:])
				}
			})
		}
	}, octetFlags...)
}

// snailConfig is s-nail's run-control file. It verifies the certificate.
func snailConfig(t *testing.T, user, server string) string {
	return fmt.Sprintf(`
set v15-compat
set password-%s@%s='%s'
set pop3-use-starttls pop3-bulk-load
set tls-verify=strict tls-ca-no-defaults tls-ca-file=%s
`, user, server, secrets[user], certificates(t).ca)
}

// snailForm is what s-nail stores of a message: LF ends a line, "From " is
// quoted, and the last line is blank.
func snailForm(text []byte) []byte {
	text = fromLine.ReplaceAll(unix(text), []byte(">From "))
	if !bytes.HasSuffix(text, []byte("\n\n")) {
		text = append(text, '\n')
	}
	return text
}

var fromLine = regexp.MustCompile(`(?m)^From `)
