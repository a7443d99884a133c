package secret_test

import (
	"crypto"
	"fmt"
	"log"

	"github.com/popcask/popcask/mailbox/secret"
)

// A new user's secret, for a file or a table, and a login later on.
func Example() {
	keys, err := secret.NewSCRAM(crypto.SHA256, "correct horse", 0)
	if err != nil {
		log.Fatal(err)
	}
	text := secret.Keys(keys).Encode()

	var work secret.Work // one for all users
	s, err := secret.Parse(text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s, work.Fits(s, "correct horse"), work.Fits(s, "battery staple"))
	fmt.Println(work.Fits(secret.Secret{}, "correct horse")) // of nobody: it takes as long
	// Output:
	// {SCRAM-SHA-256} true false
	// false
}
