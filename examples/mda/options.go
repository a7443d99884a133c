package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra"
)

const usageText = `Usage: mda [flags]
       mda COMMAND [flags]    mda COMMAND -h explains

A mail delivery agent: LMTP and SMTP in, one mailbox for each user, POP3 out.
Commands for a Cassandra store: verify, repair, orphans, rebuild, largest, empty,
expire, users, user.
Command for the users file: hash, which makes a secret of a password.

  mda
      Keeps mail in ./maildata, for the user demo with the password demo.
      Read it:    curl pop3://demo:demo@127.0.0.1:1110/1
      Send some:  curl smtp://127.0.0.1:1125 --mail-rcpt demo@localhost -T mail.eml
                  swaks -s 127.0.0.1:1125 -t demo@localhost

  mda -users users.txt -dir /var/mail/popcask -pop3 :110 -pop3s :995 \
      -tls-cert cert.pem -tls-key key.pem
      Serves POP3 to other machines, with passwords over TLS only, and takes
      mail from this machine.

  mda -store cassandra -cassandra 127.0.0.1 -dc dc1 -create-schema dc1:3,dc2:3
      Keeps mail in a Cassandra cluster, in tables that it makes the first time.
      A cluster to try, which prints its hosts:
      go run ./examples/cluster -dcs dc1:3,dc2:3

  mda -store cassandra -cassandra cass1,cass2 -dc dc1 -cassandra-login login.txt \
      -cassandra-ca ca.pem -cassandra-cert cert.pem -cassandra-key key.pem
      The same, with nodes that demand a password, TLS and a client certificate.

  mda -store memory -tls-self-signed -pop3s 127.0.0.1:1995 -log debug
      For trying things out: the mail is gone when the program ends.

Addresses are host:port; a port alone is on loopback, and :port on all addresses
of this machine. Port 0 takes a free port, unix:/path is a Unix socket, and an
empty address switches the listener off. When all listeners are up, one line on
standard output begins with "ready" and has their addresses.

  -pop3 ADDRESS      POP3 (127.0.0.1:1110)
  -pop3s ADDRESS     POP3 with TLS from the first octet (off)
  -lmtp ADDRESS      LMTP, for mail from a mail transfer agent (127.0.0.1:1124)
  -smtp ADDRESS      SMTP, for mail from other programs (127.0.0.1:1125)
  -health ADDRESS    HTTP for the probes of a load balancer (off): GET /live is 200
                     as long as the program runs; GET /ready is 200 while mail can
                     be taken and served, else 503

  -store KIND        the store that keeps the mail (maildir): maildir, cassandra,
                     or memory, which is empty again after a restart
  -dir DIRECTORY     the directory of the maildir store (./maildata)
` + nodesUsage + `  -create-schema REPLICAS
                     make the keyspace and its tables, unless they exist, with
                     this number of replicas in each data centre: dc1:3,dc2:3
  -max-size OCTETS   the largest message that is taken; 0 for no limit (52428800)
  -expire DAYS       remove mail that is older, which CAPA says; 0 for never (0)
                     (mda expire -h has more about -store cassandra)
  -trace=false       do not prepend Return-Path, Delivered-To and Received

  -users FILE        the users that have a mailbox, one name:secret on each line;
                     a secret is a password, or what mda hash, htpasswd -B,
                     gsasl --mkpasswd and Dovecot (SCRAM, BLF-CRYPT) make of it;
                     # begins a comment line (without it: the user demo with the
                     password demo)
  -users-table       the users are in a table of the Cassandra store's keyspace:
                     see mda user -h

  -tls-cert FILE     certificate chain and
  -tls-key FILE      private key in PEM form: POP3 then offers STLS, LMTP and SMTP
                     STARTTLS
  -tls-self-signed   make a certificate, for tests
  -insecure-auth     take passwords without TLS (true if every POP3 address is on
                     loopback, else false)

  -log LEVEL         debug, info or warn, on standard error (info)

  -version           print the versions of this program and of Go

A flag for another store than that of -store is a mistake.
The users file and the certificate are read again when they change, and at SIGHUP.

Exit code: 0 after SIGTERM or SIGINT, 1 if something went wrong, 2 if the flags
are wrong.
`

// options are the values of the flags.
type options struct {
	pop3, pop3s, lmtp, smtp, health string

	store, dir string

	nodes
	createSchema cassandra.Replication // nil: the tables exist

	maxSize int64
	expire  int // days
	trace   bool

	users      string
	usersTable bool

	tlsCert, tlsKey string
	tlsSelfSigned   bool
	insecureAuth    *bool // nil: the flag was not given

	level slog.Level

	version bool
}

