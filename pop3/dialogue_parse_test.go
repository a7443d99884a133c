package pop3_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// dialogue is a file of testdata/dialogues.
type dialogue struct {
	name     string
	over     []string // plain, stls or tls, with the suffix "-insecure" for AllowInsecureAuth
	writings []writing
	users    pop3.Users
	owner    string // of the messages: the first user
	apop     bool
	noTLS    bool
	messages []fixture
	left     []int // numbers of the messages that are left after the session; nil: all
	settings []func(*pop3.Server)
	openErr  error // of the store
	lines    []line
}

// fixture is a message of a dialogue.
type fixture struct {
	octets string
	uidl   string
}

// readDialogues reads all files.
func readDialogues(t *testing.T) []*dialogue {
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	dialogues := make([]*dialogue, 0, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		d, err := parseDialogue(strings.TrimSuffix(filepath.Base(file), ".txt"), string(data))
		require.NoError(t, err, file)
		dialogues = append(dialogues, d)
	}
	return dialogues
}

// parseDialogue is strict, so that a typing error does not make a test that
// passes.
func parseDialogue(name, text string) (*dialogue, error) {
	d := &dialogue{
		name:     name,
		users:    pop3.Users{},
		writings: []writing{lockStep, pipelined, octetByOnes},
	}
	if first, _, _ := strings.Cut(text, "\n"); !strings.HasPrefix(first, "# RFC ") {
		return nil, fmt.Errorf("the first line cites no RFC")
	}
	for i, row := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if err := d.parseRow(row, i+1); err != nil {
			return nil, fmt.Errorf("line %d: %w: %q", i+1, err, row)
		}
	}
	d.owner = cmp.Or(d.owner, "nobody")
	switch {
	case len(d.over) == 0:
		return nil, fmt.Errorf("over: is missing")
	case len(d.lines) < 2 || d.lines[0].kind != serverSays:
		return nil, fmt.Errorf("the server speaks first")
	}
	if end := d.lines[len(d.lines)-1].kind; end != serverCloses && end != clientCloses {
		return nil, fmt.Errorf("the connection is not closed")
	}
	return d, nil
}

func (d *dialogue) parseRow(row string, number int) error {
	l := line{number: number}
	tag, rest, _ := strings.Cut(row, " ")
	switch {
	case row != strings.TrimRight(row, " \t\r"):
		return fmt.Errorf("blanks at the end of a line are invisible, write it raw")
	case row == "" || row[0] == '#':
		return nil
	case row == "<TLS negotiation>":
		l.kind = negotiateTLS
	case row == "<the server closes the connection>":
		l.kind = serverCloses
	case row == "<the client closes its side>":
		l.kind = clientCloses
	case tag == "C:" || tag == "S:":
		l.text = rest + "\r\n"
	case tag == "C>" || tag == "S>":
		text, err := strconv.Unquote(rest)
		if err != nil {
			return err
		}
		l.text = text
	default:
		key, value, found := strings.Cut(row, ": ")
		if !found || len(d.lines) > 0 {
			return fmt.Errorf("this is neither a line of the dialogue nor of its head")
		}
		return d.parseHead(key, value)
	}
	if row[0] == 'S' {
		l.kind = serverSays
	}
	d.lines = append(d.lines, l)
	return nil
}

func (d *dialogue) parseHead(key, value string) error {
	switch key {
	case "over":
		d.over = strings.Split(value, ", ")
	case "writes":
		d.writings = nil
		for _, how := range strings.Split(value, ", ") {
			d.writings = append(d.writings, writing(how))
		}
	case "user":
		name, password, _ := strings.Cut(value, " ")
		if quoted, err := strconv.Unquote(password); err == nil {
			password = quoted
		}
		d.users[name] = password
		d.owner = cmp.Or(d.owner, name)
	case "message":
		return d.parseMessage(value)
	case "left":
		d.left = []int{}
		for _, number := range strings.Fields(strings.TrimPrefix(value, "none")) {
			n, err := strconv.Atoi(number)
			if err != nil {
				return err
			}
			d.left = append(d.left, n)
		}
	case "apop":
		d.apop = value == "yes"
	case "no-tls":
		d.noTLS = value == "yes"
	case "implementation":
		d.settings = append(d.settings, func(s *pop3.Server) { s.Implementation = value })
	case "max-bad-commands", "max-auth-tries", "max-line", "max-messages":
		return d.parseLimit(key, value)
	case "open-error":
		d.openErr = map[string]error{
			"in-use": mailbox.ErrInUse, "temporary": mailbox.ErrTemporary, "permanent": mailbox.ErrPermanent,
		}[value]
		if d.openErr == nil {
			return fmt.Errorf("no such error")
		}
	default:
		return fmt.Errorf("unknown key")
	}
	return nil
}

func (d *dialogue) parseLimit(key, value string) error {
	n, err := strconv.Atoi(value)
	d.settings = append(d.settings, func(s *pop3.Server) {
		switch key {
		case "max-bad-commands":
			s.MaxBadCommands = n
		case "max-auth-tries":
			s.MaxAuthTries = n
		case "max-line":
			s.MaxLine = n
		case "max-messages":
			s.MaxMessages = n
		}
	})
	return err
}

// parseMessage parses `120 octets` or a quoted string, which `, uidl ...` may
// follow.
func (d *dialogue) parseMessage(value string) error {
	value, uidl, _ := strings.Cut(value, ", uidl ")
	m := fixture{uidl: uidl}
	if size, ok := strings.CutSuffix(value, " octets"); ok {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		m.octets = messageOf(n)
	} else {
		octets, err := strconv.Unquote(value)
		if err != nil {
			return err
		}
		m.octets = octets
	}
	d.messages = append(d.messages, m)
	return nil
}

// messageOf is a message whose canonical form has n octets, 21 at least.
func messageOf(n int) string {
	const head = "Subject: filler\r\n\r\n"
	body := strings.Repeat("abcdefghijklmnopqrstuvwxyz0123456789\r\n", n/38+1)
	return head + body[len(body)-(n-len(head)):]
}

// start starts the server of a dialogue.
func (d *dialogue) start(t testing.TB, over string) (*pop3test.Server, *memory.Store) {
	store := new(memory.Store)
	for _, m := range d.messages {
		delivery := mailbox.To(d.owner)
		delivery.UIDL = m.uidl
		_, err := mailbox.Deliver(context.Background(), store, delivery, strings.NewReader(m.octets))
		require.NoError(t, err)
	}
	var opened mailbox.Store = store
	if d.openErr != nil {
		opened = refusingStore{store, d.openErr}
	}
	var authenticator pop3.Authenticator = d.users
	if d.apop {
		authenticator = d.users.SharedSecrets()
	}
	server := pop3test.NewUnstartedServer(t, pop3.Login(authenticator, opened))
	server.Config.AllowInsecureAuth = strings.HasSuffix(over, "-insecure")
	if d.noTLS {
		server.Config.TLSConfig = nil
	}
	for _, set := range d.settings {
		set(server.Config)
	}
	server.Start(t)
	return server, store
}

// refusingStore opens nothing.
type refusingStore struct {
	mailbox.Store
	err error
}

func (s refusingStore) Open(context.Context, mailbox.Login) (mailbox.Mailbox, error) {
	return nil, s.err
}
