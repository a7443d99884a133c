package auth

import (
	"bufio"
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

var enumerationTries = flag.Int("enumeration.tries", 20, "tries for each user in TestEnumerationByTime; its records have 200")

// What the time of a wrong login says of the user, as a client on the same machine
// sees it, who has the best view there is: for users with each kind of secret, and
// for two that do not exist, in turns. It is a record: run it with -v, and 200
// tries or more. A test it is only of work that is left out for some, so that the
// machine may be busy: of no user is the fastest try four times as fast as that of
// another.
//
// A row says how probable it is that a try for the user takes longer than one for
// nobody (0.50 if the time says nothing), and how many standard deviations that
// is from chance. The row "ghoul" shows what chance does: it is nobody, as "ghost"
// is, and all names have as many letters.
func TestEnumerationByTime(t *testing.T) {
	slow.Test(t, "hundreds of wrong logins, most of them with bcrypt")
	cost := bcrypt.MinCost
	if *enumerationTries >= 200 {
		cost = bcrypt.DefaultCost // with -race it takes a second
	}
	bcrypted, err := secret.Bcrypt("right", cost)
	require.NoError(t, err)
	keys, err := secret.NewSCRAM(crypto.SHA256, "right", 0)
	require.NoError(t, err)
	const plain = "plain:right\n"
	scram := "scram:" + secret.Keys(keys).Encode() + "\n"
	mixed := plain + scram + "crypt:" + bcrypted.Encode() + "\n"
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte(mixed), 0o600))
	opened, err := OpenFile(nil, file)
	require.NoError(t, err)
	cache := &Cache{Authenticator: parse(t, mixed)}
	for _, test := range []struct {
		name    string
		users   pop3.Authenticator
		tries   map[string]try
		secrets []string // whose names are those of the users
	}{
		{"Users: plain, bcrypt, SCRAM", parse(t, mixed), map[string]try{"PASS": pass}, []string{"plain", "scram", "crypt"}},
		{"File: the same", opened, map[string]try{"PLAIN": saslPlain}, []string{"plain", "scram", "crypt"}},
		{"Chain: the same, and another", Chain{parse(t, mixed), parse(t, "other:right\n")}, map[string]try{"PLAIN": saslPlain}, []string{"plain", "scram", "crypt", "other"}},
		{"Cache: the same, and it knows plain and bcrypt", cache, map[string]try{"PLAIN": saslPlain}, []string{"plain", "scram", "crypt"}},
		{"Users: plain, SCRAM", parse(t, plain+scram), map[string]try{"PASS": pass, "SCRAM, challenge": scramFirst, "SCRAM, proof": scramFinal}, []string{"plain", "scram"}},
		{"Users: SCRAM", parse(t, scram), map[string]try{"PASS": pass, "SCRAM, challenge": scramFirst, "SCRAM, proof": scramFinal}, []string{"scram"}},
		{"Users: plain", parse(t, plain), map[string]try{"PASS": pass, "APOP": apop, "CRAM-MD5": cram, "SCRAM, challenge": scramFirst, "SCRAM, proof": scramFinal}, []string{"plain"}},
		{"pop3.Users", pop3.Users{"plain": "right"}.SharedSecrets(), map[string]try{"PASS": pass, "APOP": apop, "CRAM-MD5": cram, "SCRAM, challenge": scramFirst, "SCRAM, proof": scramFinal}, []string{"plain"}},
	} {
		if test.users == pop3.Authenticator(cache) {
			for _, user := range []string{"plain", "crypt"} {
				require.Contains(t, knock(t, cache).command("AUTH PLAIN "+text("\x00"+user+"\x00right")), "+OK")
			}
		}
		for mechanism, try := range test.tries {
			t.Run(test.name+", by "+mechanism, func(t *testing.T) {
				client := knock(t, test.users)
				users := append(slices.Clone(test.secrets), "ghost", "ghoul")
				took := make(map[string][]time.Duration)
				for range *enumerationTries {
					for _, i := range rand.Perm(len(users)) {
						took[users[i]] = append(took[users[i]], try(client, users[i]))
					}
				}
				nobody := median(took["ghost"])
				t.Logf("ghost %10v", nobody)
				for _, user := range users {
					if user == "ghost" {
						continue
					}
					m := median(took[user])
					longer, deviations := compare(took[user], took["ghost"])
					says := "nothing"
					if math.Abs(deviations) > 4 {
						says = "who it is not"
					}
					t.Logf("%s %10v  %+10v  longer %.2f  %+5.1f deviations  the time says %s", user, m, m-nobody, longer, deviations, says)
					fastest, nobodys := slices.Min(took[user]), slices.Min(took["ghost"])
					require.Less(t, max(fastest, nobodys), 4*min(fastest, nobodys)+100*time.Microsecond, "%s takes %v, nobody %v", user, fastest, nobodys)
				}
			})
		}
	}
}

