package pop3client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3client"
)

// says is a connection to a server that says one thing, whatever it hears, and
// closes.
type says struct {
	io.Reader
	closed bool
}

func (s *says) Write(p []byte) (int, error)      { return len(p), nil }
func (s *says) Close() error                     { s.closed = true; return nil }
func (s *says) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *says) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *says) SetDeadline(time.Time) error      { return nil }
func (s *says) SetReadDeadline(time.Time) error  { return nil }
func (s *says) SetWriteDeadline(time.Time) error { return nil }

// ask opens a client of a server that says one thing after its greeting, and
// asks it something.
func ask(t *testing.T, answer io.Reader, options pop3client.Options, question func(context.Context, *pop3client.Client) error) (*pop3client.Client, *says, error) {
	t.Helper()
	options.AllowInsecureAuth = true
	server := &says{Reader: io.MultiReader(strings.NewReader("+OK ready\r\n"), answer)}
	client, err := pop3client.New(t.Context(), server, options)
	require.NoError(t, err)
	return client, server, question(t.Context(), client)
}

type question = func(context.Context, *pop3client.Client) error

// The questions.
var (
	noop  question = func(ctx context.Context, c *pop3client.Client) error { return c.Noop(ctx) }
	stat  question = func(ctx context.Context, c *pop3client.Client) error { _, _, err := c.Stat(ctx); return err }
	list  question = func(ctx context.Context, c *pop3client.Client) error { _, err := c.List(ctx); return err }
	uidl  question = func(ctx context.Context, c *pop3client.Client) error { _, err := c.UIDL(ctx); return err }
	capa  question = func(ctx context.Context, c *pop3client.Client) error { _, err := c.Capabilities(ctx); return err }
	stls  question = func(ctx context.Context, c *pop3client.Client) error { return c.StartTLS(ctx, insecureTLS) }
	size  question = func(ctx context.Context, c *pop3client.Client) error { _, err := c.ListOne(ctx, 7); return err }
	one   question = func(ctx context.Context, c *pop3client.Client) error { _, err := c.UIDLOne(ctx, 7); return err }
	multi question = func(ctx context.Context, c *pop3client.Client) error { _, _, err := c.Multi(ctx, "X"); return err }
	auth  question = func(ctx context.Context, c *pop3client.Client) error {
		return c.Auth(ctx, pop3client.Plain("", "demo", "secret"))
	}
	retr question = func(ctx context.Context, c *pop3client.Client) error {
		body, err := c.Retr(ctx, 1)
		if err == nil {
			_, err = io.Copy(io.Discard, body)
			if closed := body.Close(); closed != err {
				return errors.New("Close says something else than Read")
			}
		}
		return err
	}
	all question = func(ctx context.Context, c *pop3client.Client) error {
		for _, err := range c.RetrieveAll(ctx, []int{1, 2}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
)

// What no server may say is a ProtocolError, which ends the connection.
func TestProtocolErrors(t *testing.T) {
	for name, c := range map[string]struct {
		question question
		answer   string
	}{
		"bare LF":                                  {noop, "+OK\n"},
		"bare LF after CR in the text":             {noop, "+OK a\rb\n"},
		"bare LF in a listing":                     {list, "+OK\r\n1 2\n.\r\n"},
		"bare LF in a message":                     {retr, "+OK\r\na\r\nb\nc\r\n.\r\n"},
		"bare LF at the beginning of a message":    {retr, "+OK\r\n\n.\r\n"},
		"bare LF after a dot in a message":         {retr, "+OK\r\n.\n.\r\n"},
		"final dot that ends in LF":                {retr, "+OK\r\na\r\n.\n"},
		"final dot after a bare LF":                {retr, "+OK\r\na\n.\r\n"},
		"empty line":                               {noop, "\r\n"},
		"status in lower case":                     {noop, "+ok\r\n"},
		"status that goes on":                      {noop, "+OKAY\r\n"},
		"status with a blank before":               {noop, " +OK\r\n"},
		"status of SMTP":                           {noop, "250 OK\r\n"},
		"status of IMAP":                           {noop, "* OK\r\n"},
		"-ERR that goes on":                        {noop, "-ERROR\r\n"},
		"octets":                                   {noop, "\x00\xff\r\n"},
		"line that is cut off":                     {noop, "+OK no end"},
		"STAT without numbers":                     {stat, "+OK\r\n"},
		"STAT with one number":                     {stat, "+OK 1\r\n"},
		"STAT of less than nothing":                {stat, "+OK -1 2\r\n"},
		"STAT with a sign":                         {stat, "+OK +1 2\r\n"},
		"STAT with hexadecimal":                    {stat, "+OK 1 0x2\r\n"},
		"STAT with two blanks":                     {stat, "+OK 1  2\r\n"},
		"STAT that overflows":                      {stat, "+OK 1 9223372036854775808\r\n"},
		"STAT with too many messages":              {stat, "+OK 2147483648 1\r\n"},
		"LIST without a size":                      {list, "+OK\r\n1\r\n.\r\n"},
		"LIST with a size that is none":            {list, "+OK\r\n1 x\r\n.\r\n"},
		"LIST of message 0":                        {list, "+OK\r\n0 1\r\n.\r\n"},
		"LIST that does not ascend":                {list, "+OK\r\n2 1\r\n1 1\r\n.\r\n"},
		"LIST with a message twice":                {list, "+OK\r\n1 1\r\n1 1\r\n.\r\n"},
		"LIST that begins again after the largest": {list, "+OK\r\n2147483647 1\r\n1 1\r\n.\r\n"},
		"LIST with an empty line":                  {list, "+OK\r\n\r\n.\r\n"},
		"LIST of another message":                  {size, "+OK 8 100\r\n"},
		"LIST of a message without a number":       {size, "+OK\r\n"},
		"UIDL that is empty":                       {uidl, "+OK\r\n1 \r\n.\r\n"},
		"UIDL without a blank":                     {uidl, "+OK\r\n1\r\n.\r\n"},
		"UIDL with a blank in it":                  {uidl, "+OK\r\n1 a b\r\n.\r\n"},
		"UIDL that is too long":                    {uidl, "+OK\r\n1 " + strings.Repeat("u", 71) + "\r\n.\r\n"},
		"UIDL that is not ASCII":                   {uidl, "+OK\r\n1 \xe4\r\n.\r\n"},
		"UIDL that does not ascend":                {uidl, "+OK\r\n2 a\r\n1 b\r\n.\r\n"},
		"UIDL of another message":                  {one, "+OK 8 a\r\n"},
		"CAPA with an empty line":                  {capa, "+OK\r\nTOP\r\n\r\n.\r\n"},
		"STLS with more in the clear":              {stls, "+OK\r\n+OK and I am the server\r\n"},
		"AUTH with a challenge that is no base64":  {auth, "+ ?\r\n"},
		"AUTH with base64 that is not canonical":   {auth, "+ QR==\r\n"},
		"AUTH with CR in a challenge":              {auth, "+ eA=\r=\r\n"},
		"AUTH with no status":                      {auth, "OK\r\n"},
		"AUTH with a bare LF":                      {auth, "+ \n"},
		"RETR with no status":                      {retr, "message follows\r\n"},
		"RetrieveAll with no status":               {all, "-ERR no CAPA\r\nmessage follows\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server, err := ask(t, strings.NewReader(c.answer), pop3client.Options{}, c.question)
			var wrong *pop3client.ProtocolError
			require.ErrorAs(t, err, &wrong)
			require.NotEmpty(t, wrong.Reason)
			require.True(t, server.closed, "the connection is not used again")
			again := client.Noop(t.Context())
			require.ErrorIs(t, again, wrong, "it says why")
			require.ErrorContains(t, again, "the connection has ended")
			require.NoError(t, client.Close())
		})
	}
}

// What servers say that are not strict themselves, and still within the RFCs.
func TestAnswersThatAreLegal(t *testing.T) {
	for name, c := range map[string]struct {
		question question
		answer   string
	}{
		"no text":                        {noop, "+OK\r\n"},
		"text that is not ASCII":         {noop, "+OK \xe4\x00\r\n"},
		"CR in a text":                   {noop, "+OK a\rb\r\n"},
		"more after STAT":                {stat, "+OK 1 2 (octets)\r\n"},
		"more after LIST":                {list, "+OK\r\n1 2 today\r\n.\r\n"},
		"LIST with gaps":                 {list, "+OK\r\n1 1\r\n3 1\r\n2147483647 9223372036854775807\r\n.\r\n"},
		"the same unique-id twice":       {uidl, "+OK\r\n1 a\r\n2 a\r\n.\r\n"},
		"the longest unique-id":          {uidl, "+OK\r\n1 " + strings.Repeat("~", 70) + "\r\n.\r\n"},
		"a message that ends in no dot":  {retr, "+OK\r\n.a\r\n..\r\n.\rb\r\n\r\r\n.\r\n"},
		"an empty capability list":       {capa, "+OK\r\n.\r\n"},
		"a stuffed capability":           {capa, "+OK\r\n..X\r\n.\r\n"},
		"a challenge without its blank":  {auth, "+OK\r\n"},
		"RetrieveAll without CAPA":       {all, "-ERR no CAPA\r\n+OK\r\na\r\n.\r\n+OK\r\n.\r\n"},
		"RetrieveAll without PIPELINING": {all, "+OK\r\n.\r\n+OK\r\na\r\n.\r\n+OK\r\n.\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server, err := ask(t, strings.NewReader(c.answer), pop3client.Options{}, c.question)
			require.NoError(t, err)
			require.False(t, server.closed)
			require.NoError(t, client.Close())
			require.True(t, server.closed)
		})
	}
}

