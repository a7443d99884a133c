package pop3_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// splitting is a text that would be answers of its own, if it were sent as it is.
const splitting = "x\r\n.\r\n+OK forged\r\n-ERR forged\n+OK forged\r+OK forged\x00\r\n.\r\n"

// evilHost says that text wherever it may say something: each of its methods
// fails with it while failing is that method's name.
type evilHost struct {
	failing string
	err     error
}

func (h *evilHost) fails(at string) error {
	if h.failing == at {
		return h.err
	}
	return nil
}

func (h *evilHost) NewSession(context.Context, *pop3.Conn) (pop3.Session, error) {
	return evilSession{h}, h.fails("NewSession")
}

type evilSession struct{ *evilHost }

func (s evilSession) Login(_ context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	return s.open(login, "Login")
}

func (s evilSession) open(login mailbox.Login, at string) (mailbox.Mailbox, error) {
	if err := s.fails(at); err != nil {
		return nil, err
	}
	mb, err := s.store().Open(context.Background(), login)
	return mb, err
}

func (s evilSession) store() *fakeStore {
	store := newFakeStore("Subject: one\r\n\r\n.\r\n+OK not forged\r\n", "two")
	store.messages[0].Size = -1
	store.messages[0].UIDL, store.messages[1].ID = splitting, splitting+"2"
	store.bodies[splitting+"2"] = store.bodies["id-2"]
	store.listingErr, store.openErr, store.deleteErr = s.fails("Messages"), s.fails("Open"), s.fails("Delete")
	if s.failing == "Delete, in part" {
		store.deleteErr = &mailbox.DeleteError{Failed: map[string]error{"id-1": s.err}}
	}
	if s.failing == "Read" {
		store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) { return &pieces{nil, s.err}, nil }
	}
	return store
}

func (s evilSession) Mechanisms() []string { return []string{"EVIL", splitting} }
func (s evilSession) StartSASL(context.Context, string, mailbox.Login) (pop3.SASLExchange, error) {
	return &evilExchange{evilSession: s}, s.fails("StartSASL")
}

func (s evilSession) APOPEnabled() bool { return true }
func (s evilSession) APOP(_ context.Context, login mailbox.Login, _, _ string) (mailbox.Mailbox, error) {
	return s.open(login, "APOP")
}
func (s evilSession) Close() error { return s.fails("Close") }

type evilExchange struct {
	evilSession
	asked bool
}

func (x *evilExchange) Next(context.Context, []byte) ([]byte, bool, error) {
	if x.asked {
		return nil, true, x.fails("Next, at its end")
	}
	x.asked = true
	return []byte(splitting), false, x.fails("Next")
}
func (x *evilExchange) User() string { return splitting }
func (x *evilExchange) Mailbox(context.Context) (mailbox.Mailbox, error) {
	return x.open(mailbox.Login{}, "Exchange")
}

// evilServer has texts of a host in everything that is one.
func evilServer(h *evilHost) *pop3.Server {
	server := insecure(h)
	server.Greeting, server.Implementation = splitting, splitting
	server.Languages = []pop3.Language{{Tag: "de", Name: splitting, Translate: func(string) string { return splitting }}}
	server.Capabilities = func(_ *pop3.Conn, list []string) []string { return append(list, ".\r\n", splitting) }
	evil := func(_ context.Context, _ *pop3.Conn, arguments string) (pop3.Reply, error) {
		reply := pop3.Reply{Text: splitting}
		if arguments != "" {
			reply.Lines = func(yield func(string, error) bool) {
				_ = yield(".\r\n", nil) && yield(splitting, nil)
			}
		}
		return reply, h.fails("Run")
	}
	server.Commands = []pop3.Command{{Verb: "EVIL", States: pop3.Authorization | pop3.Transaction, Capability: splitting, Run: evil}}
	server.MaxAuthTries, server.MaxBadCommands = -1, -1
	return server
}

