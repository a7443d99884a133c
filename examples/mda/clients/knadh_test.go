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
				login := func() *pop3.Conn {
					conn, err := client.NewConn()
					if err != nil {
						t.Fatal(err)
					}
					if err := conn.Auth(way.user, secrets[way.user]); err != nil {
						t.Fatal(err)
					}
					return conn
				}
				conn := login()
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
				// This client hands out lines as they come over the wire,
				// doubled dots and all.
				same(t, messages, sent, stuff)

				if entity, err := conn.Top(1, 1); err != nil || entity.Header.Get("Subject") != sent[0].name {
					t.Errorf("TOP 1 1: %v, %v", entity, err)
				}
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
				conn = login()
				if left, _, err := conn.Stat(); err != nil || left != count-1 {
					t.Errorf("after one DELE: %d messages, %v, want %d", left, err, count-1)
				}
				if err := conn.Quit(); err != nil {
					t.Error(err)
				}
			})
		}
	}, octetFlags...)
}

// tlsDialer brings the client a CA, for which it has no option.
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
