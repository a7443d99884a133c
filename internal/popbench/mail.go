//go:build linux

package main

import (
	"bytes"
	"context"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

const (
	smallUser = "small" // 20 messages of 5 KB
	largeUser = "large" // a message of 5 MB
	hugeUser  = "huge"  // a message of 100 MB
	password  = "secret"
)

var users = []string{smallUser, largeUser, hugeUser}

// messages is how many messages a user has, all of them the same.
func messages(user string) int {
	if user == smallUser {
		return 20
	}
	return 1
}

var bodies = map[string][]byte{
	smallUser: makeMessage(5 << 10),
	largeUser: makeMessage(5 << 20),
}

// message is the message that a user has, in canonical form. That of hugeUser
// is made only to be delivered.
func message(user string) []byte {
	if user == hugeUser {
		return makeMessage(100 << 20)
	}
	return bodies[user]
}

// makeMessage is a message with an attachment in base64.
func makeMessage(size int) []byte {
	var m bytes.Buffer
	m.WriteString("From: a@example.org\r\nTo: b@example.org\r\nSubject: figures\r\n\r\n")
	line := strings.Repeat("QUJD", 19) + "\r\n"
	for m.Len()+len(line) <= size {
		m.WriteString(line)
	}
	return m.Bytes()
}

func deliver(s store) error {
	for _, user := range users {
		if _, inMemory := s.(*memory.Store); inMemory && user == hugeUser {
			continue
		}
		for range messages(user) {
			if _, err := mailbox.Deliver(context.Background(), s, mailbox.To(user), bytes.NewReader(message(user))); err != nil {
				return err
			}
		}
	}
	return nil
}
