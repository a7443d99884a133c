package pop3_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// stubborn is a store that cannot remove some messages.
type stubborn struct {
	*memory.Store
	stuck map[string]bool // by ID
	whole bool            // the error does not say which
}

func (s stubborn) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	mb, err := s.Store.Open(ctx, login)
	return stubbornMailbox{mb, s}, err
}

type stubbornMailbox struct {
	mailbox.Mailbox
	store stubborn
}

func (m stubbornMailbox) Delete(ctx context.Context, ids []string) error {
	failed := make(map[string]error)
	var possible []string
	for _, id := range ids {
		if m.store.stuck[id] {
			failed[id] = mailbox.ErrTemporary
		} else {
			possible = append(possible, id)
		}
	}
	if err := m.Mailbox.Delete(ctx, possible); err != nil {
		return err
	}
	switch {
	case len(failed) == 0:
		return nil
	case m.store.whole:
		return errors.New("some were not removed")
	}
	return fmt.Errorf("stubborn: %w", &mailbox.DeleteError{Failed: failed})
}

// P4: after QUIT each message is wholly there or wholly gone. What was not
// marked is there. If something marked is left, the client got -ERR.
func TestP4AfterQUITEachMessageIsThereOrGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var store memory.Store
		m := deliver(t, &store, rapid.SliceOfN(anyBody, 1, 6).Draw(t, "bodies"))
		stuck := make(map[string]bool)
		input := goodLogin
		anyStuck := false
		want := []string{}
		for i, id := range m.uidls { // in the memory store a unique-id is the ID
			stuck[id] = rapid.Bool().Draw(t, "stuck")
			marked := rapid.Bool().Draw(t, "marked")
			if marked {
				input += fmt.Sprintf("DELE %d\r\n", i+1)
				anyStuck = anyStuck || stuck[id]
			}
			if !marked || stuck[id] {
				want = append(want, id)
			}
		}
		whole := rapid.Bool().Draw(t, "fails as a whole")
		infos := make(chan pop3.SessionInfo, 1)
		server := insecure(pop3.Login(demo, stubborn{&store, stuck, whole}))
		server.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { infos <- info }}
		conn := newScript([]byte(input+"QUIT\r\nNOOP\r\n"), 0)
		err := server.ServeConn(context.Background(), conn)
		info := <-infos
		require.Equal(t, want, uidls(t, &store, "demo"))
		if !anyStuck {
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(conn.out.String(), "+OK bye\r\n"))
			require.Equal(t, len(m.bodies)-len(want), info.Deleted)
			return
		}
		require.Error(t, err)
		require.Regexp(t, `-ERR \[SYS/TEMP\] [ -~]*\r\n$`, conn.out.String())
		require.NotContains(t, conn.out.String(), "+OK bye")
		if !whole {
			require.Equal(t, len(m.bodies)-len(want), info.Deleted)
		}
	})
}
