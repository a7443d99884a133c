package pop3_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// recorded is a client's side of a login that succeeded, line by line.
type recorded []string

func (r *recorded) command(client *pop3test.Client, line string) string {
	*r = append(*r, line)
	return client.Command(line)
}

func (r *recorded) scram(t *testing.T, client *pop3test.Client, mechanism string, conversation *scram.ClientConversation) string {
	challenge, ok := challengeOf(t, r.command(client, "AUTH "+mechanism))
	for ok && !conversation.Done() {
		response, err := conversation.Step(challenge)
		require.NoError(t, err)
		challenge, ok = challengeOf(t, r.command(client, encoded(response)))
	}
	return challenge
}

// replayed says what was recorded, up to the answer that is no challenge.
func (r *recorded) replayed(client *pop3test.Client) (status string) {
	for _, line := range *r {
		if status = client.Command(line); !strings.HasPrefix(status, "+ ") {
			break
		}
	}
	return status
}

// Who has recorded a whole login proves nothing by it, even if every octet of the
// client comes again, its nonce too: on another connection, on the same one after
// that, and beside the one that it was recorded on.
func TestARecordedLoginProvesNothing(t *testing.T) {
	digest := func(challenge string) string {
		sum := hmac.New(md5.New, []byte("secret"))
		sum.Write([]byte(challenge))
		return "mrose " + hex.EncodeToString(sum.Sum(nil))
	}
	server := pop3test.NewUnstartedServer(t, pop3.Login(newAllWays(), new(memory.Store)))
	server.Config.Brake, server.Config.MaxAuthTries = pop3.NoBrake, -1
	server.Start(t)
	for name, login := range map[string]func(*recorded, *pop3test.Client) string{
		"APOP": func(r *recorded, client *pop3test.Client) string {
			sum := md5.Sum([]byte(timestamp.FindString(client.Greeting) + "secret"))
			return r.command(client, "APOP mrose "+hex.EncodeToString(sum[:]))
		},
		"CRAM-MD5": func(r *recorded, client *pop3test.Client) string {
			challenge, _ := challengeOf(t, r.command(client, "AUTH CRAM-MD5"))
			return r.command(client, encoded(digest(challenge)))
		},
		"SCRAM-SHA-256": func(r *recorded, client *pop3test.Client) string {
			return r.scram(t, client, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "mrose", "secret", ""))
		},
		"SCRAM-SHA-1": func(r *recorded, client *pop3test.Client) string {
			return r.scram(t, client, "SCRAM-SHA-1", newConversation(t, scram.SHA1, "mrose", "secret", ""))
		},
		"SCRAM-SHA-256-PLUS": func(r *recorded, client *pop3test.Client) string {
			binding := boundTo(t, client.Conn().(*tls.Conn), scram.ChannelBindingTLSExporter)
			return r.scram(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", binding))
		},
		"SCRAM-SHA-256-PLUS, of the certificate": func(r *recorded, client *pop3test.Client) string { // the same on each connection
			binding := boundTo(t, client.Conn().(*tls.Conn), scram.ChannelBindingTLSServerEndpoint)
			return r.scram(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", binding))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r recorded
			beside := server.DialTLS(t)
			require.Equal(t, emptyMaildrop, login(&r, server.DialTLS(t)))
			client := server.DialTLS(t)
			want := authAnswer
			for range 2 {
				require.Equal(t, want, r.replayed(client))
				require.Equal(t, want, r.replayed(beside))
				if name == "SCRAM-SHA-256-PLUS" { // RFC 9266 section 4.1
					want = "-ERR tls-exporter was used on this connection: connect again"
				}
			}
			if name == "SCRAM-SHA-256-PLUS" {
				client = server.DialTLS(t)
			}
			require.Equal(t, emptyMaildrop, login(new(recorded), client), "the right one is still good")
		})
	}
}

