package mailboxtest_test

import (
	"testing"

	"github.com/popcask/popcask/mailbox/mailboxtest"
	"github.com/popcask/popcask/mailbox/memory"
)

// The body of a test function in the tests of a store.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T) {
		mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
			return mailboxtest.Harness{Store: new(memory.Store)}
		})
	}
}
