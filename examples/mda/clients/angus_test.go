package clients

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

//go:embed testdata/AngusClient.java
var angusClient string

// angusJars is where .ci/clients-install puts Angus Mail.
const angusJars = "/usr/local/lib/popcask-clients/angus"

// angusWay is how Angus Mail logs in.
type angusWay struct {
	*mda
	implicit bool // TLS from the first octet on, not by STLS
	length   int  // of the token
	twoLines bool // without an initial response

	sent  []message
	inbox string // where the client puts them
}

// TestAngusMail fetches with Angus Mail, the Jakarta Mail of most programs in
// Java, by XOAUTH2. It knows OAUTHBEARER for IMAP only. With an initial response
// its AUTH is as long as the token.
func TestAngusMail(t *testing.T) {
	const jdk = "openjdk-17-jdk-headless" // java compiles the client, as javac would
	java, _ := need(t, "java", jdk), need(t, "javac", jdk)
	if _, err := os.Stat(angusJars); err != nil {
		missing(t, "no Angus Mail: %v (.ci/clients-install installs all clients)", err)
	}
	t.Parallel()
	home := t.TempDir()
	args := []string{"-cp", filepath.Join(angusJars, "*"), write(t, filepath.Join(home, "AngusClient.java"), angusClient)}
	var ways []angusWay
	for _, implicit := range []bool{true, false} {
		for _, length := range tokenLengths {
			for _, twoLines := range []bool{false, true} {
				way := angusWay{nil, implicit, length, twoLines, many(3, "angus"), t.TempDir()}
				if len(ways) == 0 {
					way.sent = corpus("angus")
				}
				way.mda = startTokens(t, "XOAUTH2", way.sent)
				right, wrong := token(length)
				for _, secret := range []string{right, wrong} {
					args = append(args, write(t, filepath.Join(home, fmt.Sprint(len(args))), way.properties(t, secret)))
				}
				ways = append(ways, way)
			}
		}
	}

	out := run(t, command(within(t, 2*time.Minute), home, java, args...))
	results := strings.Split(string(out.stdout), "\n")
	if len(results) != 2*len(ways)+1 {
		t.Fatalf("%d results, want one for each of %d sessions:\n%s%s", len(results)-1, 2*len(ways), out.stdout, out.stderr)
	}
	for i, way := range ways {
		t.Run(fmt.Sprintf("implicit TLS %t/%d octets/two lines %t", way.implicit, way.length, way.twoLines), func(t *testing.T) {
			way.check(t, results[2*i], results[2*i+1])
		})
	}
}

// properties are those of a session that logs in with a token.
func (way angusWay) properties(t *testing.T, token string) string {
	address := way.pop3
	if way.implicit {
		address = way.pop3s
	}
	return strings.Join([]string{
		"mail.pop3.host=" + host,
		"mail.pop3.port=" + port(address),
		fmt.Sprintf("mail.pop3.ssl.enable=%t", way.implicit),
		fmt.Sprintf("mail.pop3.starttls.required=%t", !way.implicit),
		"mail.pop3.auth.mechanisms=XOAUTH2",
		fmt.Sprintf("mail.pop3.auth.xoauth2.two.line.authentication.format=%t", way.twoLines),
		"ca=" + certificates(t).ca,
		"user=" + anna,
		"password=" + token,
		"to=" + way.inbox,
	}, "\n")
}

// check compares what the client has, and what became of its sessions, with the
// right token and with a wrong one.
func (way angusWay) check(t *testing.T, right, wrong string) {
	if want := fmt.Sprintf("fetched %d", len(way.sent)); right != want {
		t.Errorf("%q with the right token, want %q", right, want)
	}
	same(t, files(t, way.inbox), way.sent, nil)
	way.awaitSession(t, fmt.Sprintf("user=%s mechanism=XOAUTH2 tls=true reason=quit .* retr=%d ", anna, len(way.sent)))
	answers := fmt.Sprintf("+OK maildrop has %d messages\r\n", len(way.sent))
	if way.twoLines {
		answers = "+ \r\n" + answers
	}
	way.awaitLog(t, fmt.Sprintf(`"pop3: command" .* user=%s verb=AUTH ok=true .* out=%d\n`, anna, len(answers)))

	// This client takes the challenge that says what is wrong for a success, and
	// answers it with its next command.
	if want := "STAT command failed: [AUTH] authentication failed"; wrong != want {
		t.Errorf("%q with a wrong token, want %q", wrong, want)
	}
	way.awaitRefused(t, anna, "XOAUTH2")
}