// The bindings of other connections: that of TLS 1.2, and that of the session
// which a connection resumes.
func TestChannelBindingOfOtherSessions(t *testing.T) {
	server := newPlusServer(t)
	config := server.ClientTLS()
	config.MaxVersion, config.ClientSessionCache = tls.VersionTLS12, tls.NewLRUClientSessionCache(1)
	dial := func() (*pop3test.Client, *tls.Conn) {
		conn, err := tls.Dial("tcp", server.AddrTLS, config)
		require.NoError(t, err)
		return pop3test.NewClient(t, conn), conn
	}
	_, before := dial()
	_, other := plusClient(t, server, true, tls.VersionTLS12)
	for _, kind := range []scram.ChannelBindingType{scram.ChannelBindingTLSUnique, scram.ChannelBindingTLSExporter} {
		for name, from := range map[string]*tls.Conn{"the session that it resumes": before, "another one": other} {
			client, conn := dial()
			require.True(t, conn.ConnectionState().DidResume)
			require.Equal(t, authAnswer, runSCRAM(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", boundTo(t, from, kind)), nil), "%s of %s", kind, name)
		}
		own, _ := dial()
		require.Equal(t, emptyMaildrop, runSCRAM(t, own, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", boundTo(t, own.Conn().(*tls.Conn), kind)), nil))
	}
}

// deputy may act for everybody.
type deputy struct{ scramUsers }

func (d deputy) SCRAMSecret(ctx context.Context, login mailbox.Login, hash crypto.Hash) (secret.SCRAM, string, error) {
	keys, user, err := d.scramUsers.SCRAMSecret(ctx, login, hash)
	if login.AuthorizationID != "" {
		user = login.AuthorizationID
	}
	return keys, user, err
}

// RFC 5802 section 5.1: the identity that a client acts for is part of what its
// proof is about, so that nobody in the middle adds one, changes it, or takes it
// out, though the user may act for it.
func TestSCRAMProvesForWhom(t *testing.T) {
	users := deputy{newSCRAMUsers(t, crypto.SHA256, map[string]string{"mrose": "secret"})}
	opened := newFakeStore()
	server := &pop3.Server{Handler: pop3.Login(users, opened), Brake: pop3.NoBrake, MaxAuthTries: -1}
	for name, test := range map[string]struct{ said, actsFor, header string }{
		"adds one":     {"n,,", "", "n,a=boss,"},
		"changes it":   {"n,a=other,", "other", "n,a=boss,"},
		"takes it out": {"n,a=other,", "other", "n,,"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, alsoFinal := range []bool{false, true} {
				status := runSCRAM(t, pipe(t, server).Client, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "mrose", "secret", test.actsFor), func(step int, m string) string {
					switch {
					case step == 0:
						require.True(t, strings.HasPrefix(m, test.said))
						return test.header + m[len(test.said):]
					case alsoFinal: // the header is within the proof
						_, rest, _ := strings.Cut(m, ",")
						return "c=" + base64.StdEncoding.EncodeToString([]byte(test.header)) + "," + rest
					}
					return m
				})
				require.Equal(t, authAnswer, status)
			}
		})
	}
	require.Empty(t, opened.history())
	require.Equal(t, emptyMaildrop, runSCRAM(t, pipe(t, server).Client, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "mrose", "secret", "boss"), nil))
	require.Equal(t, "boss", opened.logins[0].User)
}

// Whoever a client asks to act for, the mailbox that is opened is the one that the
// authenticator has named, or none is: also if two names look alike, or are one
// but for their case.
func TestNobodyActsForAnother(t *testing.T) {
	store := newFakeStore()
	server := insecure(pop3.Login(newAllWays(), store))
	server.MaxAuthTries = -1
	acts := map[string]func(*pop3test.Client, string) string{
		"PLAIN": func(c *pop3test.Client, id string) string {
			return c.Command("AUTH PLAIN " + encoded(id+"\x00mrose\x00secret"))
		},
		"SCRAM-SHA-256": func(c *pop3test.Client, id string) string {
			return runSCRAM(t, c, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "mrose", "secret", id), nil)
		},
		"OAUTHBEARER": func(c *pop3test.Client, id string) string {
			return c.Command("AUTH OAUTHBEARER " + encoded("n,a="+id+",\x01auth=Bearer token-of-mrose\x01\x01"))
		},
		"XOAUTH2": func(c *pop3test.Client, id string) string {
			return c.Command("AUTH XOAUTH2 " + encoded("user="+id+"\x01auth=Bearer token-of-mrose\x01\x01"))
		},
	}
	for mechanism, act := range acts {
		t.Run(mechanism, func(t *testing.T) {
			for _, id := range []string{"boss", "mrose ", " mrose", "mrose@boss", "mrose/../boss", "root", "*", "m\u017fose", "mro\u017fe", "MROSE", "mro\u0301se"} {
				before := len(store.logins)
				status := act(pipe(t, server).Client, id)
				for _, login := range store.logins[before:] {
					require.Equal(t, "mrose", login.User, "%q", id)
				}
				require.Equal(t, status == emptyMaildrop, len(store.logins) > before, "%q: %s", id, status)
				claim := strings.HasSuffix(mechanism, "BEARER") || mechanism == "XOAUTH2" // the token says who it is
				same := strings.EqualFold(id, "mrose")
				require.Equal(t, claim || same, status == emptyMaildrop, "%q: %s", id, status)
			}
		})
	}
}
