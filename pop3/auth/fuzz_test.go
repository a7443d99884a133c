package auth

import (
	"bufio"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
)

// FuzzParseUsers reads any file of users. What is taken is what a slow reading
// finds line by line, and an error names the first line that is wrong.
func FuzzParseUsers(f *testing.F) {
	for _, text := range []string{
		"", "\ufeff", "# a\n", "alice:secret", "\ufeffAlice@Example.org: a:b \r\n\r\n  # x\n bob :{PLAIN}{x}\r\r\n", "alice:x\nALICE:y\n", "alice\n", ":x\n", "a:x\nb:\n", "a:x\n\ufeffb:y\n",
		"a:$2a$04$sQcwTmrU0J8Vh9QbFGP7.eJdK3KQPzsCz1xnGkEqLDfz5G2B1u6K6\nb: \n\t\nc:{BCRYPT}x\n", "\x00:x", "\xff:x", "a@b:x\na@c:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		"a:x\n" + strings.Repeat("x", 70000) + "\nb:y\n", "a:" + strings.Repeat("x", 60000),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		users, err := ParseUsers(strings.NewReader(text))
		want, wrong := naiveUsers(text)
		if wrong > 0 {
			require.ErrorContains(t, err, fmt.Sprintf("line %d: ", wrong))
			return
		}
		if len(want) == 0 {
			require.EqualError(t, err, "no users in it")
			return
		}
		require.NoError(t, err)
		got := map[string]string{}
		for name, one := range users.users {
			got[name] = strconv.Itoa(one.line) + ":" + one.secret.Encode()
		}
		require.Equal(t, want, got)
	})
}

var blankOrComment = regexp.MustCompile(`^[\pZ\t\v\f\r\x{85}]*(#.*)?$`)

// naiveUsers returns the lines and the secrets of the users of a file, by name,
// or the number of the first line that is wrong.
func naiveUsers(text string) (users map[string]string, wrong int) {
	users = map[string]string{}
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if len(line) < bufio.MaxScanTokenSize && blankOrComment.MatchString(line) {
			continue
		}
		name, hidden, _ := strings.Cut(line, ":")
		user, err := mailbox.CanonicalUser(strings.TrimSpace(name))
		parsed, failed := secret.Parse(hidden)
		if err != nil || failed != nil || users[user] != "" || len(line) >= bufio.MaxScanTokenSize {
			return nil, i + 1
		}
		users[user] = strconv.Itoa(i+1) + ":" + parsed.Encode()
	}
	return users, 0
}
