package clients

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/slow"
)

// The values of a Thunderbird account's socketType, and of its authMethod.
const (
	plainSocket = 0
	startTLS    = 2
	implicitTLS = 3

	passwordClear     = 3 // USER and PASS, or AUTH PLAIN
	passwordEncrypted = 4 // CRAM-MD5, or APOP if that is not offered
)

// tbAccount is an account in a Thunderbird profile.
type tbAccount struct {
	key    string // of its server in the preferences
	user   string
	socket int
	method int
	leave  bool // "Leave messages on server"

	messages int // besides the corpus
}

// TestThunderbird fetches mail with one profile that has three accounts: over
// STLS, POP3S and plain text, leaving the mail on the server or not. Then it
// starts Thunderbird a second time with this profile.
func TestThunderbird(t *testing.T) {
	slow.Test(t, "a mail program with a user interface")
	program := need(t, "thunderbird", "thunderbird")
	certutil := need(t, "certutil", "libnss3-tools")
	over(t, durableStores, func(t *testing.T, m *mda) {
		accounts := []tbAccount{
			{"server1", anna, startTLS, passwordClear, true, 200},
			{"server2", bert, implicitTLS, passwordClear, false, 50},
			{"server3", cleo, plainSocket, passwordEncrypted, true, 50},
		}
		sent := make(map[string][]message)
		for _, account := range accounts {
			sent[account.user] = append(tolerant(corpus("thunderbird."+account.user)), many(account.messages, account.user)...)
			m.deliver(t, account.user, sent[account.user])
		}
		profile := thunderbirdProfile(t, certutil)

		configure(t, profile, m, accounts)
		tb := startThunderbird(t, program, profile)
		for _, account := range accounts {
			tb.password(account, secrets[account.user])
			tb.fetch(account)
		}
		tb.quit()
		inboxes := firstInboxes(t, profile, m, accounts, sent)

		// The second run fetches what is new, one message, and nothing else:
		// unique-ids outlive a restart of the server, too.
		if m.store.durable {
			m.restart(t)
		}
		late := many(1, "second-run")
		m.deliver(t, cleo, late)
		configure(t, profile, m, accounts)
		tb = startThunderbird(t, program, profile)
		for _, account := range accounts {
			tb.fetch(account)
		}
		tb.quit()
		secondInboxes(t, profile, accounts, inboxes, map[string][]message{cleo: late})
	}, octetFlags...)
}

// firstInboxes checks the inboxes and what is left on the server after the
// first run.
func firstInboxes(t *testing.T, profile string, m *mda, accounts []tbAccount, sent map[string][]message) map[string][]byte {
	inboxes := make(map[string][]byte)
	for _, account := range accounts {
		t.Run("first run/"+account.user, func(t *testing.T) {
			inboxes[account.user] = read(t, account.inbox(profile))
			messages, uidls := thunderbirdMessages(t, inboxes[account.user])
			same(t, messages, sent[account.user], unix)
			left := m.maildrop(t, account.user)
			switch {
			case !account.leave && len(left) > 0:
				t.Errorf("%d messages left on the server, want none", len(left))
			case account.leave && !slices.Equal(left, uidls):
				t.Errorf("Thunderbird noted the unique-ids %v, the maildrop has %v", uidls, left)
			}
		})
	}
	return inboxes
}

// secondInboxes checks what the second run has added to the inboxes of the
// first.
func secondInboxes(t *testing.T, profile string, accounts []tbAccount, inboxes map[string][]byte, want map[string][]message) {
	for _, account := range accounts {
		t.Run("second run/"+account.user, func(t *testing.T) {
			before, after := inboxes[account.user], read(t, account.inbox(profile))
			added, found := bytes.CutPrefix(after, before)
			if !found {
				t.Fatalf("the inbox of the first run, %d octets, is not the beginning of that of the second, %d octets", len(before), len(after))
			}
			messages, _ := thunderbirdMessages(t, added)
			same(t, messages, want[account.user], unix)
		})
	}
}

// thunderbirdFields are the header fields that Thunderbird prepends to a
// message.
var thunderbirdFields = regexp.MustCompile(
	`^X-Account-Key: .*\nX-UIDL: (.*)\nX-Mozilla-Status: .*\nX-Mozilla-Status2: .*\nX-Mozilla-Keys: .*\n`)

// thunderbirdMessages returns the messages of Thunderbird's mbox, and their
// unique-ids. Thunderbird begins each message with a line that ends in CRLF,
// unlike the lines of the message, and with header fields of its own. It ends
// each message with a CRLF, and quotes lines that an mbox reader could take for
// a beginning. This undoes all of that, and nothing else.
func thunderbirdMessages(t *testing.T, mbox []byte) (messages [][]byte, uidls []string) {
	t.Helper()
	if len(mbox) == 0 {
		return nil, nil
	}
	mbox, whole := bytes.CutSuffix(mbox, []byte("\r\n"))
	parts := strings.Split("\r\n"+string(mbox), "\r\nFrom - ")
	if parts[0] != "" || !whole {
		t.Errorf("the mbox begins with %.100q and ends with %q", parts[0], mbox[max(0, len(mbox)-100):])
	}
	for _, part := range parts[1:] {
		_, text, _ := strings.Cut(part, "\r\n") // the date
		fields := thunderbirdFields.FindStringSubmatch(text[:min(inHeader, len(text))])
		if fields == nil {
			t.Errorf("a message in the mbox is not as Thunderbird writes them: %.300q", part)
			continue
		}
		messages = append(messages, unquoteFrom(text[len(fields[0]):]))
		uidls = append(uidls, fields[1])
	}
	return messages, uidls
}

