package pop3_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// The answers to the errors of a host (RFC 2449 section 8, RFC 3206).
const (
	authAnswer      = "-ERR [AUTH] authentication failed"
	inUseAnswer     = "-ERR [IN-USE] maildrop in use"
	temporaryAnswer = "-ERR [SYS/TEMP] temporary failure, try again later"
	permanentAnswer = "-ERR [SYS/PERM] cannot do that, please tell the administrator"
	unsureAnswer    = "-ERR [SYS/TEMP] deleted messages may not have been removed"

	unsureForeverAnswer = "-ERR [SYS/PERM] deleted messages may not have been removed"

	lateAnswer = "-ERR [SYS/TEMP] this takes too long, try again later"
)

// errorMap are errors of a host, and the answers: at the greeting, at a login,
// to RETR and TOP, and to QUIT. It is the table of the package comment.
var errorMap = []errorRow{
	{"ErrAuthFailed", mailbox.ErrAuthFailed, temporaryAnswer, authAnswer, temporaryAnswer, unsureAnswer},
	{"ErrNoSuchUser", mailbox.ErrNoSuchUser, temporaryAnswer, authAnswer, temporaryAnswer, unsureAnswer},
	{"ErrInUse", mailbox.ErrInUse, temporaryAnswer, inUseAnswer, temporaryAnswer, unsureAnswer},
	{"ErrTemporary", mailbox.ErrTemporary, temporaryAnswer, temporaryAnswer, temporaryAnswer, unsureAnswer},
	{"ErrPermanent", mailbox.ErrPermanent, permanentAnswer, permanentAnswer, permanentAnswer, unsureForeverAnswer},
	{"ErrClosed", mailbox.ErrClosed, temporaryAnswer, temporaryAnswer, temporaryAnswer, unsureAnswer},
	{"ErrOverQuota", mailbox.ErrOverQuota, temporaryAnswer, temporaryAnswer, temporaryAnswer, unsureAnswer},
	{"ErrNotFound", mailbox.ErrNotFound, temporaryAnswer, temporaryAnswer, "-ERR no such message", unsureAnswer},
	{"deadline", context.DeadlineExceeded, lateAnswer, lateAnswer, lateAnswer, unsureAnswer},
	{"unknown", errDisk, temporaryAnswer, temporaryAnswer, temporaryAnswer, unsureAnswer},
	{"unknown with a code in its text", errors.New("[IN-USE] no"), temporaryAnswer, temporaryAnswer, temporaryAnswer, unsureAnswer},
	worded("Error", "-ERR go away", &pop3.Error{Text: "go away"}),
	worded("Error with a code", "-ERR [LOGIN-DELAY] wait a minute", &pop3.Error{Code: pop3.CodeLoginDelay, Text: "wait a minute"}),
	worded("Error without a text", "-ERR [SYS/TEMP]", &pop3.Error{Code: pop3.CodeTemporary}),
	worded("Error with nothing", "-ERR", &pop3.Error{}),
	worded("Error with a cause", "-ERR closed for today", &pop3.Error{Text: "closed for today", Err: mailbox.ErrAuthFailed}),
}

type errorRow struct {
	name                           string
	err                            error
	greeting, login, message, quit string
}

// worded is a row for an error in the host's own words, which are the answer at
// all moments.
func worded(name, answer string, err error) errorRow {
	return errorRow{name, err, answer, answer, answer, answer}
}

// eachError runs f for each error, as it is and wrapped.
func eachError(t *testing.T, f func(t *testing.T, err error, row errorRow)) {
	for _, row := range errorMap {
		t.Run(row.name, func(t *testing.T) { f(t, row.err, row) })
		t.Run("wrapped "+row.name, func(t *testing.T) {
			f(t, fmt.Errorf("open /var/mail/mrose: %w", row.err), row)
		})
	}
}

func TestErrorMapAtTheGreeting(t *testing.T) {
	eachError(t, func(t *testing.T, err error, row errorRow) {
		server := &pop3.Server{Handler: pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) {
			return nil, err
		})}
		client := pipe(t, server)
		require.Equal(t, row.greeting, client.Greeting)
		client.ExpectClosed()
	})
}

