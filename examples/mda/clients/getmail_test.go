//go:build unix

package clients

import (
	"bytes"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

//go:embed testdata/getmail.py
var getmailLauncher string

func TestGetmail(t *testing.T) {
	program, python := need(t, "getmail", "getmail6"), need(t, "python3", "python3")
	over(t, durableStores, func(t *testing.T, m *mda) {
		for _, way := range []struct {
			name, user, retriever string
			remove                bool
		}{
			{"POP3S, leave", anna, "type = SimplePOP3SSLRetriever\nport = " + port(m.pop3s) + "\nca_certs = ca.pem", false},
			{"POP3, delete", cleo, "type = SimplePOP3Retriever\nport = " + port(m.pop3), true},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				sent := slices.Concat(tolerant(corpus("getmail."+way.user)), many(50, way.user))
				m.deliver(t, way.user, sent)

				home := homeOfNobody(t)
				write(t, filepath.Join(home, "ca.pem"), string(read(t, certificates(t).ca)))
				launcher := write(t, filepath.Join(home, "getmail.py"), getmailLauncher)
				maildir := filepath.Join(home, "Maildir")
				for _, dir := range []string{"cur", "new", "tmp"} {
					write(t, filepath.Join(maildir, dir, ".keep"), "")
				}
				config := write(t, filepath.Join(home, "getmailrc"), getmailConfig(way.retriever, way.user, maildir, way.remove))
				fetch := func() {
					t.Helper()
					cmd := command(within(t, 2*time.Minute), home, python, launcher, program, "--getmaildir", home, "--rcfile", config)
					asNobody(t, cmd, home)
					run(t, cmd)
				}
				messages := func() [][]byte {
					return slices.DeleteFunc(files(t, filepath.Join(maildir, "new")), func(text []byte) bool { return len(text) == 0 })
				}
				fetch()
				same(t, messages(), sent, getmailForm)

				left := len(sent)
				if way.remove {
					left = 0
				}
				if got := len(m.maildrop(t, way.user)); got != left {
					t.Errorf("%d messages on the server afterwards, want %d", got, left)
				}
				fetch() // nothing new
				same(t, messages(), sent, getmailForm)
				more := many(3, "more."+way.user)
				m.deliver(t, way.user, more)
				fetch()
				same(t, messages(), slices.Concat(sent, more), getmailForm)
			})
		}
	}, octetFlags...)
}

// getmailConfig is getmail's run-control file.
func getmailConfig(retriever, user, maildir string, remove bool) string {
	return fmt.Sprintf(`
[retriever]
%s
server = %s
username = %s
password = %s
timeout = 30

[destination]
type = Maildir
path = %s/

[options]
read_all = false
delete = %v
delivered_to = false
received = false
verbose = 0
`, retriever, host, user, secrets[user], maildir, remove)
}

// nobody is the user that getmail runs as if the tests run as root: as root it
// delivers no mail.
const nobody = 65534

func homeOfNobody(t *testing.T) string {
	t.Helper()
	// Not t.TempDir, whose parent only root can enter. In memory if possible,
	// since getmail flushes each message to the disk twice.
	base := "/dev/shm"
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = ""
	}
	home, err := os.MkdirTemp(base, "popcask-clients-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	return home
}

func asNobody(t *testing.T, cmd *exec.Cmd, home string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
}

// getmailForm is what getmail makes of a message, which it parses and writes
// anew: LF ends a line, and so does a bare CR; a message without a Return-Path
// gets one; a word that is too long for a line of the header gets a line of its
// own.
func getmailForm(text []byte) []byte {
	text = bytes.ReplaceAll(unix(text), []byte("\r"), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte("\nX-Long: h"), []byte("\nX-Long: \n h"))
	return append([]byte("Return-Path: <unknown>\n"), text...)
}
