package auth_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"time"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/maildir"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/auth"
)

// What clients may use follows from the secrets.
func ExampleParseUsers() {
	users, err := auth.ParseUsers(strings.NewReader(`
# name:secret
alice:correct horse battery staple
bob:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=
`))
	if err != nil {
		log.Fatal(err)
	}
	user, err := users.Authenticate(context.Background(), mailbox.Login{User: "bob@example.org", Password: "pencil"})
	fmt.Println(user, err)
	fmt.Println(users.Offers("SCRAM-SHA-256"), users.Offers("CRAM-MD5"))
	// Output:
	// bob <nil>
	// true false
}

// A server whose users are in a file, which may change while it runs. LMTP and
// SMTP take the same users as their Directory.
func ExampleOpenFile() {
	users, err := auth.OpenFile(slog.Default(), "users.txt")
	if err != nil {
		log.Fatal(err)
	}
	store, err := maildir.New("maildata", maildir.Options{})
	if err != nil {
		log.Fatal(err)
	}
	server := &pop3.Server{Handler: pop3.Login(users, store)}
	log.Fatal(server.ListenAndServe())
}

// Some users are in a file, the others in a directory that is slow to answer.
func ExampleChain() {
	local, err := auth.ParseUsers(strings.NewReader("admin:a long one"))
	if err != nil {
		log.Fatal(err)
	}
	directory := pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) {
		if login.User == "alice" && login.Password == "from far away" {
			return "alice", nil
		}
		return "", mailbox.ErrAuthFailed
	})
	everybody := auth.Chain{local, &auth.Cache{Authenticator: directory, For: time.Minute}}
	for _, login := range []mailbox.Login{
		{Mechanism: "PLAIN", User: "admin", Password: "a long one"},
		{Mechanism: "PLAIN", User: "alice", Password: "from far away"},
		{Mechanism: "PLAIN", User: "alice", Password: "a guess"},
	} {
		fmt.Println(everybody.Authenticate(context.Background(), login))
	}
	// Output:
	// admin <nil>
	// alice <nil>
	//  authentication failed
}
