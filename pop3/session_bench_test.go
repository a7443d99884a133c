package pop3_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// What a session costs the server without a network: one that looks and finds
// nothing new, and one that retrieves ten messages of 5 KB, each command in a
// read of its own or all at once.
func BenchmarkSession(b *testing.B) {
	const messages = 10
	var store memory.Store
	body := "Subject: x\r\n\r\n" + strings.Repeat("a line of a message, of sixty-four octets with its line end ..\r\n", 80)
	for range messages {
		if _, err := mailbox.Deliver(b.Context(), &store, mailbox.To("demo"), strings.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
	server := &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), &store), AllowInsecureAuth: true}
	var retrieve strings.Builder
	for i := range messages {
		fmt.Fprintf(&retrieve, "RETR %d\r\n", i+1)
	}
	for name, commands := range map[string]string{"look": "STAT\r\nUIDL\r\n", "retrieve": "STAT\r\n" + retrieve.String()} {
		input := goodLogin + commands + "QUIT\r\n"
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := server.ServeConn(b.Context(), newScript([]byte(input), 0)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