// No text of a host splits an answer: a greeting, a name, a unique-id, a
// capability, a reply, or an error of any of its methods, in whatever kind of
// error it is and in whatever language. Each command has its one answer.
func TestNoHostSplitsAnAnswer(t *testing.T) {
	input := "LANG\r\nEVIL\r\nEVIL x\r\nCAPA\r\nAUTH\r\nAUTH EVIL\r\n*\r\nNOSUCH\r\n" +
		"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\nAUTH EVIL\r\n\r\nUSER mrose\r\nPASS x\r\n" + // one of them is let in
		"CAPA\r\nEVIL\r\nEVIL x\r\nSTAT\r\nLIST\r\nLIST 1\r\nUIDL\r\nUIDL 1\r\nUIDL 2\r\nTOP 1 0\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n"
	for _, failing := range []string{
		"", "NewSession", "Login", "APOP", "StartSASL", "Next", "Next, at its end", "Exchange", "Messages", "Open", "Read", "Delete", "Delete, in part", "Close", "Run",
	} {
		for kind, err := range map[string]error{
			"bare":      errors.New(splitting),
			"worded":    &pop3.Error{Text: splitting},
			"coded":     &pop3.Error{Code: splitting, Text: splitting},
			"wrapped":   fmt.Errorf("%s: %w", splitting, &pop3.Error{Text: splitting}),
			"wrong":     fmt.Errorf("%s: %w", splitting, mailbox.ErrAuthFailed),
			"temporary": fmt.Errorf("%s: %w", splitting, mailbox.ErrTemporary),
			"not found": fmt.Errorf("%s: %w", splitting, mailbox.ErrNotFound),
		} {
			for _, language := range []string{"", "LANG de\r\n"} {
				t.Run(failing+", "+kind+" "+language, func(t *testing.T) {
					output := transcript(t, evilServer(&evilHost{failing, err}), language+input)
					last := requireOneAnswerEach(t, output, language+input)
					if failing == "" {
						require.Equal(t, "QUIT", last)
					}
				})
			}
		}
	}
}

// requireOneAnswerEach fails the test if an output is not one answer to each
// command, up to the end of the connection. It returns the last command that was
// answered.
func requireOneAnswerEach(t *testing.T, output, input string) (last string) {
	t.Helper()
	require.False(t, strings.ContainsAny(strings.ReplaceAll(output, "\r\n", ""), "\r\n\x00"), "%q", output)
	answers := strings.SplitAfter(output, "\r\n")
	next := func() string {
		line := answers[0]
		answers = answers[1:]
		require.False(t, strings.HasPrefix(line, "+OK forged") || strings.HasPrefix(line, "-ERR forged"), "%q", output)
		return line
	}
	next() // the greeting
	exchange := false
	for command := range strings.SplitSeq(input, "\r\n") {
		if command == "" && !exchange {
			continue
		}
		status := next()
		if status == "" {
			return last
		}
		last, exchange = command, strings.HasPrefix(status, "+ ")
		require.True(t, exchange || strings.HasPrefix(status, "+OK") || strings.HasPrefix(status, "-ERR"), "%s: %q", command, output)
		switch command {
		case "LANG", "EVIL x", "CAPA", "AUTH", "LIST", "UIDL", "TOP 1 0", "RETR 1", "RETR 2":
			for line := status; strings.HasPrefix(status, "+OK") && line != ".\r\n"; {
				line = next()
			}
		}
	}
	require.Equal(t, []string{""}, answers, "more than one answer each: %q", output)
	return last
}

// RFC 7628 section 3.2.2: what a host says of a token is JSON within base64, of
// any length, and one line.
func TestNoTokenErrorSplitsAnAnswer(t *testing.T) {
	for _, text := range []string{splitting, `","x":"y`, "\xff\xfe", strings.Repeat("\r\n", 40_000)} {
		host := newAllWays()
		host.err = &pop3.TokenError{Status: text, Scope: text, OpenIDConfiguration: text}
		for mechanism, response := range map[string]string{"OAUTHBEARER": "n,,", "XOAUTH2": "user=mrose"} {
			server := insecure(pop3.Login(host, new(memory.Store)))
			lines := strings.Split(transcript(t, server, "AUTH "+mechanism+" "+encoded(response+"\x01auth=Bearer wrong\x01\x01")+"\r\n\r\nQUIT\r\n"), "\r\n")
			require.Len(t, lines, 5)
			require.Equal(t, []string{authAnswer, "+OK bye", ""}, lines[2:])
			challenge, ok := challengeOf(t, lines[1])
			require.True(t, ok)
			var fault map[string]string
			require.NoError(t, json.Unmarshal([]byte(challenge), &fault))
			want := strings.Map(func(r rune) rune { return r }, text) // each octet that is not UTF-8 is replaced
			require.Equal(t, want, fault["scope"])
			require.NotContains(t, fault, "x")
		}
	}
}

