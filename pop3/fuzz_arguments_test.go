package pop3_test

import (
	"context"
	"encoding/base64"
	"math/big"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
)

// FuzzLines sends any octets in pieces of any length. A command of the host has
// the arguments of each line that is its own, octet for octet, as cutting the
// octets at each LF finds them, up to the first line that is too long.
func FuzzLines(f *testing.F) {
	for _, text := range []string{
		"ECHO a\r\necho  b \r\r\nEcho\r\n\r\nECHOc\nECHO d\x00\nECHO \xff\rECHO e\nECHO f", "\r\n\n\r\r\nECHO\r\n", "ECHO " + strings.Repeat("x", 2041) + "\r\nECHO y\r\n",
		"ECHO " + strings.Repeat("x", 2042) + "\r\nECHO y\r\n", strings.Repeat("ECHO a\n", 300), "CAPA\r\nUSER x\r\nECHO z\r\nPASS ECHO\r\nNOOP\r\nECHO\n",
	} {
		f.Add([]byte(text), byte(0))
		f.Add([]byte(text), byte(1))
		f.Add([]byte(text), byte(7))
	}
	other := regexp.MustCompile(`(?im)^(AUTH|QUIT|STLS|PASS)`)
	f.Fuzz(func(t *testing.T, input []byte, step byte) {
		if other.Match(input) {
			t.Skip("lines of another length, or no more of them")
		}
		var got, want []string
		server := insecure(pop3.Login(demo, newFakeStore()))
		server.MaxBadCommands, server.MaxRefused = -1, -1
		server.Commands = []pop3.Command{{Verb: "ECHO", States: pop3.Authorization, Run: func(_ context.Context, _ *pop3.Conn, arguments string) (pop3.Reply, error) {
			got = append(got, arguments)
			return pop3.Reply{}, nil
		}}}
		server.ServeConn(t.Context(), newScript(input, int(step)))

		for _, line := range strings.SplitAfter(string(input), "\n") {
			if !strings.HasSuffix(line, "\n") || len(line) > 2048 {
				break
			}
			line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			verb, arguments, _ := strings.Cut(line, " ")
			if strings.ToUpper(verb) == "ECHO" && len(verb) == 4 && !strings.Contains(arguments, "\x00") {
				want = append(want, arguments)
			}
		}
		require.Equal(t, want, got)
	})
}

// FuzzArguments sends any text as the argument of LANG, UTF8 and XCLIENT. What
// comes of each is what a slow reading has.
func FuzzArguments(f *testing.F) {
	for _, text := range []string{
		"", " ", "*", "EN", "de-AT-1996", "pt", "PT-br-x", "i-default", "de-", "-", "d\u0435", "de x", "\x00",
		"ADDR=192.0.2.7 PORT=4711 SESSION=abc/1 TTL=4 FORWARD=YT1i NEW=1", "addr=IPV6:2001:db8::7", "ADDR=[unavailable] PORT=x", "ADDR PORT=1", "PORT=1", "TTL=0", "TTL=00 ADDR=x", "TTL=4294967296",
		"ADDR=fe80::1%eth0", "ADDR=192.0.2.7 PORT=65536", "ADDR=::ffff:192.0.2.7 PORT=[TEMPUNAVAIL]", "SESSION=a\x7fb", "SESSION=" + strings.Repeat("x", 129), "FORWARD=! ADDR=192.0.2.7", "FORWARD=YQ FORWARD=", "ADDR=1.2.3.4 ADDR=5.6.7.8",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, trusted bool) {
		if strings.ContainsAny(text, "\r\n") || len(text) > 2000 {
			t.Skip("more than one line, or too long a one")
		}
		var conn *pop3.Conn
		var remote net.Addr
		server := insecure(pop3.Login(demo, newFakeStore()))
		server.Languages = []pop3.Language{{Tag: "de", Name: "Deutsch", Translate: strings.ToUpper}, {Tag: "pt-BR", Name: "português", Translate: strings.ToUpper}}
		server.XCLIENT = elsewhere
		if trusted {
			server.XCLIENT = loopback
		}
		server.Hooks = &pop3.Hooks{Command: func(_ context.Context, c *pop3.Conn, info pop3.CommandInfo) {
			conn, remote = c, c.RemoteAddr()
		}}
		wire := near{newScript([]byte("LANG "+text+"\r\nLANG *\r\nUTF8 "+text+"\r\nXCLIENT "+text+"\r\n"), 0)}
		server.ServeConn(t.Context(), wire)

		said := wire.out.String()
		_, said, _ = strings.Cut(said, "\r\n") // the greeting
		argument, isOne := strings.Trim(text, " "), !strings.Contains(text, "\x00")
		if isOne && argument == "" {
			var list string
			list, said, _ = strings.Cut(said, "\r\n.\r\n")
			require.Equal(t, "+OK languages follow\r\nen English\r\nde Deutsch\r\npt-BR português", list)
		} else {
			var answer string
			answer, said, _ = strings.Cut(said, "\r\n")
			tag := naiveLanguage(argument)
			require.Equal(t, isOne && tag != "", strings.HasPrefix(answer, "+OK "+tag+" "), "LANG %q: %s", text, answer)
		}
		answers := strings.Split(said, "\r\n")
		require.Len(t, answers, 4, "%q", said)
		require.Equal(t, "+OK en texts are in this language now", answers[0])
		require.Equal(t, isOne && argument == "", strings.HasPrefix(answers[1], "+OK"), "UTF8 %q: %s", text, answers[1])

		address, forwarded, ok := naiveXCLIENT(argument)
		ok = ok && isOne && trusted && argument != ""
		require.Equal(t, ok, strings.HasPrefix(answers[2], "+OK"), "XCLIENT %q: %s", text, answers[2])
		if !ok {
			address, forwarded = "127.0.0.1:4711", nil
		}
		require.Equal(t, address, remote.String())
		require.Equal(t, forwarded, conn.Forwarded())
	})
}