// An answer that breaks off is never taken for whole, wherever it does.
func TestAnswersThatBreakOff(t *testing.T) {
	for name, c := range map[string]struct {
		question question
		answer   string
	}{
		"STAT": {stat, "+OK 1 2\r\n"},
		"LIST": {list, "+OK\r\n1 2\r\n2 3\r\n.\r\n"},
		"UIDL": {uidl, "+OK\r\n1 a\r\n2 b\r\n.\r\n"},
		"CAPA": {capa, "+OK\r\nTOP\r\n.\r\n"},
		"RETR": {retr, "+OK\r\na\r\n..\r\n.\rb\r\n.\r\n"},
		"X":    {multi, "+OK\r\na\r\n.\r\n"},
	} {
		for end := range c.answer {
			client, server, err := ask(t, strings.NewReader(c.answer[:end]), pop3client.Options{}, c.question)
			require.Error(t, err, "%s: %q", name, c.answer[:end])
			require.NotErrorIs(t, err, io.EOF)
			require.True(t, server.closed)
			require.Error(t, client.Noop(t.Context()))
		}
		_, _, err := ask(t, strings.NewReader(c.answer), pop3client.Options{}, c.question)
		require.NoError(t, err, name)
	}
}

// The table of response codes (RFC 2449 section 8, RFC 3206), and what is none.
func TestErrorCodes(t *testing.T) {
	for line, want := range map[string]pop3client.Error{
		"-ERR":                    {},
		"-ERR ":                   {},
		"-ERR no":                 {Text: "no"},
		"-ERR [AUTH] no":          {Code: pop3.CodeAuth, Text: "no"},
		"-ERR [IN-USE] busy":      {Code: pop3.CodeInUse, Text: "busy"},
		"-ERR [LOGIN-DELAY] wait": {Code: pop3.CodeLoginDelay, Text: "wait"},
		"-ERR [SYS/TEMP] later":   {Code: pop3.CodeTemporary, Text: "later"},
		"-ERR [SYS/PERM]":         {Code: pop3.CodePermanent},
		"-ERR [sys/perm] [never]": {Code: pop3.CodePermanent, Text: "[never]"},
		"-ERR [X-OWN/SUB] text":   {Code: "X-OWN/SUB", Text: "text"},
		"-ERR [":                  {Text: "["},
		"-ERR []":                 {Text: "[]"},
		"-ERR [no code] text":     {Text: "[no code] text"},
		"-ERR [AUTH]text":         {Text: "[AUTH]text"},
		"-ERR [[AUTH]] text":      {Text: "[[AUTH]] text"},
		"-ERR text [AUTH]":        {Text: "text [AUTH]"},
		"-ERR [\xc3\xa4] text":    {Text: "[\xc3\xa4] text"},
	} {
		client, _, err := ask(t, strings.NewReader(line+"\r\n+OK\r\n"), pop3client.Options{}, noop)
		var refused *pop3client.Error
		require.ErrorAs(t, err, &refused, line)
		require.Equal(t, want, *refused, line)
		require.NoError(t, client.Noop(t.Context()), "the session goes on")
	}
	for code, meaning := range map[pop3.ResponseCode]error{
		pop3.CodeAuth: mailbox.ErrAuthFailed, pop3.CodeInUse: mailbox.ErrInUse, pop3.CodePermanent: mailbox.ErrPermanent,
	} {
		for _, other := range []error{mailbox.ErrAuthFailed, mailbox.ErrInUse, mailbox.ErrPermanent, mailbox.ErrTemporary, mailbox.ErrNotFound} {
			require.Equal(t, other == meaning, errors.Is(&pop3client.Error{Code: code}, other), "%s, %v", code, other)
		}
	}
	require.Equal(t, `-ERR [AUTH] "no\x1b"`, (&pop3client.Error{Code: pop3.CodeAuth, Text: "no\x1b"}).Error(), "nothing gets at a terminal")
}

