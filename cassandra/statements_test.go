package cassandra

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// Where replicas differ, a read repairs the columns that it reads and no others:
// a read of memberships or claims in every data centre that left some out would
// leave rows without them there (P5: a unique-id is one of them).
func TestP5WholeRowsAreRead(t *testing.T) {
	for _, st := range []*cql.Statement{selectMember, selectMembers, selectMembersIn} {
		for _, column := range []string{"uid", "mod_seq", "size", "uidl", "removed"} {
			require.Regexp(t, `SELECT .*\b`+column+`\b.* FROM mailbox_message`, st.String())
		}
	}
	for _, column := range []string{"until", "owner"} {
		require.Regexp(t, `SELECT .*\b`+column+`\b.* FROM ledger`, selectLedgersIn.String())
		require.Regexp(t, `SELECT .*\b`+column+`\b.* FROM ledger`, selectClaims.String())
	}
}
