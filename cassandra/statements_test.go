package cassandra

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// P5: if replicas differ, a read repairs the columns that it names and no
// others. So reads of memberships and claims in every data centre name all
// columns, the unique-id among them: else they would leave rows without it.
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