func TestErrorMapOfAnAuthenticator(t *testing.T) {
	eachError(t, func(t *testing.T, err error, row errorRow) {
		refuse := pop3.AuthenticatorFunc(func(context.Context, mailbox.Login) (string, error) { return "", err })
		server := &pop3.Server{Handler: pop3.Login(refuse, newFakeStore()), AllowInsecureAuth: true}
		client := pipe(t, server)
		client.Command("USER mrose")
		require.Equal(t, row.login, client.Command("PASS secret"))
		require.Equal(t, row.login, client.Command("AUTH PLAIN AG1yb3NlAHNlY3JldA=="))
		require.Equal(t, "-ERR log in first", client.Command("STAT"))
	})
}

func TestErrorMapOfAStoreAtLogin(t *testing.T) {
	eachError(t, func(t *testing.T, err error, row errorRow) {
		store := newFakeStore("x")
		store.storeErr = err
		client := pipe(t, store.server())
		client.Command("USER mrose")
		require.Equal(t, row.login, client.Command("PASS secret"))
		require.Equal(t, "-ERR log in first", client.Command("STAT"))
	})
}

// A login whose listing fails is refused: half a maildrop must not look like a
// whole one. The mailbox is closed, and the client can try again.
func TestErrorMapOfAListing(t *testing.T) {
	eachError(t, func(t *testing.T, err error, row errorRow) {
		store := newFakeStore("x", "y")
		store.listingErr = err
		client := pipe(t, store.server())
		client.Command("USER mrose")
		require.Equal(t, row.login, client.Command("PASS secret"))
		require.Equal(t, "-ERR log in first", client.Command("STAT"))
		require.Equal(t, []string{"open mailbox", "close mailbox"}, store.history())
		store.listingErr = nil
		client.Login("mrose", "secret")
		require.Equal(t, "+OK 2 6", client.Command("STAT"))
	})
}

func TestErrorMapOfRETRAndTOP(t *testing.T) {
	for _, command := range []string{"RETR 1", "TOP 1 0"} {
		eachError(t, func(t *testing.T, err error, row errorRow) {
			store := newFakeStore("x")
			store.openErr = err
			client := loggedIn(t, store.server())
			require.Equal(t, row.message, client.Command(command))
			require.Equal(t, "+OK 1 3", client.Command("STAT"), "the session goes on")
			require.Equal(t, "+OK bye", client.Quit())
		})
	}
}

// P4: after any error of the store QUIT is -ERR and ends the session.
func TestErrorMapOfQUIT(t *testing.T) {
	eachError(t, func(t *testing.T, err error, row errorRow) {
		store := newFakeStore("x")
		store.deleteErr = err
		client := loggedIn(t, store.server())
		client.Command("DELE 1")
		require.Equal(t, row.quit, client.Quit())
	})
}

// A removal that failed for some messages has the code of the reason.
func TestErrorMapOfQUITInPart(t *testing.T) {
	for reason, want := range map[error]string{
		mailbox.ErrTemporary: "-ERR [SYS/TEMP] some deleted messages not removed",
		mailbox.ErrPermanent: "-ERR [SYS/PERM] some deleted messages not removed",
		errDisk:              "-ERR [SYS/TEMP] some deleted messages not removed",
	} {
		store := newFakeStore("x")
		store.deleteErr = &mailbox.DeleteError{Failed: map[string]error{"id-1": reason}}
		client := loggedIn(t, store.server())
		client.Command("DELE 1")
		require.Equal(t, want, client.Quit())
	}
}

// The same for a size that has to be counted. A message that is gone counts 0.
func TestErrorMapOfSTATAndLIST(t *testing.T) {
	for _, command := range []string{"STAT", "LIST", "LIST 1"} {
		eachError(t, func(t *testing.T, err error, row errorRow) {
			store := newFakeStore("x")
			store.messages[0].Size = -1
			store.openErr = err
			client := loggedIn(t, store.server())
			answer := client.Command(command)
			if errors.Is(err, mailbox.ErrNotFound) {
				require.True(t, strings.HasPrefix(answer, "+OK 1 0"), answer)
				return
			}
			require.Equal(t, row.message, answer)
			require.Equal(t, "+OK", client.Command("NOOP"), "the session goes on")
		})
	}
}

