package clients

import (
	"testing"

	"github.com/popcask/popcask/internal/slow"
)

// TestThunderbirdEncryptedPassword logs in with "Encrypted password", which is
// CRAM-MD5, in the clear and after STLS. If the password is wrong, Thunderbird
// asks its user what to do.
func TestThunderbirdEncryptedPassword(t *testing.T) {
	slow.Test(t, "a mail program with a user interface")
	program := need(t, "thunderbird", "thunderbird")
	certutil := need(t, "certutil", "libnss3-tools")
	t.Parallel()
	m := start(t, memory, octetFlags...)
	accounts := []tbAccount{
		{"server1", anna, plainSocket, passwordEncrypted, true, 3},
		{"server2", bert, startTLS, passwordEncrypted, true, 3},
	}
	mistaken := tbAccount{"server3", cleo, startTLS, passwordEncrypted, true, 0}
	sent := make(map[string][]message)
	for _, account := range accounts {
		sent[account.user] = many(account.messages, account.user)
		m.deliver(t, account.user, sent[account.user])
	}
	profile := thunderbirdProfile(t, certutil)
	configure(t, profile, m, append(accounts, mistaken))
	tb := startThunderbird(t, program, profile)

	tb.password(mistaken, "not "+secrets[mistaken.user])
	if status := tb.get(mistaken); status != nil {
		t.Fatalf("with a wrong password, fetching ended with %#x and without a question", uint32(*status))
	}
	if got, want := tb.dismiss(), "Login to server localhost with username cleo failed."; got != want {
		t.Errorf("Thunderbird says %q, want %q", got, want)
	}
	m.awaitRefused(t, mistaken.user, "CRAM-MD5")

	for _, account := range accounts {
		tb.password(account, secrets[account.user])
		tb.fetch(account)
	}
	tb.quit()
	m.awaitSession(t, "user="+anna+" mechanism=CRAM-MD5 tls=false reason=quit .* retr=3 ")
	m.awaitSession(t, "user="+bert+" mechanism=CRAM-MD5 tls=true reason=quit .* retr=3 ")
	for _, account := range accounts {
		messages, _ := thunderbirdMessages(t, read(t, account.inbox(profile)))
		same(t, messages, sent[account.user], unix)
	}
}