// try tries to log in, and returns how long the answer took.
type try func(c *knocking, user string) time.Duration

func pass(c *knocking, user string) time.Duration {
	c.command("USER " + user)
	return c.refused("PASS wrong")
}

func saslPlain(c *knocking, user string) time.Duration {
	return c.refused("AUTH PLAIN " + text("\x00"+user+"\x00wrong"))
}

func apop(c *knocking, user string) time.Duration {
	return c.refused("APOP " + user + " c4c9334bac560ecc979e58001b3e22fb")
}

func cram(c *knocking, user string) time.Duration {
	challenge := c.command("AUTH CRAM-MD5")
	sum := hmac.New(md5.New, []byte("wrong"))
	sum.Write([]byte(challenge))
	return c.refused(text(user + " " + hex.EncodeToString(sum.Sum(nil))))
}

func scramFirst(c *knocking, user string) time.Duration {
	began := time.Now()
	c.command("AUTH SCRAM-SHA-256 " + text("n,,n="+user+",r=abc"))
	took := time.Since(began)
	c.refused("AAAA")
	return took
}

func scramFinal(c *knocking, user string) time.Duration {
	challenge := c.command("AUTH SCRAM-SHA-256 " + text("n,,n="+user+",r=abc"))
	octets, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(challenge, "+ "))
	require.NoError(c.t, err)
	nonce, _, _ := strings.Cut(string(octets), ",")
	return c.refused(text("c=biws," + nonce + ",p=" + text(strings.Repeat("x", 32))))
}

func text(octets string) string { return base64.StdEncoding.EncodeToString([]byte(octets)) }

// knocking is a client that is not let in.
type knocking struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// knock begins a session with a server of its own, without a brake.
func knock(t *testing.T, users pop3.Authenticator) *knocking {
	server := &pop3.Server{Handler: pop3.Login(users, new(memory.Store)), AllowInsecureAuth: true, Brake: pop3.NoBrake, MaxAuthTries: -1, MaxRefused: -1, AuthTimeout: -1}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan error)
	go func() { over <- server.Serve(listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() {
		conn.Close()
		server.Close()
		<-over
	})
	c := &knocking{t, conn, bufio.NewReader(conn)}
	c.line()
	return c
}

func (c *knocking) line() string {
	line, err := c.in.ReadString('\n')
	require.NoError(c.t, err)
	return strings.TrimSuffix(line, "\r\n")
}

func (c *knocking) command(line string) string {
	_, err := io.WriteString(c.conn, line+"\r\n")
	require.NoError(c.t, err)
	return c.line()
}

func (c *knocking) refused(line string) time.Duration {
	began := time.Now()
	answer := c.command(line)
	took := time.Since(began)
	require.Equal(c.t, "-ERR [AUTH] authentication failed", answer)
	return took
}

func median(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

// compare returns the probability that a time of a is longer than one of b, and how
// many standard deviations that is from one half: the test of Mann and Whitney.
func compare(a, b []time.Duration) (longer, deviations float64) {
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				longer++
			case x == y:
				longer += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return longer / (n * m), (longer - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}
