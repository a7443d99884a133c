package clients

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMpop(t *testing.T) {
	program := need(t, "mpop", "mpop")
	over(t, durableStores, func(t *testing.T, m *mda) {
		for _, way := range []struct {
			name, user, port, options string
			mbox, keep                bool
			messages                  int // besides the corpus
		}{
			{"STLS, pipelining, maildir, keep", anna, port(m.pop3), "tls on\ntls_starttls on\npipelining on\nauth plain", false, true, 200},
			{"POP3S, no pipelining, mbox, no keep", bert, port(m.pop3s), "tls on\ntls_starttls off\npipelining off\nauth user", true, false, 50},
			{"POP3, pipelining as CAPA says, APOP, maildir, no keep", cleo, port(m.pop3), "tls off\npipelining auto\nauth apop", false, false, 50},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				sent := slices.Concat(tolerant(corpus("mpop."+way.user)), many(way.messages, way.user))
				m.deliver(t, way.user, sent)

				home := t.TempDir()
				maildir, mbox := filepath.Join(home, "Maildir"), filepath.Join(home, "mbox")
				delivery := "maildir " + maildir
				for _, dir := range []string{"cur", "new", "tmp"} {
					write(t, filepath.Join(maildir, dir, ".keep"), "")
				}
				if way.mbox {
					delivery = "mbox " + mbox
				}
				config := write(t, filepath.Join(home, "mpoprc"), mpopConfig(t, way.user, way.port, way.options, way.keep, filepath.Join(home, "uidls"), delivery))
				fetch := func() {
					t.Helper()
					run(t, command(within(t, 2*time.Minute), home, program, "-C", config, "--quiet"))
				}
				messages := func() [][]byte {
					if way.mbox {
						return mboxrd(t, read(t, mbox))
					}
					return slices.DeleteFunc(files(t, filepath.Join(maildir, "new")), func(text []byte) bool { return len(text) == 0 })
				}
				fetch()
				same(t, messages(), sent, unix)

				left := 0
				if way.keep {
					left = len(sent)
				}
				if got := len(m.maildrop(t, way.user)); got != left {
					t.Errorf("%d messages on the server afterwards, want %d", got, left)
				}
				more := many(3, "more."+way.user)
				m.deliver(t, way.user, more)
				fetch()
				same(t, messages(), slices.Concat(sent, more), unix)
			})
		}
		t.Run("unknown CA", func(t *testing.T) { mpopRefusesCertificate(t, program, m) })
	}, octetFlags...)
}

// mpopRefusesCertificate connects with a trust file that does not have the
// test's CA.
func mpopRefusesCertificate(t *testing.T, program string, m *mda) {
	t.Parallel()
	const unavailable = 69 // EX_UNAVAILABLE, or another code that is not 0
	out := run(t, command(within(t, 2*time.Minute), t.TempDir(), program, "-C", "/dev/null", "--host", host,
		"--port", port(m.pop3s), "--tls=on", "--tls-starttls=off", "--tls-trust-file=/etc/ssl/certs/ca-certificates.crt", "--serverinfo"), unavailable, 76, 68)
	if !strings.Contains(string(out.stderr), "certificate") {
		t.Errorf("%s", out.stderr)
	}
}

// mpopConfig is mpop's run-control file.
func mpopConfig(t *testing.T, user, port, options string, keep bool, uidls, delivery string) string {
	onOrOff := map[bool]string{true: "on", false: "off"}
	return fmt.Sprintf(`
account default
host %s
port %s
timeout 30
user %s
password %s
tls_trust_file %s
%s
only_new on
keep %s
uidls_file %s
received_header off
delivery %s
`, host, port, user, secrets[user], certificates(t).ca, options, onOrOff[keep], uidls, delivery)
}

// mboxrd returns the messages of an mbox whose "From " lines are quoted
// reversibly and that has a blank line after each message.
func mboxrd(t *testing.T, mbox []byte) [][]byte {
	t.Helper()
	var messages [][]byte
	parts := strings.Split("\n\n"+string(mbox), "\n\nFrom ")
	if parts[0] != "" {
		t.Errorf("the mbox begins with %.100q", parts[0])
	}
	for i, part := range parts[1:] {
		_, text, _ := strings.Cut(part, "\n") // the rest of the From_ line
		if i < len(parts)-2 {
			text += "\n\n"
		}
		text, blank := strings.CutSuffix(text, "\n\n")
		if !blank {
			t.Errorf("a message in the mbox does not end in a blank line: %.300q", part)
		}
		messages = append(messages, unquoteFrom(text+"\n"))
	}
	return messages
}

// unquoteFrom removes one ">" from each line that begins with one or more of
// them and "From ".
func unquoteFrom(text string) []byte {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ">") && strings.HasPrefix(strings.TrimLeft(line, ">"), "From ") {
			lines[i] = line[1:]
		}
	}
	return []byte(strings.Join(lines, ""))
}
