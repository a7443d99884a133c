package clients

import (
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/knadh/go-pop3"
)

// TestKnadh reads, marks, unmarks and deletes with knadh/go-pop3.
func TestKnadh(t *testing.T) {
	over(t, allStores, func(t *testing.T, m *mda) {
		for _, way := range []struct {
			name, user, port string
			dialer           pop3.Dialer
		}{
			{"POP3", anna, port(m.pop3), &net.Dialer{Timeout: 10 * time.Second}},
			{"POP3S", bert, port(m.pop3s), tlsDialer{&tls.Config{RootCAs: certificates(t).pool, ServerName: host}}},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				sent := slices.Concat(corpus("knadh."+way.user), many(200, way.user))
				m.submit(t, way.user, sent)
				portNumber, err := strconv.Atoi(way.port)
				if err != nil {
					t.Fatal(err)
				}
				client := pop3.New(pop3.Opt{Host: host, Port: portNumber, Dialer: deadline{way.dialer}})
				conn := knadhLogin(t, client, way.user)
				knadhRetrieve(t, conn, sent)
				if entity, err := conn.Top(1, 1); err != nil || entity.Header.Get("Subject") != sent[0].name {
					t.Errorf("TOP 1 1: %v, %v", entity, err)
				}
				knadhDelete(t, conn, len(sent))
				conn = knadhLogin(t, client, way.user)
				if left, _, err := conn.Stat(); err != nil || left != len(sent)-1 {
					t.Errorf("after one DELE: %d messages, %v, want %d", left, err, len(sent)-1)
				}
				if err := conn.Quit(); err != nil {
					t.Error(err)
				}
			})
		}
	}, octetFlags...)
}

func knadhLogin(t *testing.T, client *pop3.Client, user string) *pop3.Conn {
	t.Helper()
	conn, err := client.NewConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Auth(user, secrets[user]); err != nil {
		t.Fatal(err)
	}
	return conn
}

// knadhRetrieve compares STAT, LIST, UIDL and RETR with what was sent.
func knadhRetrieve(t *testing.T, conn *pop3.Conn, sent []message) {
	t.Helper()
	count, size, err := conn.Stat()
	if err != nil {
		t.Fatal(err)
	}
	list, err := conn.List(0)
	if err != nil {
		t.Fatal(err)
	}
	uidl, err := conn.Uidl(0)
	if err != nil {
		t.Fatal(err)
	}
	if count != len(sent) || len(list) != count || len(uidl) != count {
		t.Fatalf("STAT %d, LIST %d, UIDL %d messages; %d were sent", count, len(list), len(uidl), len(sent))
	}
	var messages [][]byte
	for _, entry := range list {
		size -= entry.Size
		text, err := conn.RetrRaw(entry.ID)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, text.Bytes())
	}
	if size != 0 {
		t.Errorf("STAT's size is %d more than the sum of LIST", size)
	}
	// This client returns lines as they come over the wire, with
	// their doubled dots.
	same(t, messages, sent, stuff)
}

// knadhDelete marks messages and unmarks them, and then deletes the last one.
func knadhDelete(t *testing.T, conn *pop3.Conn, count int) {
	t.Helper()
	if err := conn.Dele(1, 2); err != nil {
		t.Error(err)
	}
	if err := conn.Rset(); err != nil {
		t.Error(err)
	}
	if err := conn.Dele(count); err != nil {
		t.Error(err)
	}
	if err := conn.Quit(); err != nil {
		t.Error(err)
	}
}

// tlsDialer makes the client trust a CA, for which it has no option.
type tlsDialer struct{ config *tls.Config }

func (d tlsDialer) Dial(network, address string) (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, network, address, d.config)
}

// deadline bounds the session of a client that has no option for it.
type deadline struct{ pop3.Dialer }

func (d deadline) Dial(network, address string) (net.Conn, error) {
	conn, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(2 * time.Minute))
}
