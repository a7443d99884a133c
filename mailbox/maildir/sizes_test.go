package maildir

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

func TestTheSizeAtOpenIsWhatIsSent(t *testing.T) {
	for name, file := range map[string]struct{ name, body string }{
		"S= of another file":            {"1.M1.host,S=5,W=6", "0123456789012345678901234567890123456789\r\n"},
		"S= alone, of another file":     {"1.M1.host,S=5", "0123456789012345678901234567890123456789\r\n"},
		"W= alone":                      {"1.M1.host,W=5", "1234\n"},
		"W= alone, of the file":         {"1.M1.host,W=5", "1234\n"},
		"W= is of the file, not of it":  {"1.M1.host,S=5,W=5", "1234\n"},
		"no final CRLF, as of Dovecot":  {"1.M1.host,S=12,W=13", "123456\n89012"},
		"no final CRLF, CRLF elsewhere": {"1.M1.host,S=13,W=13", "123456\r\n89012"},
		"one octet":                     {"1.M1.host,S=1,W=1", "1"},
		"nothing":                       {"1.M1.host,S=0,W=0", ""},
		"nothing, but W=":               {"1.M1.host,S=0,W=2", ""},
		"right, LF":                     {"1.M1.host,S=5,W=6", "1234\n"},
		"right, CRLF":                   {"1.M1.host,S=6,W=6", "1234\r\n"},
		"no size":                       {"1.M1.host", "1234\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, options := range []Options{{}, {KnownSizes: -1}} {
				store := newStore(t, options)
				put(t, store, "bob", "cur", file.name+":2,S", file.body)
				box := open(t, store, "bob")
				list(t, box)
				body, err := box.Open(t.Context(), "1.M1.host", mailbox.OpenOptions{})
				require.NoError(t, err)
				size := body.(mailbox.SizedBody).CanonicalSize()
				if options.KnownSizes == 0 {
					require.Equal(t, size, listed(t, store, "bob")[0].Size, "later sessions list it")
				}
				octets, err := io.ReadAll(body)
				require.NoError(t, err)
				require.NoError(t, body.Close())
				require.Len(t, octets, int(size))
				canonical, err := mailbox.Octets(strings.NewReader(file.body))
				require.NoError(t, err)
				require.Equal(t, canonical, size)

				size, err = box.(mailbox.Sizer).Size(t.Context(), "1.M1.host")
				require.NoError(t, err)
				require.Equal(t, canonical, size)
			}
		})
	}
}

func TestAMessageThatIsNotAskedForAsAWholeIsNotCounted(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "1234\n")
	box := open(t, store, "bob")
	reads := 0
	store.fault = func(now step) error {
		if now == stepRead {
			reads++
		}
		return nil
	}
	for _, purpose := range []mailbox.Purpose{mailbox.Top, mailbox.Measure} {
		body, err := box.Open(t.Context(), "1.M1.host", mailbox.OpenOptions{For: purpose})
		require.NoError(t, err)
		require.EqualValues(t, -1, body.(mailbox.SizedBody).CanonicalSize())
		require.NoError(t, body.Close())
	}
	require.Zero(t, reads)
	for range 3 {
		read(t, box, "1.M1.host")
	}
	require.Equal(t, 2, reads, "once: the content and the end")
}

func TestAKnownSizeIsNotBelievedOfAnotherFile(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "1234\n")
	box := open(t, store, "bob")
	require.Equal(t, "1234\r\n", read(t, box, "1.M1.host"))
	put(t, store, "bob", "cur", "1.M1.host:2,S", "123456\n")
	body, err := box.Open(t.Context(), "1.M1.host", mailbox.OpenOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 8, body.(mailbox.SizedBody).CanonicalSize())
	require.NoError(t, body.Close())
	require.Equal(t, "123456\r\n", read(t, box, "1.M1.host"))
	require.EqualValues(t, 8, listed(t, store, "bob")[0].Size)
}

// A message that was read to its end for another purpose was counted on the way.
func TestASizeThatWasCountedOnTheWayIsRemembered(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "1234\n")
	require.EqualValues(t, -1, listed(t, store, "bob")[0].Size)
	body, err := open(t, store, "bob").Open(t.Context(), "1.M1.host", mailbox.OpenOptions{For: mailbox.Measure})
	require.NoError(t, err)
	defer body.Close()
	_, err = io.ReadAll(body)
	require.NoError(t, err)
	require.EqualValues(t, 6, listed(t, store, "bob")[0].Size)
}

func TestTheSizeOfARemovedMessageIsForgotten(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "1234\n")
	box := open(t, store, "bob")
	read(t, box, "1.M1.host")
	require.False(t, store.sizes.empty())
	require.NoError(t, box.Delete(t.Context(), []string{"1.M1.host"}))
	require.True(t, store.sizes.empty())
}

