package maildir

import (
	"io"
	"os"
	"strings"
	"testing"

	gomaildir "github.com/emersion/go-maildir"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestAnotherProgramDeliversAndReads(t *testing.T) {
	store := newStore(t, Options{})
	mine := deliver(t, store, "bob", "Subject: mine\n")
	dir := gomaildir.Dir(path(store, "bob"))

	delivery, err := gomaildir.NewDelivery(string(dir))
	require.NoError(t, err)
	_, err = io.WriteString(delivery, "Subject: theirs\n\nunix line ends\n")
	require.NoError(t, err)
	require.NoError(t, delivery.Close())

	box := open(t, store, "bob")
	messages := list(t, box)
	require.Len(t, messages, 2)
	var theirs mailbox.Message
	for _, m := range messages {
		if m.ID != mine.ID {
			theirs = m
		}
	}
	require.Negative(t, theirs.Size, "nothing tells it but the content")
	const canonical = "Subject: theirs\r\n\r\nunix line ends\r\n"
	require.Equal(t, canonical, read(t, box, theirs.ID))
	theirs.Size = int64(len(canonical))
	require.Contains(t, listed(t, store, "bob"), theirs, "having been read once, it is known")

	// The other program takes what is new, sets flags, and sees our message
	// like any other.
	taken, err := dir.Unseen()
	require.NoError(t, err)
	require.Len(t, taken, 2)
	for _, message := range taken {
		require.NoError(t, message.SetFlags([]gomaildir.Flag{gomaildir.FlagSeen, gomaildir.FlagReplied}))
	}
	require.Equal(t, "Subject: mine\r\n", read(t, box, mine.ID), "found again in the open session")
	require.ElementsMatch(t, []mailbox.Message{mine, theirs}, listed(t, store, "bob"), "IDs, sizes and unique-ids stay")

	message, err := dir.MessageByKey(taken[0].Key())
	require.NoError(t, err)
	require.NoError(t, message.Remove())
	require.Len(t, listed(t, store, "bob"), 1)
	require.NoError(t, box.Delete(t.Context(), ids(messages)), "deleting what they removed or renamed")
	require.Empty(t, listed(t, store, "bob"))
	require.Empty(t, filesIn(t, store, "bob", "cur"))
}

func TestForeignFiles(t *testing.T) {
	store := newStore(t, Options{})
	for name, place := range map[string]string{
		"1276528487.M364837P9451.kurkku,S=5,W=6:2,S": "cur",
		"1276528487.M364838P9451.kurkku,S=5,W=6":     "new",
		"1331573220_0.6021.host,U=123,FMD5=7e3:2,FS": "cur",
		"1331573221_0.6021.host,U=124,FMD5=7e3:2,":   "new", // offlineimap puts flags there too
		"no info in cur":         "cur",
		"bad.info:3,x":           "cur",
		"\xff\xfe\n.ctl:2,S":     "cur",
		strings.Repeat("x", 250): "cur",
		"99999999999999999999.M1.far-in-the-future:2,": "cur",
	} {
		put(t, store, "bob", place, name, "1234\n")
	}
	for _, name := range []string{".hidden", ":2,S", ",S=4"} {
		put(t, store, "bob", "cur", name, "no message")
	}
	require.NoError(t, os.Mkdir(path(store, "bob", "cur", "1.M1.directory"), 0o700))
	require.NoError(t, os.Mkdir(path(store, "bob", ".Sent"), 0o700))

	box := open(t, store, "bob")
	messages := list(t, box)
	require.Equal(t, []string{
		"bad.info", "no info in cur", strings.Repeat("x", 250), "\xff\xfe\n.ctl",
		"1276528487.M364837P9451.kurkku", "1276528487.M364838P9451.kurkku",
		"1331573220_0.6021.host", "1331573221_0.6021.host",
		"99999999999999999999.M1.far-in-the-future",
	}, ids(messages))
	uidls := map[string]bool{}
	for _, m := range messages {
		require.Equal(t, "1234\r\n", read(t, box, m.ID))
		uidl := mailbox.UIDL(m)
		require.True(t, mailbox.ValidUIDL(uidl))
		uidls[uidl] = true
		require.Empty(t, m.UIDL, "U= of offlineimap and mbsync is no unique-id")
	}
	require.Len(t, uidls, len(messages))
	for _, m := range listed(t, store, "bob") {
		require.EqualValues(t, 6, m.Size)
	}
	require.NoError(t, box.Delete(t.Context(), ids(messages)))
	require.Empty(t, listed(t, store, "bob"))
	require.ElementsMatch(t, []string{".hidden", ":2,S", ",S=4", "1.M1.directory"}, filesIn(t, store, "bob", "cur"), "what is no message is left alone")
}

func TestAWrongSizeIsCorrectedWhenTheMessageIsRead(t *testing.T) {
	for name, hostile := range map[string]struct {
		file   string
		listed int64
	}{
		"smaller":         {"1.M1.host,S=3,W=4:2,S", 4},
		"larger":          {"1.M1.host,S=900,W=901:2,S", 901},
		"W= alone":        {"1.M1.host,W=0:2,S", 0},
		"no final CRLF":   {"1.M1.host,S=12,W=13:2,S", 13}, // Dovecot does not count the one that is wanting
		"cannot be true":  {"1.M1.host,S=12,W=1:2,S", -1},
		"negative":        {"1.M1.host,S=-1,W=-1:2,S", -1},
		"beyond an int64": {"1.M1.host,S=99999999999999999999,W=99999999999999999999:2,S", -1},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, Options{})
			put(t, store, "bob", "cur", hostile.file, "123456\n89012"[:12])
			box := open(t, store, "bob")
			require.Equal(t, hostile.listed, list(t, box)[0].Size)
			const canonical = "123456\r\n89012\r\n"
			require.Equal(t, canonical, read(t, box, "1.M1.host"))
			require.EqualValues(t, len(canonical), listed(t, store, "bob")[0].Size)
			require.Equal(t, []string{hostile.file}, filesIn(t, store, "bob", "cur"), "the name stays: it is the identity for some programs")
		})
	}
}

func TestKnownSizesAreBounded(t *testing.T) {
	for limit, want := range map[int]int{2: 2, -1: 0} {
		store := newStore(t, Options{KnownSizes: limit})
		for _, name := range []string{"1.M1.host", "1.M2.host", "1.M3.host"} {
			put(t, store, "bob", "new", name, "1234\n")
		}
		box := open(t, store, "bob")
		for _, m := range list(t, box) {
			read(t, box, m.ID)
		}
		known := 0
		for _, m := range listed(t, store, "bob") {
			if m.Size == 6 {
				known++
			}
		}
		require.Equal(t, want, known)
	}
	store := newStore(t, Options{})
	require.Equal(t, 100_000, store.sizes.limit)
	require.Equal(t, 100_000, store.homes.limit)
}

func TestAFileCutShortIsAnErrorNotAShortMessage(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", strings.Repeat("x", 10_000))
	box := open(t, store, "bob")
	body, err := box.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.NoError(t, err)
	defer body.Close()
	require.NoError(t, os.Truncate(path(store, "bob", "new", filesIn(t, store, "bob", "new")[0]), 5000))
	octets, err := io.ReadAll(body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, octets, 5000)
}