// An Error with Close ends the connection after its answer, at the login and
// after it.
func TestErrorCloses(t *testing.T) {
	closing := &pop3.Error{Text: "that is it", Close: true}
	store := newFakeStore("x")
	store.storeErr = closing
	client := pipe(t, store.server())
	client.Command("USER mrose")
	require.Equal(t, "-ERR that is it", client.Command("PASS secret"))
	client.ExpectClosed()

	store = newFakeStore("x")
	store.openErr = closing
	client = loggedIn(t, store.server())
	require.Equal(t, "-ERR that is it", client.Command("RETR 1"))
	client.ExpectClosed()
}

// RFC 2449 section 4: "The maximum length of the first line of a command
// response (including the initial greeting) is unchanged at 512 octets
// (including the terminating CRLF)." Any text of a host is one line.
func TestNoHostBreaksOutOfAStatusLine(t *testing.T) {
	for name, evil := range map[string]*pop3.Error{
		"CRLF":             {Text: "no\r\n+OK yes\r\n.\r\n"},
		"CR":               {Text: "no\r+OK yes"},
		"LF":               {Text: "no\n+OK yes"},
		"CRLF in the code": {Code: "AUTH]\r\n+OK [X", Text: "no"},
		"NUL and bell":     {Text: "no\x00\x07\x7f"},
		"not UTF-8":        {Text: "no\xff\xfe"},
		"long":             {Text: strings.Repeat("x", 2000)},
		"long UTF-8":       {Text: strings.Repeat("€", 2000)},
		"exactly":          {Text: strings.Repeat("x", 505)},
		"one too many":     {Text: strings.Repeat("x", 506)},
		"long blanks":      {Text: strings.Repeat(" ", 2000)},
		"long code":        {Code: pop3.ResponseCode(strings.Repeat("X", 2000))},
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore("x")
			store.openErr = evil
			store.storeErr = evil
			client := pipe(t, store.server())
			client.Command("USER mrose")
			requireOneLine(t, client.Command("PASS secret"))
			requireOneLine(t, client.Command("STAT")) // no rest of the last answer
			store.storeErr = nil
			client.Login("mrose", "secret")
			requireOneLine(t, client.Command("RETR 1"))
			require.Equal(t, "+OK 1 3", client.Command("STAT"))

			turnAway := pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) { return nil, evil })
			client = pipe(t, &pop3.Server{Handler: turnAway})
			requireOneLine(t, client.Greeting)
			client.ExpectClosed()
		})
	}
}

// requireOneLine checks a status line that a pop3test.Client has read, to its
// CRLF.
func requireOneLine(t *testing.T, status string) {
	t.Helper()
	require.True(t, strings.HasPrefix(status, "-ERR"), "%q", status)
	require.LessOrEqual(t, len(status)+len("\r\n"), 512)
	for _, r := range status {
		require.True(t, r >= 0x20 && r != 0x7f && r != 0xfffd, "%q", status)
	}
}

// The text of an error of the store never reaches the client.
func TestErrorTextOfAHostReachesNoClient(t *testing.T) {
	store := newFakeStore("x")
	store.openErr = errDisk
	store.deleteErr = errDisk
	client := loggedIn(t, store.server())
	require.NotContains(t, client.Command("RETR 1"), "fire")
	require.NotContains(t, client.Command("TOP 1 0"), "fire")
	client.Command("DELE 1")
	require.NotContains(t, client.Quit(), "fire")

	pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), store)) // and it still starts
}