func TestGreetings(t *testing.T) {
	_, err := pop3client.New(t.Context(), &says{Reader: strings.NewReader("220 smtp.example.org\r\n")}, pop3client.Options{})
	require.ErrorAs(t, err, new(*pop3client.ProtocolError))
	_, err = pop3client.New(t.Context(), &says{Reader: strings.NewReader("")}, pop3client.Options{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	server := &says{Reader: strings.NewReader("-ERR [SYS/TEMP] full\r\n")}
	client, err := pop3client.New(t.Context(), server, pop3client.Options{})
	var refused *pop3client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, pop3.CodeTemporary, refused.Code)
	require.Equal(t, "-ERR [SYS/TEMP] full", client.Greeting())
	require.NoError(t, client.Close())
	require.True(t, server.closed)
}

// The timestamp of APOP is an msg-id of ASCII, and there is only one
// (CVE-2007-1558).
func TestTimestampOfAPOP(t *testing.T) {
	for greeting, offered := range map[string]bool{
		"+OK <1896.697170952@dbc.mtview.ca.us>": true,
		"+OK <1@a> ready":                       true,
		"+OK ready":                             false,
		"+OK <>":                                false,
		"+OK <a>":                               false,
		"+OK <@a>":                              false,
		"+OK <a@>":                              false,
		"+OK <a@b@c>":                           false,
		"+OK <a b@c>":                           false,
		"+OK <a@\xe4>":                          false,
		"+OK <\x01@a>":                          false,
		"+OK <a@b> <c@d>":                       false,
		"+OK a@b":                               false,
	} {
		client, err := pop3client.New(t.Context(), &says{Reader: strings.NewReader(greeting + "\r\n")}, pop3client.Options{})
		require.NoError(t, err)
		require.Equal(t, offered, client.CanAPOP(), greeting)
	}
}

// endless says a text again and again.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		copied := copy(p[n:], e.text[e.at:])
		e.at = (e.at + copied) % len(e.text)
		n += copied
	}
	return n, nil
}

