//go:build unix

package clients

import (
	"bytes"
	"context"
	"fmt"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/popcask/popcask/internal/dovecottest"
	"github.com/popcask/popcask/internal/slow"
)

// demo is the user that an MDA without a file of users has, and its password.
const demo = "demo"

// manyLogins makes Dovecot's processes live on, so that a login takes no time.
const manyLogins = `
service pop3-login {
  service_count = 0
}
service pop3 {
  service_count = 0
}
`

// TestDeliveryBesideDovecot delivers into a Maildir that Dovecot serves too. At
// each login Dovecot moves all mail from new to cur, however new it is: no
// delivery fails for that, and each message is there once.
func TestDeliveryBesideDovecot(t *testing.T) {
	slow.Test(t, "1,200 deliveries beside Dovecot")
	t.Parallel()
	root := t.TempDir()
	dovecot := dovecottest.Start(t, dovecottest.Config{
		Maildir: filepath.Join(root, demo), User: demo, Password: demo, Settings: manyLogins,
	})
	m := startAsOwner(t, root, dovecot.Maildir)

	sent := many(1200, "dovecot")
	stop := logInTo(t, dovecot)
	defer stop()
	m.deliver(t, demo, sent)
	stop()

	for name, address := range map[string]string{"mda": m.pop3, "Dovecot": dovecot.POP3} {
		t.Run(name, func(t *testing.T) {
			session, err := logIn(address)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			messages, err := session.messages()
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range messages {
				messages[i] = untraced(t, text, demo)
			}
			same(t, messages, sent, nil)
		})
	}
}

// logInTo logs in to Dovecot again and again, in a few sessions at a time, until
// the function that it returns is called.
func logInTo(t *testing.T, dovecot *dovecottest.Server) (stop func()) {
	const sessions = 3
	ctx, cancel := context.WithCancel(t.Context())
	var logins atomic.Int64
	var running sync.WaitGroup
	for range sessions {
		running.Go(func() {
			for ctx.Err() == nil {
				session, err := logIn(dovecot.POP3)
				if err == nil {
					err = session.quit()
				}
				if err != nil {
					t.Errorf("Dovecot: %v\n%s", err, dovecot.Log())
					return
				}
				logins.Add(1)
			}
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		running.Wait()
		t.Logf("%d logins", logins.Load())
		if logins.Load() == 0 {
			t.Error("no login in all that time")
		}
	})
}

// startAsOwner starts an MDA with the Maildirs in root, as the user that owns
// one of them. It needs no files that only the user of the test may read.
func startAsOwner(t *testing.T, root, maildir string) *mda {
	t.Helper()
	info, err := os.Stat(maildir)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(root, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	m := &mda{stderr: new(record), flags: []string{"-store", "maildir", "-dir", root, "-tls-self-signed"}}
	m.prepare = func(cmd *exec.Cmd) {
		cmd.Dir = root
		if os.Getuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
		}
	}
	m.launch(t)
	t.Cleanup(func() { m.stop(t) })
	return m
}

// popSession is a POP3 session of the user demo, for goroutines that must not
// end the test.
type popSession struct{ *textproto.Conn }

func logIn(address string) (s popSession, err error) {
	conn, err := textproto.Dial("tcp", address)
	if err != nil {
		return s, err
	}
	s = popSession{conn}
	_, err = s.answer("the greeting")
	for _, line := range []string{"USER " + demo, "PASS " + demo} {
		if err == nil {
			_, err = s.command(line)
		}
	}
	if err != nil {
		conn.Close()
	}
	return s, err
}

func (s popSession) command(line string) (answer string, err error) {
	if err := s.PrintfLine("%s", line); err != nil {
		return "", err
	}
	return s.answer(line)
}

func (s popSession) answer(to string) (string, error) {
	answer, err := s.ReadLine()
	if err == nil && !strings.HasPrefix(answer, "+OK") {
		err = fmt.Errorf("answer to %s: %q", to, answer)
	}
	return answer, err
}

func (s popSession) quit() error {
	defer s.Close()
	_, err := s.command("QUIT")
	return err
}

// messages retrieves all messages.
func (s popSession) messages() (messages [][]byte, err error) {
	answer, err := s.command("STAT")
	if err != nil {
		return nil, err
	}
	var n int
	if _, err := fmt.Sscanf(answer, "+OK %d", &n); err != nil {
		return nil, fmt.Errorf("%q: %w", answer, err)
	}
	for i := range n {
		if _, err := s.command(fmt.Sprintf("RETR %d", i+1)); err != nil {
			return nil, err
		}
		text, err := s.ReadDotBytes()
		if err != nil {
			return nil, err
		}
		messages = append(messages, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	}
	return messages, nil
}
