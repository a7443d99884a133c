package memory_test

import (
	"testing"

	"github.com/popcask/popcask/mailbox/mailboxtest"
	"github.com/popcask/popcask/mailbox/memory"
)

func TestConformance(t *testing.T) {
	mailboxtest.Run(t, func(testing.TB) mailboxtest.Harness {
		return mailboxtest.Harness{Store: new(memory.Store)}
	})
}