// forever is an answer without an end.
func forever(begin, repeated string) io.Reader {
	return io.MultiReader(strings.NewReader(begin), &endless{text: repeated})
}

// Nothing that a server sends makes the client allocate beyond its limits.
func TestLimits(t *testing.T) {
	const kib = 1 << 10
	for name, c := range map[string]struct {
		question question
		answer   io.Reader
		options  pop3client.Options
		allocate uint64 // octets, at most
	}{
		"MaxLine, the default":     {noop, forever("+OK ", "x"), pop3client.Options{}, 256 * kib},
		"MaxLine":                  {noop, forever("+OK ", "x"), pop3client.Options{MaxLine: 600}, 256 * kib},
		"MaxLine of a listing":     {list, forever("+OK\r\n", "1"), pop3client.Options{MaxListing: -1}, 256 * kib},
		"MaxLine of a challenge":   {auth, forever("+ ", "A"), pop3client.Options{}, 256 * kib},
		"MaxListing of CAPA":       {capa, forever("+OK\r\n", "TOP\r\n"), pop3client.Options{MaxListing: 100 * kib}, 4096 * kib},
		"MaxListing of CAPA, long": {capa, forever("+OK\r\n", "SASL A B C D\r\n"), pop3client.Options{MaxListing: 100 * kib}, 4096 * kib},
		"MaxListing of a Multi":    {multi, forever("+OK\r\n", "x\r\n"), pop3client.Options{MaxListing: 100 * kib}, 1024 * kib},
		"MaxListing of empty dots": {multi, forever("+OK\r\n", "..\r\n"), pop3client.Options{MaxListing: 100 * kib}, 1024 * kib},
		"MaxMessage":               {retr, forever("+OK 10737418240 octets\r\n", "..a line\r\n"), pop3client.Options{MaxMessage: 16 << 20}, 1024 * kib},
		"MaxMessage of one line":   {retr, forever("+OK 10737418240 octets\r\n", strings.Repeat("x", 4096)), pop3client.Options{MaxMessage: 16 << 20}, 1024 * kib},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, server, err := ask(t, c.answer, c.options, c.question)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, pop3client.ErrTooLarge)
			limit, _, _ := strings.Cut(name, " ")
			require.ErrorContains(t, err, strings.TrimSuffix(limit, ","), "it names the limit")
			require.True(t, server.closed)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, c.allocate)
		})
	}
}