// The answers to a user that does not exist are those to a wrong password, octet
// for octet, whatever a client proves itself by.
func TestOneAnswerByEveryMechanism(t *testing.T) {
	server := pop3test.NewUnstartedServer(t, pop3.Login(newAllWays(), newFakeStore()))
	server.Config.MaxAuthTries, server.Config.Brake = 2, pop3.NoBrake
	server.Start(t)
	const digest = "c4c9334bac560ecc979e58001b3e22fb"
	final := func(c *pop3test.Client, mechanism, first string) string {
		c.Command("AUTH " + mechanism)
		challenge, ok := answer(t, c, first)
		if !ok {
			return challenge
		}
		nonce, rest, _ := strings.Cut(challenge, ",")
		proof := base64.StdEncoding.EncodeToString(make([]byte, map[string]int{"SCRAM-SHA-1": 20, "SCRAM-SHA-256": 32}[mechanism]))
		header, _, _ := strings.Cut(first, "n=")
		status, _ := answer(t, c, "c="+base64.StdEncoding.EncodeToString([]byte(header))+","+nonce+",p="+proof)
		salt, iterations, _ := strings.Cut(rest, ",")
		return fmt.Sprint(len(nonce), len(salt), iterations, status)
	}
	for name, try := range map[string]func(*pop3test.Client, string) string{
		"LOGIN": func(c *pop3test.Client, user string) string {
			return c.Command("AUTH LOGIN") + c.Command(encoded(user)) + c.Command(encoded("wrong"))
		},
		"CRAM-MD5": func(c *pop3test.Client, user string) string {
			c.Command("AUTH CRAM-MD5")
			return c.Command(encoded(user + " " + digest))
		},
		"SCRAM-SHA-1":   func(c *pop3test.Client, user string) string { return final(c, "SCRAM-SHA-1", "n,,n="+user+",r=abc") },
		"SCRAM-SHA-256": func(c *pop3test.Client, user string) string { return final(c, "SCRAM-SHA-256", "n,,n="+user+",r=abc") },
		"SCRAM, for another": func(c *pop3test.Client, user string) string {
			return final(c, "SCRAM-SHA-256", "n,a=boss,n="+user+",r=abc")
		},
		"SCRAM, for one that exists": func(c *pop3test.Client, user string) string {
			return final(c, "SCRAM-SHA-256", "n,a=mrose,n="+user+",r=abc")
		},
		"PLAIN, for another": func(c *pop3test.Client, user string) string {
			return c.Command("AUTH PLAIN " + encoded("mrose\x00"+user+"\x00wrong"))
		},
		"OAUTHBEARER": func(c *pop3test.Client, user string) string {
			return c.Command("AUTH OAUTHBEARER "+encoded("n,a="+user+",\x01auth=Bearer wrong\x01\x01")) + c.Command("AQ==")
		},
		"XOAUTH2": func(c *pop3test.Client, user string) string {
			return c.Command("AUTH XOAUTH2 "+encoded("user="+user+"\x01auth=Bearer wrong\x01\x01")) + c.Command("")
		},
	} {
		t.Run(name, func(t *testing.T) {
			known, unknown := server.Dial(t), server.Dial(t)
			for range 2 {
				require.Equal(t, try(known, "mrose"), try(unknown, "nobody"))
			}
			known.ExpectClosed()
			unknown.ExpectClosed()
		})
	}
}
