package clients

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFail2ban has fail2ban read a log with its filter: it finds those who try
// wrong passwords, whatever names they give, and nobody else.
func TestFail2ban(t *testing.T) {
	t.Parallel()
	program := need(t, "fail2ban-regex", "fail2ban")
	m := start(t, memory)
	try := func(from string, lines ...string) {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
		conn, err := dialer.Dial("tcp", m.pop3)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\nQUIT\r\n")
		for buffer := make([]byte, 512); err == nil; {
			_, err = conn.Read(buffer)
		}
	}
	// What somebody else would be banned for, if a name could end its field.
	forged := `x login.mechanism=USER login.remote=192.0.2.9:1 login.tls=false wrong=true error=x`
	line := `x" time=2026-12-01T00:00:00.000Z level=INFO msg="pop3: login failed" conn=x login.user=x login.mechanism=USER login.remote=192.0.2.9:1 login.tls=false wrong=true error=x`
	try("127.0.0.2", "USER nobody", "PASS x")
	try("127.0.0.3", "USER "+anna, "PASS wrong")
	try("127.0.0.4", "USER "+forged, "PASS x")
	try("127.0.0.5", "USER "+line, "PASS x")
	try("127.0.0.6", "USER \\", "PASS x")
	try("127.0.0.7", "AUTH LOGIN", "//4=", "eA==") // octets that are not UTF-8
	try("127.0.0.8", "AUTH CRAM-MD5", "bm9ib2R5IDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=")
	try("127.0.0.9", "USER "+anna, "PASS "+secrets[anna])
	try("127.0.0.10", "USER "+anna, "NOOP", "AUTH PLAIN", "*")
	m.stop(t)
	log := write(t, filepath.Join(t.TempDir(), "log"), m.stderr.from(""))
	out := run(t, command(within(t, time.Minute), t.TempDir(), program, "-o", "ip", log, abs(t, "../fail2ban.conf")))
	got := strings.Fields(string(out.stdout))
	slices.Sort(got)
	want := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q, in\n%s", got, want, m.stderr.from(""))
	}
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
