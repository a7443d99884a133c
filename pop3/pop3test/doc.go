// Package pop3test starts POP3 servers on loopback for the tests of other
// programs, as net/http/httptest does for HTTP: a mail client's, a gateway's, a
// store's.
//
//	server := pop3test.NewServer(t, pop3.Login(pop3.Users{"demo": "secret"}, store))
//	client := server.Dial(t)
//	client.Login("demo", "secret")
//	fmt.Println(client.Command("STAT"))
//
// A [Client] fails the test at whatever goes wrong. For connections that break,
// and for clients that run in goroutines of their own, there is
// [pop3client.Client], which returns errors:
//
//	client, err := pop3client.Dial(ctx, server.Addr, pop3client.Options{AllowInsecureAuth: true})
//
// The server ends with the test. It has a certificate of its own for STLS and
// for POP3S.
package pop3test
