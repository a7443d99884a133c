package mailbox_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

func TestValidUIDLRFC1939Section7(t *testing.T) {
	for octet := range 256 {
		require.Equal(t, octet >= 0x21 && octet <= 0x7e, mailbox.ValidUIDL(string([]byte{byte(octet)})), "octet %#x", octet)
	}
	require.False(t, mailbox.ValidUIDL(""))
	require.True(t, mailbox.ValidUIDL(strings.Repeat("x", 70)))
	require.False(t, mailbox.ValidUIDL(strings.Repeat("x", 71)))
	require.False(t, mailbox.ValidUIDL("a b"))
	require.True(t, mailbox.ValidUIDL("whqtswO00WBw418f9t5JxYwZ"), "the example of the RFC")
}

func TestSafeUIDLIsLegalStableAndDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := string(rapid.SliceOf(rapid.Byte()).Draw(t, "a"))
		b := string(rapid.SliceOf(rapid.Byte()).Draw(t, "b"))
		require.True(t, mailbox.ValidUIDL(mailbox.SafeUIDL(a)))
		require.Equal(t, mailbox.SafeUIDL(a), mailbox.SafeUIDL(a))
		require.Equal(t, mailbox.SafeUIDL(a), mailbox.SafeUIDL(mailbox.SafeUIDL(a)))
		if mailbox.ValidUIDL(a) {
			require.Equal(t, a, mailbox.SafeUIDL(a))
		}
		if a != b {
			require.NotEqual(t, mailbox.SafeUIDL(a), mailbox.SafeUIDL(b))
		}
	})
}

// Clients know messages by these digests, so they must never change, not even
// in a later version.
func TestDigestsStayWhatTheyAre(t *testing.T) {
	require.Equal(t, "36a9e7f1c95b82ffb99743e0c5c4ce95d83c9a43", mailbox.SafeUIDL(" "))
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4", mailbox.SafeUIDL(""))
	require.Equal(t, "ed2a0f431969336db5d77431197daac3f963b0e7", mailbox.DistinctUIDL(mailbox.Message{ID: "1", UIDL: "x"}))
}

func TestUIDLIsTheMessagesOwnOrItsID(t *testing.T) {
	require.Equal(t, "id", mailbox.UIDL(mailbox.Message{ID: "id"}))
	require.Equal(t, "own", mailbox.UIDL(mailbox.Message{ID: "id", UIDL: "own"}))
	require.Equal(t, mailbox.SafeUIDL("not legal"), mailbox.UIDL(mailbox.Message{ID: "not legal"}))
	require.Equal(t, mailbox.SafeUIDL("not legal"), mailbox.UIDL(mailbox.Message{ID: "id", UIDL: "not legal"}))
}

func TestDistinctUIDLTellsMessagesApartThatShowTheSame(t *testing.T) {
	one, two := mailbox.Message{ID: "1", UIDL: "same"}, mailbox.Message{ID: "2", UIDL: "same"}
	require.Equal(t, mailbox.UIDL(one), mailbox.UIDL(two))
	require.NotEqual(t, mailbox.DistinctUIDL(one), mailbox.DistinctUIDL(two))
	require.NotEqual(t, mailbox.UIDL(one), mailbox.DistinctUIDL(one))
	require.True(t, mailbox.ValidUIDL(mailbox.DistinctUIDL(one)))

	one.Size = 99
	require.Equal(t, mailbox.DistinctUIDL(mailbox.Message{ID: "1", UIDL: "same"}), mailbox.DistinctUIDL(one), "what is learned later changes nothing")
}
