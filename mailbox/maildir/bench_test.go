package maildir

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/popcask/popcask/mailbox"
)

// fill writes messages as Dovecot leaves them, without waiting for the disk.
func fill(b *testing.B, store *Store, messages int, body string) {
	b.Helper()
	put(b, store, "bob", "tmp", "x", "")
	for i := range messages {
		name := fmt.Sprintf("%d.M%06dP4242.mail,S=%d,W=%d:2,S", 1_700_000_000+i/3, i, len(body), len(body))
		if err := os.WriteFile(path(store, "bob", "cur", name), []byte(body), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen10000(b *testing.B) {
	const messages = 10_000
	store := newStore(b, Options{})
	fill(b, store, messages, "hello\r\n")
	ctx := context.Background()
	b.Run("Store", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			box, err := store.Open(ctx, mailbox.Login{User: "bob"})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for _, err := range box.Messages(ctx) { // a List would count as the store's memory
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != messages {
				b.Fatal(n)
			}
			_ = box.Close()
		}
	})
	b.Run("BareReadDir", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, place := range placeNames {
				if _, err := os.ReadDir(path(store, "bob", place)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkRetr(b *testing.B) {
	for _, size := range []struct {
		name  string
		lines int
	}{{"5KB", 64}, {"5MB", 64 << 10}} {
		body := strings.Repeat(strings.Repeat("x", 78)+"\r\n", size.lines)
		store := newStore(b, Options{})
		fill(b, store, 1000, "hello\r\n")
		name := fmt.Sprintf("1.M1.mail,S=%d,W=%d:2,S", len(body), len(body))
		put(b, store, "bob", "cur", name, body)
		buffer := make([]byte, 32<<10)
		b.Run(size.name+"/Store", func(b *testing.B) {
			ctx := context.Background()
			box := open(b, store, "bob")
			list(b, box)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				message, err := box.Open(ctx, "1.M1.mail", mailbox.OpenOptions{})
				if err != nil {
					b.Fatal(err)
				}
				readAll(b, message, buffer)
			}
		})
		b.Run(size.name+"/BareFile", func(b *testing.B) {
			file := path(store, "bob", "cur", name)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				message, err := os.Open(file)
				if err != nil {
					b.Fatal(err)
				}
				readAll(b, message, buffer)
			}
		})
	}
}

func readAll(b *testing.B, message io.ReadCloser, buffer []byte) {
	for {
		_, err := message.Read(buffer)
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	_ = message.Close()
}

func BenchmarkDeliver(b *testing.B) {
	store := newStore(b, Options{})
	body := strings.Repeat(strings.Repeat("x", 78)+"\r\n", 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mailbox.Deliver(context.Background(), store, mailbox.To("bob"), strings.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
}
