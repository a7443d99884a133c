// Package pop3test starts mail servers on loopback for the tests of other
// programs, as net/http/httptest does for HTTP.
//
// A [MailServer] is for programs that send mail, or send and read it: SMTP and
// LMTP in, POP3 out, any recipient, any login.
//
//	server := pop3test.NewMailServer(t)
//	sendInvitation(server.SMTP.String(), "anna@example.org") // the program
//	message := server.Wait(ctx, 1)[0]
//	fmt.Println(message.User, message.Subject, len(message.Attachments))
//
// Something goes wrong when the test asks for it: [MailServer.Refuse],
// [MailServer.FailNext], [MailServer.DropNext], [MailServer.Delay].
//
// A [Server] is for programs that read mail, and for handlers and stores: it
// serves POP3 with a handler of the test's.
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
// The servers end with the test. They have certificates of their own for TLS. No
// port is fixed, so that all tests can run in parallel.
package pop3test
