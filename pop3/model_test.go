package pop3_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// model is a session as RFC 1939 describes it.
type model struct {
	bodies   [][]byte // canonical
	uidls    []string
	marked   []bool
	user     string
	loggedIn bool
	quit     bool
}

func (m *model) stat() (count, octets int) {
	for i, body := range m.bodies {
		if !m.marked[i] {
			count++
			octets += len(body)
		}
	}
	return count, octets
}

// there reports whether a client can ask for message n.
func (m *model) there(n int) bool { return n >= 1 && n <= len(m.bodies) && !m.marked[n-1] }

// refusal stands for any -ERR.
const refusal = "-ERR"

// answer runs a command and returns the whole answer. The answers to RETR and
// TOP are the un-stuffed message.
func (m *model) answer(verb string, n, lines int) string {
	transaction := !strings.Contains("USER PASS wrong", verb)
	switch {
	case verb == "QUIT":
		m.quit = true
		return "+OK bye\r\n"
	case transaction != m.loggedIn:
		return refusal
	}
	switch verb {
	case "USER":
		m.user = "demo"
		return "+OK send PASS\r\n"
	case "PASS", "wrong":
		right := m.user != "" && verb == "PASS"
		m.user = ""
		if !right {
			return refusal
		}
		m.loggedIn = true
		return fmt.Sprintf("+OK maildrop has %d messages\r\n", len(m.bodies))
	case "NOOP":
		return "+OK\r\n"
	case "RSET":
		m.marked = make([]bool, len(m.bodies))
		return fmt.Sprintf("+OK maildrop has %d messages\r\n", len(m.bodies))
	case "STAT":
		count, octets := m.stat()
		return fmt.Sprintf("+OK %d %d\r\n", count, octets)
	case "LIST":
		count, octets := m.stat()
		return fmt.Sprintf("+OK %d %d\r\n", count, octets) + m.listing(func(i int) any { return len(m.bodies[i]) })
	case "UIDL":
		return "+OK unique-ids follow\r\n" + m.listing(func(i int) any { return m.uidls[i] })
	}
	if !m.there(n) {
		return refusal
	}
	switch body := m.bodies[n-1]; verb {
	case "LIST n":
		return fmt.Sprintf("+OK %d %d\r\n", n, len(body))
	case "UIDL n":
		return fmt.Sprintf("+OK %d %s\r\n", n, m.uidls[n-1])
	case "DELE":
		m.marked[n-1] = true
		return fmt.Sprintf("+OK message %d deleted\r\n", n)
	case "RETR":
		return string(body)
	case "TOP":
		return string(naiveTop(body, lines))
	}
	panic(verb)
}

func (m *model) listing(column func(i int) any) string {
	var lines strings.Builder
	for i := range m.bodies {
		if !m.marked[i] {
			fmt.Fprintf(&lines, "%d %v\r\n", i+1, column(i))
		}
	}
	return lines.String() + ".\r\n"
}

var verbs = []string{
	"USER", "PASS", "wrong", "QUIT", "NOOP", "RSET", "STAT", "LIST", "UIDL",
	"LIST n", "UIDL n", "DELE", "DELE", "DELE", "RETR", "TOP",
}

// commandLine returns the command for a verb of the model.
func commandLine(verb string, n, lines int) string {
	switch verb {
	case "USER":
		return "USER demo\r\n"
	case "PASS":
		return "PASS secret\r\n"
	case "wrong":
		return "PASS public\r\n"
	case "LIST n", "UIDL n":
		return fmt.Sprintf("%s %d\r\n", verb[:4], n)
	case "DELE", "RETR":
		return fmt.Sprintf("%s %d\r\n", verb, n)
	case "TOP":
		return fmt.Sprintf("TOP %d %d\r\n", n, lines)
	}
	return verb + "\r\n"
}

// anyBody has much that can go wrong: dots, line ends of all kinds, NULs.
var anyBody = rapid.Custom(func(t *rapid.T) []byte {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{".", "..", "\n", "\r\n", "\r", "\x00", "a", "Subject: x\n", "\n.\n", "text"}), 0, 12).Draw(t, "pieces")
	return []byte(strings.Join(pieces, ""))
})

