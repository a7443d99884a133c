package maildir

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// A list as Dovecot 2.3.19 writes it. Its POP3 server was seen to show
// 000000016b0dad2f, a unique-id after P, and the name for a P alone.
const dovecotUIDList = `3 V1796058415 N5 G22f452362fad0d6b6515000083ecc375
1 :1700000001.M1P1.host,S=16,W=19
2 PUID77-99 :1700000002.M2P1.host,S=16,W=19
3 S16 W19 P :1700000003.M3P1.host,S=16,W=19:2,S
4 G5a :1700000004.M4P1.host:2,
`

func TestUniqueIDsOfAnotherServer(t *testing.T) {
	for name, list := range map[string]struct {
		uidl  func(file string) func(fs.FS) (func(string) string, error)
		text  string
		shown map[string]string // by file name
	}{
		"Dovecot": {DovecotUIDL, dovecotUIDList, map[string]string{
			"1700000001.M1P1.host,S=16,W=19:2,S": "000000016b0dad2f",
			"1700000002.M2P1.host":               "UID77-99",
			"1700000003.M3P1.host,S=16,W=19:2,":  "1700000003.M3P1.host,S=16,W=19",
			"1700000004.M4P1.host,S=16:2,S":      "000000046b0dad2f",
			"1700000005.M5P1.host":               "",
		}},
		"Dovecot 1.0": {DovecotUIDL, "1 1275660208 25022\n24633 1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n", map[string]string{
			"1276528487.M364837P9451.kurkku,S=1355,W=1394:2,S": "000060394c0907b0",
		}},
		"Dovecot, lines that are none": {DovecotUIDL, "3 N9 V16\nx :1.M1.a\n0 :1.M2.a\n4294967296 :1.M3.a\n5\n6 :1.M6 with blanks:2,S\n7 :1.M7.a\n8 :1.M7.a\n9 :1.M9.a", map[string]string{
			"1.M1.a": "", "1.M2.a": "", "1.M3.a": "",
			"1.M6 with blanks": "0000000600000010",
			"1.M7.a":           "0000000800000010", // the later counts, as in Dovecot
			"1.M9.a":           "",                 // it is being written
		}},
		"Courier": {CourierUIDL, "/2 57 1181211455\n1700000001.M1.host:2,S 2710 2:1181211455\n1700000002.M2.host 10 7:0\n1700000003.M3+ü.host:2, 10 0:0\nnone\nno.number 1 x:1\nno.validity 1 5\n", map[string]string{
			"1700000001.M1.host:2,": "UID2-1181211455",
			"1700000002.M2.host":    "UID7",
			"1700000003.M3+ü.host":  "1700000003.M3+2B+C3+BC.host",
			"none":                  "",
			"no.number":             "",
			"no.validity":           "",
		}},
		"Courier with UTF-8": {CourierUIDL, "/3 57 1181211455\n1700000001.M1.host:2,S 2710 2:1181211455:1\n", map[string]string{
			"1700000001.M1.host": "UID2-1181211455",
		}},
		"an empty file": {DovecotUIDL, "", map[string]string{"1700000001.M1.host": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			uidl, err := list.uidl("list")(fstest.MapFS{"list": {Data: []byte(list.text)}})
			require.NoError(t, err)
			for name, shown := range list.shown {
				require.Equal(t, shown, uidl(name), name)
			}
			uidl, err = list.uidl("list")(fstest.MapFS{})
			require.NoError(t, err, "a Maildir that the other server never had")
			require.Empty(t, uidl("1700000001.M1P1.host"))
		})
	}
}

func TestAListOfUniqueIDsThatCannotBeReadIsAnError(t *testing.T) {
	for name, list := range map[string]struct {
		uidl func(file string) func(fs.FS) (func(string) string, error)
		file *fstest.MapFile
		want string
	}{
		"another format of Dovecot": {DovecotUIDL, &fstest.MapFile{Data: []byte("2 V1 N1\n")}, "want format 1 or 3"},
		"no UIDVALIDITY":            {DovecotUIDL, &fstest.MapFile{Data: []byte("3 N1\n1 :1.M1.a\n")}, "UIDVALIDITY"},
		"no number in format 1":     {DovecotUIDL, &fstest.MapFile{Data: []byte("1 x 5\n")}, "UIDVALIDITY"},
		"not a list":                {DovecotUIDL, &fstest.MapFile{Data: []byte("hello\n")}, `header "hello"`},
		"a header cut short":        {DovecotUIDL, &fstest.MapFile{Data: []byte("3 V17960")}, "no header"},
		"another of Courier":        {CourierUIDL, &fstest.MapFile{Data: []byte("/1 2 3\n")}, "want format 2 or 3"},
		"not of Courier":            {CourierUIDL, &fstest.MapFile{Data: []byte(dovecotUIDList)}, "want format 2 or 3"},
		"a directory":               {CourierUIDL, &fstest.MapFile{Mode: fs.ModeDir | 0o700}, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := list.uidl("list")(fstest.MapFS{"list": list.file})
			require.ErrorContains(t, err, "list")
			require.ErrorContains(t, err, list.want)
		})
	}
}

