package main

import (
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/storetest"
)

// -expire is what CAPA lists (RFC 2449 section 6.7), and what every store keeps
// to: mail that is older is listed no more.
func TestExpireFlag(t *testing.T) {
	const age = 49 * time.Hour
	s := newCommandStore(t)
	storetest.Plant{Age: age, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(s.tables, s.store, demo)
	cluster := []string{"-store", "cassandra", "-cassandra", strings.Join(s.config.Hosts, ","), "-dc", s.config.LocalDC, "-keyspace", s.config.Keyspace}

	dir := t.TempDir()
	box := filepath.Join(dir, demo, "new")
	require.NoError(t, os.MkdirAll(box, 0o700))
	name := fmt.Sprintf("%d.M1P1.host", time.Now().Add(-age).Unix())
	require.NoError(t, os.WriteFile(filepath.Join(box, name), []byte("old\n"), 0o600))

	for _, store := range [][]string{cluster, {"-store", "maildir", "-dir", dir}} {
		for days, messages := range map[string]int{"0": 1, "3": 1} {
			expires(t, store, days, messages)
		}
		expires(t, store, "2", 0)
	}
	expires(t, []string{"-store", "memory"}, "2", 1) // the welcome message
}

// expires starts the program with mail of 49 hours ago.
func expires(t *testing.T, store []string, days string, messages int) {
	t.Helper()
	p := launch(t, append(store[:len(store):len(store)], "-expire", days)...)
	p.patience = time.Minute
	d := p.dial(t, "pop3")
	d.play("S: +OK *\nC: CAPA\nS: +OK*")
	list, err := textproto.NewReader(d.reader).ReadDotLines()
	require.NoError(t, err)
	want := "EXPIRE " + days
	if days == "0" {
		want = "EXPIRE NEVER"
	}
	require.Contains(t, list, want)
	require.Len(t, p.fetch(t), messages, "%q -expire %s", store, days)
	d.conn.Close()
	require.Zero(t, p.end(t, syscall.SIGTERM), p.stderr.String())
}