// deliver fills a mailbox and returns the model of a session.
func deliver(t require.TestingT, store *memory.Store, bodies [][]byte) *model {
	m := &model{marked: make([]bool, len(bodies))}
	for _, body := range bodies {
		message, err := mailbox.Deliver(context.Background(), store, mailbox.To("demo"), bytes.NewReader(body))
		require.NoError(t, err)
		m.bodies = append(m.bodies, naiveCanonical(body))
		m.uidls = append(m.uidls, mailbox.UIDL(message))
	}
	return m
}

// The server answers any commands, in packets of any size, as the model does.
// After the session the store has what the model has.
func TestSessionIsTheStateMachineOfRFC1939(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var store memory.Store
		m := deliver(t, &store, rapid.SliceOfN(anyBody, 0, 4).Draw(t, "bodies"))
		var input, said strings.Builder
		type step struct{ verb, line, want string }
		var steps []step
		commands := rapid.IntRange(0, 40).Draw(t, "commands")
		if rapid.Bool().Draw(t, "login first") {
			input.WriteString(goodLogin)
			steps = append(steps, step{"USER", "USER", m.answer("USER", 0, 0)}, step{"PASS", "PASS", m.answer("PASS", 0, 0)})
		}
		for range commands {
			verb := rapid.SampledFrom(verbs).Draw(t, "verb")
			n := rapid.IntRange(0, len(m.bodies)+1).Draw(t, "n")
			lines := rapid.IntRange(0, 3).Draw(t, "lines")
			line := commandLine(verb, n, lines)
			input.WriteString(line)
			if !m.quit {
				steps = append(steps, step{verb, line, m.answer(verb, n, lines)})
			}
		}

		handler := pop3.Login(demo, &store)
		if rapid.Bool().Draw(t, "sizes unknown") {
			handler = pop3.Login(demo, sizeless{&store})
		}
		server := insecure(handler)
		server.MaxBadCommands, server.MaxAuthTries = -1, -1
		conn := newScript([]byte(input.String()), rapid.IntRange(0, 10).Draw(t, "octets at a time"))
		server.ServeConn(context.Background(), conn)

		_, output, _ := strings.Cut(conn.out.String(), "\r\n")
		for _, step := range steps {
			said.WriteString(step.line)
			var got string
			got, output = nextAnswer(t, step.verb, step.want, output)
			require.Equal(t, step.want, got, "after %s", said.String())
		}
		require.Empty(t, output)
		want := []string{}
		for i, uidl := range m.uidls {
			if !m.quit || !m.loggedIn || !m.marked[i] {
				want = append(want, uidl)
			}
		}
		require.Equal(t, want, uidls(t, &store, "demo"), "after %s", said.String())
	})
}

// nextAnswer cuts the next answer off the output, and returns it in the form of
// the model.
func nextAnswer(t require.TestingT, verb, want, output string) (answer, rest string) {
	status, rest, found := strings.Cut(output, "\r\n")
	require.True(t, found, "no answer to %s", verb)
	if want == refusal || strings.HasPrefix(status, refusal) {
		return status[:min(len(status), len(refusal))], rest
	}
	switch verb {
	case "RETR", "TOP":
		require.Regexp(t, `^\+OK `, status)
		body, rest := unstuff(t, rest)
		if verb == "RETR" && status != "+OK message follows" {
			require.Equal(t, fmt.Sprintf("+OK %d octets", len(body)), status)
		}
		return string(body), rest
	case "LIST", "UIDL":
		body, rest, found := strings.Cut(rest, ".\r\n")
		for found && body != "" && !strings.HasSuffix(body, "\r\n") {
			var more string
			more, rest, found = strings.Cut(rest, ".\r\n")
			body += ".\r\n" + more
		}
		require.True(t, found, "no final dot")
		return status + "\r\n" + body + ".\r\n", rest
	}
	return status + "\r\n", rest
}

// uidls returns the unique-ids of a mailbox as the store has them.
func uidls(t require.TestingT, store *memory.Store, user string) []string {
	ctx := context.Background()
	mb, err := store.Open(ctx, mailbox.Login{User: user})
	require.NoError(t, err)
	defer mb.Close()
	messages, err := mailbox.List(ctx, mb)
	require.NoError(t, err)
	list := []string{}
	for _, m := range messages {
		list = append(list, mailbox.UIDL(m))
	}
	return list
}