func (a tbAccount) inbox(profile string) string {
	return filepath.Join(profile, "Mail", a.key, "Inbox")
}

// thunderbird is a running Thunderbird.
type thunderbird struct {
	t      *testing.T
	remote *marionette
	exited chan struct{}
	err    error
	log    *record
	start  time.Time
}

func startThunderbird(t *testing.T, program, profile string) *thunderbird {
	t.Helper()
	home := t.TempDir()
	_ = os.Remove(filepath.Join(profile, "MarionetteActivePort"))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	cmd := command(ctx, home, program, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "-profile", profile)
	cmd.Env = append(cmd.Env,
		"XDG_RUNTIME_DIR="+home,
		"MOZ_CRASHREPORTER_DISABLE=1",
		"MOZ_HEADLESS=1",
		"NO_AT_BRIDGE=1",
		"GSETTINGS_BACKEND=memory",
		"DBUS_SESSION_BUS_ADDRESS=disabled:",
		"DBUS_SYSTEM_BUS_ADDRESS=disabled:",
	)
	tb := &thunderbird{t: t, exited: make(chan struct{}), log: new(record), start: time.Now()}
	cmd.Stdout, cmd.Stderr = tb.log, tb.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		tb.err = cmd.Wait()
		_ = child.KillGroup(cmd)
		close(tb.exited)
	}()
	t.Cleanup(func() {
		cancel()
		<-tb.exited
	})
	var err error
	if tb.remote, err = dialMarionette(ctx, profile, tb.exited); err != nil {
		t.Fatalf("thunderbird: %v\n%s", err, tb.log.tail())
	}
	t.Logf("thunderbird: up after %v", time.Since(tb.start).Round(time.Millisecond))
	return tb
}

func (tb *thunderbird) script(result any, body string, args ...any) {
	tb.t.Helper()
	if err := tb.remote.script(result, body, args...); err != nil {
		tb.t.Fatalf("thunderbird: %v\n%s", err, tb.log.tail())
	}
}

// password stores the password of an account in the login manager, as the
// password dialog does.
func (tb *thunderbird) password(a tbAccount, password string) {
	tb.t.Helper()
	tb.script(nil, `
		const [host, user, password] = args;
		const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
		login.init("mailbox://" + host, null, "mailbox://" + host, user, password, "", "");
		await Services.logins.addLoginAsync(login);
	`, host, a.user, password)
}

// fetch gets the messages of an account.
func (tb *thunderbird) fetch(a tbAccount) {
	tb.t.Helper()
	began := time.Now()
	status := tb.get(a)
	if status == nil {
		tb.t.Fatalf("thunderbird: fetching %s: %q", a.user, tb.dismiss())
	}
	if *status != 0 {
		tb.t.Fatalf("thunderbird: fetching %s ended with %#x\n%s", a.user, uint32(*status), tb.log.tail())
	}
	tb.t.Logf("thunderbird: fetched %s in %v", a.user, time.Since(began).Round(time.Millisecond))
}

// get does what "Get Messages" does, and waits until it has ended. It returns
// nil if Thunderbird asks its user something: see dismiss.
func (tb *thunderbird) get(a tbAccount) (status *int64) {
	tb.t.Helper()
	tb.script(&status, `
		const [key] = args;
		const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
		const server = MailServices.accounts.getIncomingServer(key);
		return await new Promise((resolve, reject) => {
			const listener = {
				QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
				OnStartRunningUrl() {},
				OnStopRunningUrl(url, status) { resolve(status); },
			};
			try {
				MailServices.pop3.GetNewMail(null, listener, server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox), server);
			} catch (e) {
				reject(e);
			}
		});
	`, a.key)
	return status
}

// dismiss cancels the dialog that is open, and returns its text.
func (tb *thunderbird) dismiss() string {
	tb.t.Helper()
	var text struct{ Value string }
	err := tb.remote.call("WebDriver:GetAlertText", map[string]any{}, &text)
	if err == nil {
		err = tb.remote.call("WebDriver:DismissAlert", map[string]any{}, nil)
	}
	if err != nil {
		tb.t.Fatalf("thunderbird: %v\n%s", err, tb.log.tail())
	}
	return text.Value
}

// quit ends Thunderbird as its menu does, so that the mailboxes and the state
// of each account are on disk.
func (tb *thunderbird) quit() {
	tb.t.Helper()
	if err := tb.remote.call("Marionette:Quit", map[string]any{"flags": []string{"eAttemptQuit"}}, nil); err != nil {
		tb.t.Fatalf("thunderbird: %v\n%s", err, tb.log.tail())
	}
	select {
	case <-tb.exited:
		if tb.err != nil {
			tb.t.Errorf("thunderbird: %v\n%s", tb.err, tb.log.tail())
		}
	case <-time.After(time.Minute):
		tb.t.Fatalf("thunderbird: still running a minute after it was told to quit\n%s", tb.log.tail())
	}
	tb.t.Logf("thunderbird: gone after %v", time.Since(tb.start).Round(time.Millisecond))
}
