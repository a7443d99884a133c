package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fetchmail is a home for fetchmail: its run-control file, the unique-ids that
// it has seen, and a folder that its delivery agent fills.
type fetchmail struct {
	program, home, inbox, rc string
}

// newFetchmail writes the run-control file. server are options of the server
// ("port 110 ..."), user those of the user ("keep ssl ...").
func newFetchmail(t *testing.T, user, server, options string) fetchmail {
	t.Helper()
	f := fetchmail{program: need(t, "fetchmail", "fetchmail"), home: t.TempDir(), inbox: t.TempDir()}
	// The delivery agent writes what fetchmail pipes into it: one file for each
	// message.
	agent := write(t, filepath.Join(f.home, "agent"), fmt.Sprintf("exec cat >\"$(mktemp '%s/XXXXXXXX')\"\n", f.inbox))
	// norewrite, nostripcr and invisible: fetchmail changes as little as
	// possible.
	f.rc = write(t, filepath.Join(f.home, "fetchmailrc"), fmt.Sprintf(`
set no syslog
set no bouncemail
set no spambounce
set invisible
set idfile %q
set pidfile %q
poll %s protocol pop3 uidl timeout 30 %s
	user %q with password '%s' is "popcask" here
	no rewrite no stripcr no forcecr no mimedecode no dropstatus pass8bits
	mda "sh %s"
	%s
`, filepath.Join(f.home, "ids"), filepath.Join(f.home, "pid"), host, server, user, strings.ReplaceAll(secrets[user], `\`, `\\`), agent, options))
	return f
}

// Exit codes of fetchmail.
const (
	fetchmailGotMail = 0
	fetchmailNoMail  = 1
	fetchmailBadTLS  = 2  // "socket error", which a refused certificate is, too
	fetchmailLimited = 13 // the limit was reached, there is more
)

func (f fetchmail) run(t *testing.T, codes ...int) int {
	t.Helper()
	return run(t, command(within(t, 2*time.Minute), f.home, f.program, "-f", f.rc, "--nodetach", "--nosyslog"), codes...).code
}

func (f fetchmail) messages(t *testing.T) [][]byte {
	t.Helper()
	return files(t, f.inbox)
}

// files reads the files of a folder.
func files(t *testing.T, dir string) [][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var texts [][]byte
	for _, entry := range entries {
		texts = append(texts, read(t, filepath.Join(dir, entry.Name())))
	}
	return texts
}

func TestFetchmail(t *testing.T) {
	need(t, "fetchmail", "fetchmail")
	over(t, durableStores, func(t *testing.T, m *mda) {
		verify := fmt.Sprintf("sslcertck sslcertfile %q", certificates(t).ca)
		for _, way := range []struct {
			name, user, server, options string
			keep, limited               bool
			messages                    int // besides the corpus
		}{
			{"STLS, keep", anna, "port " + port(m.pop3), `sslproto "tls1.2+" keep ` + verify, true, false, 200},
			{"POP3S, no keep", bert, "port " + port(m.pop3s), "ssl no keep " + verify, false, false, 50},
			{"POP3, no keep, a session for every 10 messages", cleo, "port " + port(m.pop3), `sslproto "" no keep fetchlimit 100 expunge 10`, false, true, 100},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				sent := slices.Concat(tolerant(corpus("fetchmail."+way.user)), many(way.messages, way.user))
				m.deliver(t, way.user, sent)
				f := newFetchmail(t, way.user, way.server, way.options)
				if way.limited {
					for runs := 1; f.run(t, fetchmailGotMail, fetchmailLimited) == fetchmailLimited; runs++ {
						if runs == 10 {
							t.Fatalf("no end of mail after %d runs", runs)
						}
					}
				} else {
					f.run(t, fetchmailGotMail)
				}
				same(t, f.messages(t), sent, nil)

				left := 0
				if way.keep {
					left = len(sent)
				}
				if got := len(m.maildrop(t, way.user)); got != left {
					t.Errorf("%d messages on the server afterwards, want %d", got, left)
				}
				f.run(t, fetchmailNoMail)
				more := many(3, "more."+way.user)
				m.deliver(t, way.user, more)
				f.run(t, fetchmailGotMail)
				same(t, f.messages(t), slices.Concat(sent, more), nil)
			})
		}
		t.Run("unknown CA", func(t *testing.T) {
			t.Parallel()
			f := newFetchmail(t, anna, "port "+port(m.pop3), `sslproto "tls1.2+" sslcertck`)
			f.run(t, fetchmailBadTLS)
		})
	}, octetFlags...)
}
