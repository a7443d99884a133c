// Package secret is what a server keeps of a user's password: the password, a
// bcrypt hash of it, or the keys of SCRAM.
//
//	s, err := secret.Parse("{SCRAM-SHA-256}4096,...") // of a file or a table
//	if work.Fits(s, password) { ... }
//
// A [Secret] has one of these forms as a text, which Dovecot, gsasl --mkpasswd
// and htpasswd -B write too:
//
//	{PLAIN}password                          for APOP, CRAM-MD5 and SCRAM
//	{BCRYPT}$2y$10$...                       for passwords that clients send
//	{SCRAM-SHA-256}4096,SALT,STORED,SERVER   for these, and SCRAM; base64
//	{SCRAM-SHA-1}4096,SALT,STORED,SERVER     the same, for old clients
//
// Both kinds of SCRAM may stand in one text, with a blank between them. Who
// reads a {PLAIN} secret can log in; of the others each guess costs the work of
// a login. A new user should have SCRAM: it also serves clients that send the
// password, and does not hold anybody back who would not.
//
// Secrets that are printed, logged or encoded show their forms alone.
package secret