// talk speaks POP3 with a server of the store, and returns what it answers.
func talk(t testing.TB, store *Store, commands ...string) []string {
	t.Helper()
	server := &pop3.Server{Handler: pop3.Login(pop3.Users{"bob": "secret"}, store), AllowInsecureAuth: true}
	client, conn := net.Pipe()
	go func() { _ = server.ServeConn(context.Background(), conn) }()
	commands = append(append([]string{"USER bob", "PASS secret"}, commands...), "QUIT")
	go func() { _, _ = io.WriteString(client, strings.Join(commands, "\r\n")+"\r\n") }()
	var answers []string
	for lines := bufio.NewScanner(client); lines.Scan(); {
		answers = append(answers, lines.Text())
	}
	return answers[3:]
}

func TestAFileThatCannotBeReadHidesNoOthersSize(t *testing.T) {
	for name, wanting := range map[string]struct {
		file, body string
		size       string
	}{
		"S= in its name": {"2.M2.host,S=7", "1234\n", "7"},
		"no size at all": {"2.M2.host", "1234\n", "5"},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, Options{})
			put(t, store, "bob", "cur", "1.M1.host,S=5,W=6:2,", "1234\n")
			put(t, store, "bob", "cur", wanting.file+":2,", wanting.body)
			store.fault = func(now step) error {
				if now == stepRead {
					return syscall.EIO
				}
				return nil
			}
			answers := talk(t, store, "STAT", "LIST", "RETR 2", "RETR 1")
			require.Equal(t, "+OK 2 1"+map[string]string{"7": "3", "5": "1"}[wanting.size], answers[0])
			require.Equal(t, []string{"1 6", "2 " + wanting.size, "."}, answers[2:5])
			require.True(t, strings.HasPrefix(answers[5], "-ERR "), answers[5])
			require.Equal(t, []string{"+OK 6 octets", "1234", "."}, answers[6:9])

			store.fault = nil
			require.Equal(t, "+OK 2 12", talk(t, store, "STAT")[0], "the estimate is not remembered")
		})
	}
}

func TestAFileWithoutPermissionHidesNoOthersSize(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,", "1234\n")
	box := open(t, store, "bob")
	list(t, box)
	file := path(store, "bob", "cur", "1.M1.host:2,")
	if os.Getuid() == 0 { // who may read everything, but not through a link that leads out
		require.NoError(t, os.Remove(file))
		require.NoError(t, os.Symlink("/etc/passwd", file))
	} else {
		require.NoError(t, os.Chmod(file, 0))
	}
	_, err := box.Open(t.Context(), "1.M1.host", mailbox.OpenOptions{})
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	size, err := box.(mailbox.Sizer).Size(t.Context(), "1.M1.host")
	require.NoError(t, err)
	require.Positive(t, size)
	require.NoError(t, os.Remove(file))
	_, err = box.(mailbox.Sizer).Size(t.Context(), "1.M1.host")
	require.ErrorIs(t, err, mailbox.ErrNotFound)
}

func TestSizeEndsWithItsContext(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,", "1234\n")
	box := open(t, store, "bob")
	list(t, box)
	ctx, cancel := context.WithCancel(t.Context())
	store.fault = func(now step) error {
		if now == stepRead {
			cancel()
		}
		return nil
	}
	_, err := box.(mailbox.Sizer).Size(ctx, "1.M1.host")
	require.ErrorIs(t, err, context.Canceled)
}

func TestAMessageThatDovecotCompressedIsNotSentAsItIs(t *testing.T) {
	for magic, remedy := range map[string]string{
		"\x1f\x8b\x08\x00":                 "decompress it",
		"\x28\xb5\x2f\xfd":                 "decompress it",
		"\xfd7zXZ\x00":                     "decompress it",
		"BZh91AY&SY":                       "decompress it",
		"Dovecot-LZ4\x0d\x2a\x9b\xc5":      "decompress it",
		"CRYPTED\x03\x07\x02\x00\x00\x00q": "decrypt it",
	} {
		store := newStore(t, Options{})
		put(t, store, "bob", "cur", "1.M1.host,S=1000,W=1010:2,S", magic+"and so on\n")
		put(t, store, "bob", "cur", "2.M2.host,S=1000:2,S", magic+"and so on\n")
		put(t, store, "bob", "cur", "3.M3.host:2,S", magic+"and so on\n")
		box := open(t, store, "bob")
		require.EqualValues(t, 1010, list(t, box)[0].Size)
		for _, id := range []string{"1.M1.host", "2.M2.host"} {
			for _, purpose := range []mailbox.Purpose{mailbox.Retrieve, mailbox.Top} {
				_, err := box.Open(t.Context(), id, mailbox.OpenOptions{For: purpose})
				require.ErrorIs(t, err, mailbox.ErrPermanent)
				require.ErrorContains(t, err, remedy)
				require.False(t, errors.Is(err, mailbox.ErrTemporary))
			}
		}
		size, err := box.(mailbox.Sizer).Size(t.Context(), "2.M2.host")
		require.NoError(t, err)
		require.EqualValues(t, 1000, size, "of the message, not of the file")
		read(t, box, "3.M3.host") // nothing says that it is not what it is
	}
}
