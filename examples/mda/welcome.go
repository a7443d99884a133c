package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/popcask/popcask/mailbox"
)

const welcomeText = `Date: %s
From: Popcask <popcask@localhost>
To: demo@localhost
Subject: Welcome to Popcask
Message-ID: <welcome.%d@localhost>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

This message was put into the mailbox of the user demo (password demo) when
the program ran for the first time. It listens on

  %s

Send another one:

  printf 'Subject: hello\n\nHello, demo!\n' |
    curl smtp://ADDRESS-OF-SMTP --mail-rcpt demo@localhost -T -

See what is there, and read the second message:

  curl pop3://demo:demo@ADDRESS-OF-POP3/
  curl pop3://demo:demo@ADDRESS-OF-POP3/2

Users of your own: mda -users FILE. All flags: mda -h.
`

// deliverWelcome delivers a first message to the demo user.
func deliverWelcome(ctx context.Context, to mailbox.Appender, ports *ports) error {
	now := time.Now()
	text := fmt.Sprintf(welcomeText, now.Format(time.RFC1123Z), now.UnixNano(), ports)
	for _, name := range []string{"smtp", "pop3"} {
		if addr := ports.addr(name); addr != nil {
			text = strings.ReplaceAll(text, "ADDRESS-OF-"+strings.ToUpper(name), addr.String())
		}
	}
	delivery := mailbox.To(demo)
	delivery.Received = now
	if _, err := mailbox.Deliver(ctx, to, delivery, strings.NewReader(text)); err != nil {
		return fmt.Errorf("deliver the welcome message: %w", err)
	}
	return nil
}