// An error of any method of the host is SYS/TEMP, and the session goes on if it
// has begun.
func TestErrorsOfTheHost(t *testing.T) {
	const (
		temporary = "-ERR [SYS/TEMP] temporary failure, try again later\r\n"
		greeting  = "+OK POP3 server ready <>\r\n"
		hello     = "+OK send PASS\r\n+OK maildrop has 2 messages\r\n"
	)
	login := greeting + hello
	for _, test := range []struct {
		point         point
		input, output string
	}{
		{inNewSession, "", temporary},
		{inLogin, goodLogin + "QUIT\r\n", greeting + "+OK send PASS\r\n" + temporary + "+OK bye\r\n"},
		{inMessages, goodLogin + "QUIT\r\n", greeting + "+OK send PASS\r\n" + temporary + "+OK bye\r\n"},
		{amidMessages, goodLogin + "QUIT\r\n", greeting + "+OK send PASS\r\n" + temporary + "+OK bye\r\n"},
		{inStartSASL, "AUTH TEST\r\nQUIT\r\n", greeting + temporary + "+OK bye\r\n"},
		{inNext, "AUTH TEST\r\nQUIT\r\n", greeting + temporary + "+OK bye\r\n"},
		{inExchangeOpen, "AUTH TEST\r\nAAAA\r\nQUIT\r\n", greeting + "+ d2hvPw==\r\n" + temporary + "+OK bye\r\n"},
		{inAPOP, byAPOP[:strings.Index(byAPOP, "STAT")] + "QUIT\r\n", greeting + temporary + "+OK bye\r\n"},
		{inOpen, goodLogin + "RETR 1\r\nTOP 1 0\r\nQUIT\r\n", login + temporary + temporary + "+OK bye\r\n"},
		// Before the first octet an -ERR is possible ...
		{inRead, goodLogin + "RETR 1\r\nTOP 1 0\r\nQUIT\r\n", login + temporary + temporary + "+OK bye\r\n"},
		// ... after it the message must not look whole, and an -ERR would look like
		// a line of it. The answers before it are sent.
		{amidRead, goodLogin + "NOOP\r\nRETR 1\r\nQUIT\r\n", login + "+OK\r\n+OK 22 octets\r\n"},
		{amidRead, goodLogin + "NOOP\r\nTOP 1 1\r\nQUIT\r\n", login + "+OK\r\n+OK message follows\r\n"},
		{inDelete, goodLogin + "DELE 1\r\nQUIT\r\n", login + "+OK message 1 deleted\r\n-ERR [SYS/TEMP] deleted messages may not have been removed\r\n"},
		// The client has got what it wanted. Only the log has the error.
		{inMailboxClose, goodLogin + "QUIT\r\n", login + "+OK bye\r\n"},
		{inSessionClose, goodLogin + "QUIT\r\n", login + "+OK bye\r\n"},
		{inBodyClose, goodLogin + "RETR 1\r\nQUIT\r\n", login + "+OK 22 octets\r\nSubject: one\r\n\r\nbody\r\n.\r\n+OK bye\r\n"},
	} {
		t.Run(string(test.point), func(t *testing.T) {
			host := newFakeHost("Subject: one\n\nbody", "two")
			host.set(test.point, func(context.Context) error { return errors.New("secret of the house") })
			server := faultyServer(host)
			output := transcript(t, server, test.input)
			if test.point == amidRead {
				half, sent := strings.CutPrefix(output, test.output)
				require.True(t, sent && strings.HasPrefix("Subject: one\r\n\r\n", half), "%q", output)
			} else {
				require.Equal(t, test.output, output)
			}
			require.NoError(t, server.Shutdown(t.Context()))
			require.Empty(t, host.removed())
			host.requireClosed(t)
		})
	}
}

// nobody is a session that returns nothing.
type nobody struct{}

func (nobody) Login(context.Context, mailbox.Login) (mailbox.Mailbox, error) { return nil, nil }
func (nobody) Close() error                                                  { return nil }

// A host that returns nothing has made a mistake, which is a failure like any
// other.
func TestNothingAndNoErrorIsAnError(t *testing.T) {
	client := pipe(t, insecure(pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) { return nil, nil })))
	require.Equal(t, temporaryAnswer, client.Greeting)
	client.ExpectClosed()

	client = pipe(t, insecure(pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) { return nobody{}, nil })))
	client.Command("USER mrose")
	require.Equal(t, temporaryAnswer, client.Command("PASS secret"))
	require.Equal(t, "-ERR log in first", client.Command("STAT"))

	store := newFakeStore("x")
	store.messages[0].ID = ""
	client = pipe(t, store.server())
	client.Command("USER mrose")
	require.Equal(t, temporaryAnswer, client.Command("PASS secret"), "a message without an ID")
}

// The answers to the errors of a command of the host's own.
func TestErrorMapOfOwnCommands(t *testing.T) {
	eachError(t, func(t *testing.T, err error, row errorRow) {
		server := insecure(newFakeHost())
		server.Commands = []pop3.Command{{Verb: "XOWN", States: pop3.Authorization, Run: func(context.Context, *pop3.Conn, string) (pop3.Reply, error) {
			return pop3.Reply{}, err
		}}}
		require.Equal(t, row.message, pipe(t, server).Command("XOWN"))
	})
}
