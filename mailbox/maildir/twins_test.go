package maildir

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two messages with one ID whose names are as long as names can be: the new ID
// needs more room than there is.
func TestTwoFilesWithOneIDAndLongNames(t *testing.T) {
	store := newStore(t, Options{})
	long := strings.Repeat("x", 230)
	put(t, store, "bob", "new", "1,S=7,W=7,"+long, "first\r\n")
	put(t, store, "bob", "cur", "1,S=8,W=8,"+long+":2,S", "second\r\n")
	box := open(t, store, "bob")
	var bodies []string
	for _, m := range list(t, box) {
		require.Positive(t, m.Size)
		bodies = append(bodies, read(t, box, m.ID))
	}
	require.ElementsMatch(t, []string{"first\r\n", "second\r\n"}, bodies)
}
