package maildir_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/maildir"
)

// A Maildir that Dovecot has served, laid out as domain/user/Maildir. Clients see
// the unique-id that Dovecot has shown, and do not fetch the message again.
func ExampleDovecotUIDL() {
	dir, err := os.MkdirTemp("", "vhosts")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	home := filepath.Join(dir, "example.org", "bob", "Maildir")
	err = errors.Join(
		os.MkdirAll(filepath.Join(home, "cur"), 0o700),
		os.WriteFile(filepath.Join(home, "cur", "1700000001.M1P1.host,S=16,W=19:2,S"), []byte("Subject: 1\n\nhi\n\n"), 0o600),
		os.WriteFile(filepath.Join(home, "dovecot-uidlist"), []byte("3 V1796058415 N2\n1 :1700000001.M1P1.host,S=16,W=19\n"), 0o600),
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	store, err := maildir.New(dir, maildir.Options{
		Dir: func(user string) (string, error) {
			name, domain, _ := strings.Cut(user, "@")
			if domain == "" {
				return "", mailbox.ErrNoSuchUser
			}
			return maildir.DirName(domain) + "/" + maildir.DirName(name) + "/Maildir", nil
		},
		UIDL: maildir.DovecotUIDL("dovecot-uidlist"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close(ctx)

	box, err := store.Open(ctx, mailbox.Login{User: "bob@example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	messages, err := mailbox.List(ctx, box)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, message := range messages {
		fmt.Println(mailbox.UIDL(message))
	}
	// Output:
	// 000000016b0dad2f
}

func Example() {
	dir, err := os.MkdirTemp("", "mail")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	store, err := maildir.New(dir, maildir.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close(ctx)

	delivery := mailbox.To("Bob@Example.org")
	delivery.Recipients[0].Header = "Delivered-To: bob@example.org\r\n"
	if _, err = mailbox.Deliver(ctx, store, delivery, strings.NewReader("Subject: lunch?\n\nAt noon.\n")); err != nil {
		fmt.Println(err)
		return
	}

	box, err := store.Open(ctx, mailbox.Login{User: "bob@example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	messages, err := mailbox.List(ctx, box)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, message := range messages {
		fmt.Println(message.Size, "octets")
	}
	// Output:
	// 60 octets
}