// near is a connection from loopback.
type near struct{ *script }

func (near) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711} }

// naiveLanguage returns the longest tag that is one of a server's languages and
// begins the asked one (RFC 4647 section 3.4), "" if there is none.
func naiveLanguage(asked string) (found string) {
	asked = strings.ToLower(asked)
	if asked == "*" || asked == "i-default" {
		return "en"
	}
	for _, tag := range []string{"en", "de", "pt-BR"} {
		if strings.HasPrefix(asked+"-", strings.ToLower(tag)+"-") && len(tag) > len(found) {
			found = tag
		}
	}
	return found
}

// naiveXCLIENT returns what a proxy says of its client, of whom it may not know
// the address.
func naiveXCLIENT(text string) (address string, said *pop3.Forwarded, ok bool) {
	last, ok := map[string]string{}, true
	for _, pair := range strings.Fields(text) {
		name, value, _ := strings.Cut(pair, "=")
		last[strings.ToUpper(name)] = value
		octets, err := base64.StdEncoding.DecodeString(value)
		printable := len(value) <= 128 && !strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) })
		hops := naiveNumber(value, 1<<32-1)
		switch strings.ToUpper(name) {
		case "TTL":
			ok = ok && hops > 0
		case "SESSION":
			ok = ok && printable
		case "FORWARD":
			ok, last["FORWARD"] = ok && err == nil, string(octets)
		}
	}
	said = &pop3.Forwarded{Session: last["SESSION"], Forward: last["FORWARD"]}
	unknown := regexp.MustCompile(`^(?i:|\[UNAVAILABLE\]|\[TEMPUNAVAIL\])$`)
	if unknown.MatchString(last["ADDR"]) {
		return "127.0.0.1:4711", said, ok
	}
	ip, err := netip.ParseAddr(regexp.MustCompile(`^(?i:IPV6:)`).ReplaceAllString(last["ADDR"], ""))
	port := naiveNumber(last["PORT"], 65535)
	if unknown.MatchString(last["PORT"]) {
		port = 0
	}
	return (&net.TCPAddr{IP: ip.AsSlice(), Port: int(port)}).String(), said, ok && err == nil && ip.Zone() == "" && port >= 0
}

// naiveNumber returns the number that digits are, -1 if they are none up to most.
func naiveNumber(text string, most int64) int64 {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || !regexp.MustCompile(`^[0-9]+$`).MatchString(text) || n.Cmp(big.NewInt(most)) > 0 {
		return -1
	}
	return n.Int64()
}
