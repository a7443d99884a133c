package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/mailbox/memory"
)

// moody is a store that is ready or not, as a test wants it.
type moody struct {
	store
	mood error
}

func (m *moody) Ready(context.Context) error { return m.mood }

// The program is ready from the opening of the store until it is told to stop,
// if the store is. It is live all the time.
func TestReadyAndLive(t *testing.T) {
	h := newHealth()
	get := func(path string) (code int, text string) {
		answer := httptest.NewRecorder()
		h.server.Handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		return answer.Code, strings.TrimSpace(answer.Body.String())
	}
	ready := func(wantCode int, wantText string) {
		t.Helper()
		code, text := get("/ready")
		require.Equal(t, wantCode, code)
		require.Equal(t, wantText, text)
		code, _ = get("/live")
		require.Equal(t, 200, code)
	}
	ready(503, "starting")
	h.opened(new(memory.Store))
	ready(200, "ready")
	store := &moody{mood: errors.New("no quorum")}
	h.opened(store)
	ready(503, "no quorum")
	store.mood = nil
	ready(200, "ready")
	h.stopping()
	ready(503, "stopping")
	code, _ := get("/")
	require.Equal(t, 404, code)
}

// The program is ready again after its cluster was down.
func TestReadyWithItsCluster(t *testing.T) {
	slow.Test(t, "a node of its own, which is killed")
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true})
	config := cassandra.Config{Hosts: cluster.Hosts(""), LocalDC: "dc1", Keyspace: "popcask", Timeout: time.Minute}
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{"dc1": 1}))
	p := launch(t, "-health", "127.0.0.1:0", "-store", "cassandra", "-cassandra", cluster.Nodes[0].Addr())
	get := func(path string) (code int, text string) {
		answer, err := http.Get("http://" + p.address["health"] + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	becomes := func(want int) (why string) {
		for deadline := time.Now().Add(2 * time.Minute); ; {
			code, text := get("/ready")
			live, _ := get("/live")
			require.Equal(t, 200, live)
			if code == want {
				return text
			}
			require.True(t, time.Now().Before(deadline), "/ready does not become %d: %s", want, text)
		}
	}
	becomes(200)
	require.NoError(t, cluster.Shutdown(""))
	require.Contains(t, becomes(503), "cassandra: not ready: ")
	require.NoError(t, cluster.Boot(t.Context(), ""))
	becomes(200)
}
