package pop3_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// said has the commands of the dialogues, with their arguments, by state.
type said map[string]map[string]bool

const (
	beforeUser  = "AUTHORIZATION before USER"
	afterUser   = "AUTHORIZATION after USER"
	inSession   = "TRANSACTION"
	allCommands = "USER PASS APOP AUTH STLS CAPA QUIT NOOP STAT LIST UIDL RETR TOP DELE RSET"
)

// everythingSaid collects the commands of all dialogues. It follows the states
// by the answers.
func everythingSaid(t *testing.T) said {
	all := said{beforeUser: {}, afterUser: {}, inSession: {}}
	for _, d := range readDialogues(t) {
		state := beforeUser
		for _, l := range d.lines {
			text := strings.TrimSuffix(l.text, "\r\n")
			switch {
			case l.kind == negotiateTLS:
				state = beforeUser
			case l.kind == clientSays:
				verb, rest, found := strings.Cut(text, " ")
				if found {
					rest = " " + rest
				}
				all[state][strings.ToUpper(verb)+rest] = true
			case text == "+OK send PASS":
				state = afterUser
			case strings.HasPrefix(text, "-ERR [AUTH]"):
				state = beforeUser
			case strings.HasPrefix(text, "+OK maildrop has"):
				state = inSession
			}
		}
	}
	return all
}

// The dialogues have every command in every state (RFC 1939 section 3), and
// each command without arguments with one.
func TestDialoguesHaveEveryCommandInEveryState(t *testing.T) {
	all := everythingSaid(t)
	for state, lines := range all {
		for verb := range strings.FieldsSeq(allCommands) {
			has := false
			for text := range lines {
				has = has || text == verb || strings.HasPrefix(text, verb+" ")
			}
			require.True(t, has, "%s, %s", state, verb)
		}
	}
	for verb := range strings.FieldsSeq("STAT NOOP RSET QUIT CAPA") {
		has := false
		for text := range all[inSession] {
			has = has || strings.HasPrefix(text, verb+" ") && strings.TrimSpace(text) != verb
		}
		require.True(t, has, "%s with an argument", verb)
	}
}

// The dialogues have every kind of number, right and wrong, for every command
// that takes one (RFC 1939 sections 5 and 7).
func TestDialoguesHaveEveryKindOfNumber(t *testing.T) {
	all := everythingSaid(t)
	for verb := range strings.FieldsSeq("LIST UIDL RETR DELE TOP") {
		lines := ""
		if verb == "TOP" {
			lines = " 0"
		}
		for number := range strings.FieldsSeq("0 -1 +1 1x x 007 2147483647 2147483648 4294967297 99999999999999999999") {
			require.True(t, all[inSession][verb+" "+number+lines], "%s %s", verb, number)
		}
		require.True(t, all[inSession][verb], "%s without a number", verb)
	}
	for lines := range strings.FieldsSeq("0 -1 +1 x 2147483648 4294967297 99999999999999999999") {
		require.True(t, all[inSession]["TOP 1 "+lines], "TOP 1 %s", lines)
	}
	require.True(t, all[inSession]["TOP 1"])
	require.True(t, all[inSession]["LIST 1 2"])
}

// RFC 1939 section 3 and RFC 6856 section 2.1: what the server itself says is ASCII.
// RFC 2449 section 6.4: a text that begins with a bracket is a response code.
func TestTextsOfTheServer(t *testing.T) {
	status := regexp.MustCompile(`^(\+OK|-ERR( \[(AUTH|IN-USE|LOGIN-DELAY|SYS/TEMP|SYS/PERM)\])?)( [ -Z\\-~]+)?\r\n$`)
	count := 0
	for _, d := range readDialogues(t) {
		for _, l := range d.lines {
			if l.kind == serverSays && (strings.HasPrefix(l.text, "+OK") || strings.HasPrefix(l.text, "-ERR")) {
				require.Regexp(t, status, l.text, "%s line %d", d.name, l.number)
				count++
			}
		}
	}
	require.Greater(t, count, 500)
}

// The dialogues are played over every kind of connection (RFC 1939, RFC 2595,
// RFC 8314).
func TestDialoguesGoOverEveryConnection(t *testing.T) {
	over := map[string]int{}
	for _, d := range readDialogues(t) {
		for _, connection := range d.over {
			over[connection]++
		}
	}
	for connection := range strings.FieldsSeq("plain plain-insecure stls tls tls-insecure") {
		require.Positive(t, over[connection], connection)
	}
	require.Len(t, over, 5)
}
