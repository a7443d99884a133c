// Package pop3test starts POP3 servers on loopback for the tests of other
// programs, as net/http/httptest does for HTTP: a mail client's, a gateway's, a
// store's.
//
//	server := pop3test.NewServer(t, pop3.Login(pop3.Users{"demo": "secret"}, store))
//	client := server.Dial(t)
//	client.Login("demo", "secret")
//	fmt.Println(client.Command("STAT"))
//
// A [RawClient] returns errors instead of failing the test: for connections
// that break, and for clients that run in goroutines of their own.
//
// The server ends with the test. It has a certificate of its own for STLS and
// for POP3S.
package pop3test
