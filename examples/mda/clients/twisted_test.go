package clients

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

//go:embed testdata/twisted_client.py
var twistedClient string

// TestTwisted reads mail with Twisted's client, which logs in by APOP if the
// greeting has a timestamp, and computes with that timestamp after STLS too.
func TestTwisted(t *testing.T) {
	python := need(t, "python3", "python3")
	if command(within(t, time.Minute), t.TempDir(), python, "-I", "-c", "import twisted.mail").Run() != nil {
		missing(t, "no Twisted: apt-get install python3-twisted (.ci/clients-install installs all clients)")
	}
	over(t, allStores, func(t *testing.T, m *mda) {
		for _, way := range []struct{ name, user, port string }{
			{"STLS", anna, port(m.pop3)},
			{"POP3S", bert, port(m.pop3s)},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				sent := slices.Concat(corpus("twisted."+way.user), many(20, way.user))
				m.deliver(t, way.user, sent)
				portNumber, err := strconv.Atoi(way.port)
				if err != nil {
					t.Fatal(err)
				}
				options, err := json.Marshal(map[string]any{
					"way": way.name, "host": host, "port": portNumber, "ca": certificates(t).ca,
					"user": way.user, "password": secrets[way.user],
				})
				if err != nil {
					t.Fatal(err)
				}
				script := write(t, filepath.Join(t.TempDir(), "twisted_client.py"), twistedClient)
				cmd := command(within(t, 2*time.Minute), t.TempDir(), python, "-I", "-X", "utf8", script)
				cmd.Stdin = bytes.NewReader(options)
				var got struct {
					Messages [][]byte
					UIDLs    []string
				}
				if err := json.Unmarshal(run(t, cmd).stdout, &got); err != nil {
					t.Fatal(err)
				}
				same(t, got.Messages, sent, nil)
				m.awaitAPOP(t, way.user)
				if left := m.maildrop(t, way.user); !slices.Equal(left, got.UIDLs[1:]) {
					t.Errorf("the maildrop afterwards is %v, want %v", left, got.UIDLs[1:])
				}
			})
		}
	}, octetFlags...)
}
