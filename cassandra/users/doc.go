// Package users keeps users, their secrets and their aliases in a table of the
// store's keyspace, for all data centres.
//
//	err := users.Migrate(ctx, session)           // once, makes the table
//	u, err := users.New(ctx, session, users.Options{})
//	_, err = u.Set(ctx, "alice@example.org", s)   // s: a secret.Secret
//	handler := pop3.Login(u, store)              // logins, and
//	server := &lmtp.Server{Directory: u, ...}    // mail, aliases included
//
// A [Users] is a pop3.SCRAMSecrets, a pop3.Selective and a mailbox.Directory.
//
// # Changes in several data centres
//
// A change needs a majority of the replicas of the local data centre; it is sent
// to all, and says whether every data centre has taken it. What a user has are
// three values, each with the time of its change: the secret, the state and what
// it is an alias of. Of two changes of one value the later one wins, in every
// data centre and in any order; at the same microsecond, the larger value. So
// two that change one user at the same moment, one of them cut off, end with the
// same everywhere, as soon as they hear of each other: by hints within hours,
// else by a repair of the cluster. There are no lightweight transactions.
//
// A new secret does not change the state: a user who is disabled stays disabled
// until Enable. Of a Disable and an Enable of the same microsecond the first one
// wins.
//
// Logins and lookups read a majority of the local data centre, and need no other
// one.
package users