func TestAListOfUniqueIDsHasALimit(t *testing.T) {
	store := newStore(t, Options{UIDL: DovecotUIDL("dovecot-uidlist")})
	put(t, store, "bob", "cur", "1700000001.M1P1.host:2,", "hello")
	put(t, store, "bob", ".", "dovecot-uidlist", dovecotUIDList)
	require.NoError(t, os.Truncate(path(store, "bob", "dovecot-uidlist"), maxUIDLFile))
	require.Len(t, listed(t, store, "bob"), 1)
	require.NoError(t, os.Truncate(path(store, "bob", "dovecot-uidlist"), maxUIDLFile+1))
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorContains(t, err, "67108864 are the limit")
	}
}

func TestMovedMailKeepsItsUniqueIDs(t *testing.T) {
	store := newStore(t, Options{UIDL: DovecotUIDL("dovecot-uidlist")})
	const moved = "1700000001.M1P1.host,S=7,W=7"
	put(t, store, "bob", "cur", "1700000002.M2P1.host,S=7,W=7,UIDL=older:2,S", "hello\r\n") // moved twice
	put(t, store, "bob", "cur", moved+":2,S", "hello\r\n")
	put(t, store, "bob", "cur", "1700000009.M9P1.host,S=7,W=7:2,S", "hello\r\n")
	put(t, store, "bob", ".", "dovecot-uidlist", dovecotUIDList)
	first := deliver(t, store, "bob", "after the move")
	require.Empty(t, deliverUIDL(t, store, "bob", "000000016b0dad2f").UIDL, "a message shows it already")
	foreign := deliverUIDL(t, store, "bob", "foreign")
	shown := func() []string {
		var uidls []string
		for _, m := range listed(t, store, "bob") {
			uidls = append(uidls, m.UIDL)
		}
		return uidls
	}
	require.Equal(t, []string{"000000016b0dad2f", "older", "", "", "", "foreign"}, shown())

	// Dovecot goes on, and adds to its list what has come since.
	put(t, store, "bob", ".", "dovecot-uidlist", dovecotUIDList+"5 :"+first.ID+"\n6 :"+foreign.ID+"\n")
	require.Equal(t, []string{"000000016b0dad2f", "older", "", "", "", "foreign"}, shown(), "what the store has delivered keeps its unique-id")

	box := open(t, store, "bob")
	list(t, box)
	require.NoError(t, box.Delete(t.Context(), []string{idOf(moved)}))
	require.Equal(t, []string{"older", "", "", "", "foreign"}, shown())
	require.Empty(t, listed(t, store, "alice"))
}

func TestAUniqueIDOfAnotherServerIsLegal(t *testing.T) {
	illegal := strings.Repeat("x", 71)
	store := newStore(t, Options{UIDL: func(fs.FS) (func(string) string, error) {
		return func(string) string { return illegal }, nil
	}})
	put(t, store, "bob", "cur", "1.M1.host:2,", "hello")
	require.Equal(t, mailbox.SafeUIDL(illegal), listed(t, store, "bob")[0].UIDL)
}

func TestUniqueIDsThatCannotBeFoundFailTheListingAndTheDeliveryOfOne(t *testing.T) {
	broken := errors.New("the list is broken")
	store := newStore(t, Options{Quota: 1 << 20, UIDL: func(fs.FS) (func(string) string, error) { return nil, broken }})
	deliver(t, store, "bob", "hello")
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorIs(t, err, broken)
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
	delivery := mailbox.To("bob")
	delivery.UIDL = "uid-1"
	_, err := mailbox.Deliver(t.Context(), store, delivery, strings.NewReader("hello"))
	require.ErrorIs(t, err, broken)
	deliver(t, store, "bob", "hello")
}

func TestTheListOfUniqueIDsIsReadInTheMaildirAlone(t *testing.T) {
	store := newStore(t, Options{UIDL: func(mailbox fs.FS) (func(string) string, error) {
		for _, name := range []string{"../mail", "/etc/passwd", ""} {
			_, err := mailbox.Open(name)
			require.ErrorIs(t, err, fs.ErrInvalid, name)
		}
		_, err := fs.ReadFile(mailbox, "link")
		require.Error(t, err)
		return DovecotUIDL("link")(mailbox)
	}})
	put(t, store, "bob", "cur", "1700000001.M1P1.host:2,", "hello")
	outside := t.TempDir() + "/list"
	require.NoError(t, os.WriteFile(outside, []byte(dovecotUIDList), 0o600))
	require.NoError(t, os.Symlink(outside, path(store, "bob", "link")))
	for _, err := range open(t, store, "bob").Messages(t.Context()) {
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
}
