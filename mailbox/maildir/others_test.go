package maildir

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gomaildir "github.com/emersion/go-maildir"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// sweepNow forgets when tmp was last swept, and sweeps.
func (s *Store) sweepNow(t testing.TB, user string) {
	t.Helper()
	s.homes.put(userDir(user), time.Time{})
	home, err := s.root.OpenRoot(userDir(user))
	require.NoError(t, err)
	defer home.Close()
	s.sweep(home, userDir(user))
}

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

	// They take what is new, set flags, and see ours as a message like any other.
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

// A program that moves a message with link and unlink was killed between them.
func TestTwoNamesOfOneFileAreOneMessage(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	name := filesIn(t, store, "bob", "new")[0]
	require.NoError(t, os.Link(path(store, "bob", "new", name), path(store, "bob", "cur", name+":2,S")))
	box := open(t, store, "bob")
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	require.Equal(t, "hello\r\n", read(t, box, m.ID))
	require.NoError(t, box.Delete(t.Context(), []string{m.ID}))
	require.Empty(t, listed(t, store, "bob"), "removed wholly")
}

// A backup was copied over live mail, or a message to a second name.
func TestTwoFilesWithOneIDAreTwoMessages(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host,S=7,W=7,UIDL=old:2,S", "first\r\n")
	put(t, store, "bob", "cur", "1.M1.host,S=8,W=8,UIDL=old:2,", "second\r\n")
	put(t, store, "bob", "new", "1.M1.host", "third\r\n")
	box := open(t, store, "bob")
	messages := list(t, box)
	require.Len(t, messages, 3)
	require.Equal(t, messages, listed(t, store, "bob"), "once and for all")

	var bodies []string
	shown := map[string]bool{}
	for _, m := range messages {
		bodies = append(bodies, read(t, box, m.ID))
		shown[mailbox.UIDL(m)] = true
	}
	require.ElementsMatch(t, []string{"first\r\n", "second\r\n", "third\r\n"}, bodies)
	require.Len(t, shown, 3)
	require.True(t, shown["old"])
	require.Equal(t, "1.M1.host", messages[0].ID, "one keeps the ID")

	require.NoError(t, box.Delete(t.Context(), []string{"1.M1.host"}))
	require.Len(t, listed(t, store, "bob"), 2, "the others are not lost with it")
}

func TestStaleFilesInTmpAreRemovedAfter36Hours(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "tmp", "killed yesterday", "half")
	put(t, store, "bob", "tmp", "under way", "half")
	old := time.Now().Add(-37 * time.Hour)
	require.NoError(t, os.Chtimes(path(store, "bob", "tmp", "killed yesterday"), old, old))
	require.NoError(t, os.Mkdir(path(store, "bob", "tmp", "directory"), 0o700))

	deliver(t, store, "bob", "hello")
	require.Equal(t, []string{"directory", "under way"}, filesIn(t, store, "bob", "tmp"))

	put(t, store, "bob", "tmp", "killed later", "half")
	require.NoError(t, os.Chtimes(path(store, "bob", "tmp", "killed later"), old, old))
	deliver(t, store, "bob", "hello")
	require.Contains(t, filesIn(t, store, "bob", "tmp"), "killed later", "not with every delivery")
	now := time.Now().Add(sweepEvery)
	store.mint.now = func() time.Time { return now }
	deliver(t, store, "bob", "hello")
	require.NotContains(t, filesIn(t, store, "bob", "tmp"), "killed later")
}

func TestAMaildropThatWasRemovedIsMadeAgain(t *testing.T) {
	store := newStore(t, Options{})
	deliver(t, store, "bob", "hello")
	require.NoError(t, os.RemoveAll(path(store, "bob")))
	require.Empty(t, listed(t, store, "bob"))
	m := deliver(t, store, "bob", "hello again")
	require.NoError(t, os.RemoveAll(path(store, "bob", "tmp")))
	second := deliver(t, store, "bob", "and again")
	require.Equal(t, []mailbox.Message{m, second}, listed(t, store, "bob"))
	require.DirExists(t, filepath.Join(path(store, "bob"), "tmp"))
}

func TestASessionKeepsItsMaildropWhenAnotherTakesItsPlace(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	box := open(t, store, "bob")
	list(t, box)
	require.NoError(t, os.Rename(path(store, "bob"), path(store, "archived")))
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	other := deliver(t, store, "bob", "another")
	require.Equal(t, []mailbox.Message{m}, list(t, box))
	require.Equal(t, "hello\r\n", read(t, box, m.ID))
	require.Equal(t, []mailbox.Message{other}, listed(t, store, "bob"))
}
