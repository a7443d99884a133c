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

//go:embed testdata/poplib_client.py
var poplibClient string

// TestPoplib sends every command with Python's poplib, in plain text, after
// STLS and over POP3S.
func TestPoplib(t *testing.T) {
	python := need(t, "python3", "python3")
	over(t, allStores, func(t *testing.T, m *mda) {
		for _, way := range []struct{ name, user, port string }{
			{"POP3", anna, port(m.pop3)},
			{"STLS", bert, port(m.pop3)},
			{"POP3S", cleo, port(m.pop3s)},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				sent := slices.Concat(corpus("poplib."+way.user), many(200, way.user))
				m.deliver(t, way.user, sent)
				portNumber, err := strconv.Atoi(way.port)
				if err != nil {
					t.Fatal(err)
				}
				options, err := json.Marshal(map[string]any{
					"way": way.name, "host": host, "port": portNumber, "ca": certificates(t).ca,
					"user": way.user, "password": secrets[way.user], "messages": len(sent),
				})
				if err != nil {
					t.Fatal(err)
				}
				// -I: without the machine's own Python settings.
				script := write(t, filepath.Join(t.TempDir(), "poplib_client.py"), poplibClient)
				cmd := command(within(t, 2*time.Minute), t.TempDir(), python, "-I", "-X", "utf8", script)
				cmd.Stdin = bytes.NewReader(options)
				var got struct {
					Messages [][]byte
					Tops     [][2][]byte
					UIDLs    []string
					APOP     bool
				}
				if err := json.Unmarshal(run(t, cmd).stdout, &got); err != nil {
					t.Fatal(err)
				}
				same(t, got.Messages, sent, nil)
				for i, tops := range got.Tops {
					for j, lines := range []int{0, 2} {
						if want := top(sent[i].wire(), lines); !bytes.Equal(tops[j], want) {
							t.Errorf("TOP of %s, %d lines: %s", sent[i].name, lines, difference(tops[j], want))
						}
					}
				}
				t.Logf("APOP offered: %v", got.APOP)
			})
		}
	}, octetFlags...)
}
