package cassandra

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// P1, P5: if replicas differ, a read repairs the columns that it names and no
// others. So reads of memberships, ledgers and claims name all columns that are
// not in the key: else they would leave rows without some of them, such as a
// message without its unique-id, or a mailbox without its fence.
func TestP5WholeRowsAreRead(t *testing.T) {
	for _, st := range []*cql.Statement{selectMember, selectMembers, selectMembersOf, selectMembersIn} {
		for _, column := range []string{"uid", "mod_seq", "size", "uidl", "removed"} {
			require.Regexp(t, `SELECT .*\b`+column+`\b.* FROM mailbox_message`, st.String())
		}
	}
	for _, st := range []*cql.Statement{selectLedger, selectBucket, selectLedgersIn} {
		for _, column := range []string{"bucket", "crowd", "opened", "seal", "user", "fence"} {
			require.Regexp(t, `SELECT .*\b`+column+`\b.* FROM ledger`, st.String())
		}
	}
	for _, column := range []string{"message_id", "gone"} {
		require.Regexp(t, `SELECT .*\b`+column+`\b.* FROM uidl`, selectClaims.String())
	}
}