// usageError is a mistake in the flags.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func newFlags(o *options) *flag.FlagSet {
	flags := flag.NewFlagSet("mda", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in one line
	flags.StringVar(&o.pop3, "pop3", "127.0.0.1:1110", "")
	flags.StringVar(&o.pop3s, "pop3s", "", "")
	flags.StringVar(&o.lmtp, "lmtp", "127.0.0.1:1124", "")
	flags.StringVar(&o.smtp, "smtp", "127.0.0.1:1125", "")
	flags.StringVar(&o.health, "health", "", "")
	flags.StringVar(&o.store, "store", "maildir", "")
	flags.StringVar(&o.dir, "dir", "./maildata", "")
	o.nodes.flags(flags)
	flags.Func("create-schema", "", func(value string) (err error) {
		o.createSchema, err = cassandra.ParseReplication(value)
		return err
	})
	flags.Int64Var(&o.maxSize, "max-size", 50<<20, "")
	flags.IntVar(&o.expire, "expire", 0, "")
	flags.BoolVar(&o.trace, "trace", true, "")
	flags.StringVar(&o.users, "users", "", "")
	flags.BoolVar(&o.usersTable, "users-table", false, "")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "")
	flags.StringVar(&o.tlsKey, "tls-key", "", "")
	flags.BoolVar(&o.tlsSelfSigned, "tls-self-signed", false, "")
	flags.BoolFunc("insecure-auth", "", func(value string) error {
		allowed, err := strconv.ParseBool(value)
		o.insecureAuth = &allowed
		return err
	})
	flags.TextVar(&o.level, "log", slog.LevelInfo, "")
	flags.BoolVar(&o.version, "version", false, "")
	return flags
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := newFlags(&o)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, usageError{err}
	}
	if flags.NArg() > 0 {
		return o, usagef("%q is not a flag", flags.Arg(0))
	}
	if o.version {
		return o, nil
	}
	for _, address := range []*string{&o.pop3, &o.pop3s, &o.lmtp, &o.smtp, &o.health} {
		*address = onLoopback(*address)
	}
	return o, cmp.Or(o.checkStore(flags), o.check())
}

// isDemo reports whether the only user is the one whose password is public.
func (o options) isDemo() bool { return o.users == "" && !o.usersTable }

// onLoopback returns the address of a port on loopback, if that is what the
// address is.
func onLoopback(address string) string {
	if _, err := strconv.ParseUint(address, 10, 16); err == nil {
		return net.JoinHostPort("127.0.0.1", address)
	}
	return address
}

// checkStore rejects flags that were given and that the store would ignore.
func (o options) checkStore(flags *flag.FlagSet) (err error) {
	if o.store != "maildir" && o.store != "memory" && o.store != "cassandra" {
		return usagef("-store %s: there are maildir, cassandra and memory", o.store)
	}
	flags.Visit(func(f *flag.Flag) {
		if store := storeOf(f.Name); err == nil && store != "" && store != o.store {
			err = usagef("-%s needs -store %s", f.Name, store)
		}
	})
	return err
}

// storeOf returns the store that a flag is for, "" if it is for all of them.
func storeOf(name string) string {
	switch name {
	case "dir":
		return "maildir"
	case "dc", "keyspace", "create-schema", "cassandra", "users-table":
		return "cassandra"
	}
	if strings.HasPrefix(name, "cassandra-") {
		return "cassandra"
	}
	return ""
}

// check rejects flags that do not go together.
func (o options) check() error {
	switch {
	case o.store == "maildir" && o.dir == "":
		return usagef("-dir: the name is empty")
	case o.usersTable && o.users != "":
		return usagef("-users and -users-table exclude each other")
	case o.maxSize < 0:
		return usagef("-max-size %d is negative", o.maxSize)
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return usagef("-tls-cert and -tls-key need each other")
	case o.tlsCert != "" && o.tlsSelfSigned:
		return usagef("-tls-self-signed and -tls-cert exclude each other")
	case o.pop3s != "" && o.tlsCert == "" && !o.tlsSelfSigned:
		return usagef("-pop3s needs -tls-cert and -tls-key, or -tls-self-signed")
	}
	if err := checkDays("-expire", o.expire); err != nil {
		return err
	}
	listeners := 0
	for name, address := range o.addresses() {
		listeners++
		// A name that begins with @ has no file, and so no permissions.
		if path, isUnix := strings.CutPrefix(address, unixPrefix); isUnix && (path == "" || path[0] == '@') {
			return usagef("-%s %s: a Unix socket is unix:/path", name, address)
		}
	}
	if listeners == 0 {
		return usagef("every listener is switched off")
	}
	return o.nodes.check()
}

// longestDays is far less than what a [time.Duration] holds.
const longestDays = 100 * 365

func checkDays(flag string, days int) error {
	if days < 0 || days > longestDays {
		return usagef("%s %d: want 0 to %d days", flag, days, longestDays)
	}
	return nil
}

// retention is -expire as a time.
func (o options) retention() time.Duration { return time.Duration(o.expire) * 24 * time.Hour }

// addresses are those of the listeners that are not switched off, by name, in
// the order of the ready line.
func (o options) addresses() iter.Seq2[string, string] {
	return func(yield func(name, address string) bool) {
		for _, flag := range [...]struct{ name, address string }{
			{"pop3", o.pop3}, {"pop3s", o.pop3s}, {"lmtp", o.lmtp}, {"smtp", o.smtp}, {"health", o.health},
		} {
			if flag.address != "" && !yield(flag.name, flag.address) {
				return
			}
		}
	}
}