// A listing at a limit is whole, and one octet more is too large.
func TestLimitsAreExact(t *testing.T) {
	line := "+OK " + strings.Repeat("x", 594) + "\r\n" // 600
	_, _, err := ask(t, strings.NewReader(line), pop3client.Options{MaxLine: 600}, noop)
	require.NoError(t, err)
	_, _, err = ask(t, strings.NewReader(strings.Replace(line, "x", "xx", 1)), pop3client.Options{MaxLine: 600}, noop)
	require.ErrorIs(t, err, pop3client.ErrTooLarge)
	_, _, err = ask(t, strings.NewReader("+OK "+strings.Repeat("x", 506)+"\r\n"), pop3client.Options{MaxLine: 1}, noop)
	require.NoError(t, err, "a status line of RFC 2449")

	for answer, q := range map[string]question{"+OK\r\n1 1\r\n2 2\r\n.\r\n": list, "+OK\r\n..abc\r\nabc\r\n.\r\n": multi} {
		most := int64(10)
		if strings.Contains(answer, "abc") {
			most = 11
		}
		_, _, err = ask(t, strings.NewReader(answer), pop3client.Options{MaxListing: most}, q)
		require.NoError(t, err)
		_, _, err = ask(t, strings.NewReader(answer), pop3client.Options{MaxListing: most - 1}, q)
		require.ErrorIs(t, err, pop3client.ErrTooLarge)
		_, _, err = ask(t, strings.NewReader(answer), pop3client.Options{MaxListing: -1}, q)
		require.NoError(t, err)
	}
	message := "+OK\r\n..abc\r\n.\r\n" // 6
	for limit, want := range map[int64]error{5: pop3client.ErrTooLarge, 6: nil, 0: nil, -1: nil} {
		_, _, err = ask(t, strings.NewReader(message), pop3client.Options{MaxMessage: limit}, retr)
		require.ErrorIs(t, err, want)
	}
}
