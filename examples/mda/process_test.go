package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program builds the mda once for all tests that need the process.
func program(t *testing.T) string {
	t.Helper()
	path, err := buildOnce()
	require.NoError(t, err)
	return path
}

// scratch is where the program is; TestMain removes it.
var scratch string

var buildOnce = sync.OnceValues(func() (string, error) {
	var err error
	if scratch, err = os.MkdirTemp("", "popcask-mda-"); err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "mda.exe") // the suffix matters on Windows alone
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// process is a running mda.
type process struct {
	*exec.Cmd
	address  map[string]string // by name, of the ready line
	stderr   bytes.Buffer      // to be read after the end
	patience time.Duration     // of deliver and fetch; 0 means patienceOfTests
}

// launch starts the program on free ports and waits until it is ready.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchBy(t, exec.Command(program(t)), args...)
}

// launchBy is launch with a command that ends in the program.
func launchBy(t *testing.T, command *exec.Cmd, args ...string) *process {
	t.Helper()
	p := &process{Cmd: command, address: make(map[string]string)}
	p.Args = append(p.Args, "-pop3", "127.0.0.1:0", "-lmtp", "127.0.0.1:0", "-smtp", "127.0.0.1:0")
	p.Args = append(p.Args, args...)
	p.Stderr = &p.stderr
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		if t.Failed() {
			t.Log(p.stderr.String())
		}
	})
	hanging := time.AfterFunc(time.Minute, func() { p.Process.Kill() })
	defer hanging.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	words := strings.Fields(line)
	require.Equal(t, "ready", words[0])
	for _, word := range words[1:] {
		name, address, _ := strings.Cut(word, "=")
		p.address[name] = address
	}
	return p
}

// end sends a signal and returns the exit code.
func (p *process) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	require.NoError(t, p.Process.Signal(signal))
	hanging := time.AfterFunc(2*grace, func() { p.Process.Kill() })
	defer hanging.Stop()
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return p.ProcessState.ExitCode()
}

// dial connects to a listener of the program.
func (p *process) dial(t *testing.T, name string) *dialogue {
	t.Helper()
	d := dial(t, p.address[name])
	require.NoError(t, d.conn.SetDeadline(time.Now().Add(cmp.Or(p.patience, patienceOfTests))))
	return d
}

// delivered is in the answer to a message that was.
const delivered = " OK: delivered as "

// deliver sends one message by LMTP and returns the final answer.
func (p *process) deliver(t *testing.T, to, text string) string {
	t.Helper()
	d := p.dial(t, "lmtp")
	defer d.conn.Close()
	d.hello("LMTP")
	d.play("C: MAIL FROM:<sender@example.net>\nS: 250 *\nC: RCPT TO:<" + to + ">\nS: 250 *\nC: DATA\nS: 354 *\n" +
		fmt.Sprintf("R: %q\nC: .", text))
	answer, err := d.reader.ReadString('\n')
	require.NoError(t, err)
	return answer
}

// fetch reads what demo has over POP3, with LF for CRLF.
func (p *process) fetch(t *testing.T) []string {
	t.Helper()
	d := p.dial(t, "pop3")
	defer d.conn.Close()
	d.play("S: +OK *\nC: USER demo\nS: +OK*\nC: PASS demo\nS: +OK*\nC: STAT")
	stat, err := d.reader.ReadString('\n')
	require.NoError(t, err)
	var count, octets int
	_, err = fmt.Sscanf(stat, "+OK %d %d", &count, &octets)
	require.NoError(t, err, stat)
	texts := []string{}
	for n := 1; n <= count; n++ {
		d.play("C: RETR " + strconv.Itoa(n) + "\nS: +OK*")
		text, err := textproto.NewReader(d.reader).ReadDotBytes()
		require.NoError(t, err)
		texts = append(texts, string(text))
	}
	d.play("C: QUIT\nS: +OK*\nS: EOF")
	return texts
}

func TestProgram(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	p := launch(t, "-dir", dir)
	require.Equal(t, []string{"pop3", "lmtp", "smtp"}, keys(p.address))
	mail := p.fetch(t)
	require.Len(t, mail, 1)
	require.Contains(t, mail[0], "\nSubject: Welcome to Popcask\n")
	require.Contains(t, mail[0], "\n  pop3="+p.address["pop3"]+" lmtp="+p.address["lmtp"]+" smtp="+p.address["smtp"]+"\n")
	require.Contains(t, mail[0], " curl smtp://"+p.address["smtp"]+" ")

	require.Contains(t, p.deliver(t, "demo@example.org", "Subject: one\r\n\r\n"), delivered)
	mail = p.fetch(t)
	require.Len(t, mail, 2)
	require.Regexp(t, `^Return-Path: <sender@example\.net>\nDelivered-To: demo@example\.org\nReceived: .*\n\t.*\n\t.*\n\t.*\nSubject: one\n\n$`, mail[1])
	require.Zero(t, p.end(t, syscall.SIGTERM), p.stderr.String())
	require.Contains(t, p.stderr.String(), `msg="lmtp: delivered" conn=`)
	require.Contains(t, p.stderr.String(), `msg="pop3: session"`)

	// The second start keeps the mail and says welcome no more.
	p = launch(t, "-dir", dir, "-trace=false")
	require.Equal(t, mail, p.fetch(t))
	p.deliver(t, "demo@example.org", "Subject: two\r\n\r\n")
	require.Equal(t, append(mail, "Subject: two\n\n"), p.fetch(t))
	require.Zero(t, p.end(t, os.Interrupt), p.stderr.String())
}

func keys(m map[string]string) []string {
	var names []string
	for _, name := range []string{"pop3", "pop3s", "lmtp", "smtp"} {
		if _, ok := m[name]; ok {
			names = append(names, name)
		}
	}
	return names
}

func TestCurlReadsTheWelcomeMessage(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	p := launch(t, "-store", "memory", "-tls-self-signed", "-pop3s", "127.0.0.1:0")
	for _, url := range []string{"pop3://demo:demo@" + p.address["pop3"] + "/1", "pop3s://demo:demo@" + p.address["pop3s"] + "/1"} {
		out, err := exec.Command(curl, "-s", "-k", "--noproxy", "*", url).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "Subject: Welcome to Popcask\r\n")
	}
}

// With a users file there is no demo user, and with -insecure-auth=false POP3
// takes no passwords in the clear.
func TestUsersAndTLS(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(users, []byte("alice:a\n"), 0o600))
	p := launch(t, "-store", "memory", "-users", users, "-tls-self-signed", "-pop3s", "127.0.0.1:0", "-insecure-auth=false")

	d := dial(t, p.address["pop3"])
	d.play("S: +OK *\nC: USER alice\nS: -ERR *\nC: STLS\nS: +OK *")
	encrypted := tls.Client(d.conn, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, encrypted.Handshake())
	d.use(encrypted)
	d.play("C: USER demo\nS: +OK*\nC: PASS demo\nS: -ERR [AUTH] *\nC: USER alice\nS: +OK*\nC: PASS a\nS: +OK*\nC: STAT\nS: +OK 0 0\nC: QUIT\nS: +OK*")

	d = dial(t, p.address["lmtp"])
	d.hello("LMTP")
	d.play("C: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<demo@example.org>\nS: 550 5.1.1 *")
}

// Who can send mail to an address can log in with it, too.
func TestLoginByAddress(t *testing.T) {
	p := launch(t, "-store", "memory")
	greeting := func() (d *dialogue, timestamp string) {
		d = p.dial(t, "pop3")
		line, err := d.reader.ReadString('\n')
		require.NoError(t, err)
		return d, line[strings.IndexByte(line, '<') : strings.IndexByte(line, '>')+1]
	}
	ends := "S: +OK*\nC: STAT\nS: +OK 1 *\nC: QUIT\nS: +OK*\nS: EOF"

	d, _ := greeting()
	d.play("C: USER demo@localhost\nS: +OK*\nC: PASS demo\n" + ends)
	for _, identity := range []string{"", "demo", "demo@localhost"} {
		d, _ = greeting()
		response := base64.StdEncoding.EncodeToString([]byte(identity + "\x00demo@localhost\x00demo"))
		d.play("C: AUTH PLAIN " + response + "\n" + ends)
	}
	d, timestamp := greeting()
	d.play(fmt.Sprintf("C: APOP demo@localhost %x\n", md5.Sum([]byte(timestamp+"demo"))) + ends)
}

// Idle clients do not keep the program from stopping, and are told that it
// stops.
func TestStopWithClients(t *testing.T) {
	p := launch(t, "-store", "memory")
	reader, sender := dial(t, p.address["pop3"]), dial(t, p.address["smtp"])
	reader.play("S: +OK *\nC: USER demo\nS: +OK*\nC: PASS demo\nS: +OK*")
	sender.hello("SMTP")
	sender.play("C: MAIL FROM:<>\nS: 250 *")
	begun := time.Now()
	require.Zero(t, p.end(t, syscall.SIGTERM), p.stderr.String())
	require.Less(t, time.Since(begun), grace)
	reader.play("S: -ERR [SYS/TEMP] *\nS: EOF")
	sender.play("S: 421 4.3.2 *\nS: EOF")
}

func TestPortInUse(t *testing.T) {
	p := launch(t, "-store", "memory")
	dir := filepath.Join(t.TempDir(), "mail")
	out, err := exec.Command(program(t), "-dir", dir, "-pop3", p.address["pop3"]).CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Equal(t, "mda: -pop3: listen tcp "+p.address["pop3"]+": bind: address already in use\n", string(out))
	require.NoDirExists(t, dir, "the next start is still the first")
}

// A program that is killed at any moment has every message that it
// acknowledged, and no part of any other.
func TestKilledInMidDelivery(t *testing.T) {
	const senders, enough = 4, 60
	dir := filepath.Join(t.TempDir(), "mail")
	p := launch(t, "-dir", dir, "-trace=false")

	half := dial(t, p.address["lmtp"])
	half.hello("LMTP")
	half.play("C: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<demo@x>\nS: 250 *\nC: DATA\nS: 354 *\nC: Subject: half\nC:\nC: half")

	message := func(id string) string { // complete only with its last line
		return "Subject: " + id + "\n\n" + strings.Repeat("some more text\n", 2000) + "end " + id + "\n"
	}
	acknowledged := make(chan string, senders)
	var group sync.WaitGroup
	for sender := range senders {
		d := dial(t, p.address["lmtp"])
		d.hello("LMTP")
		group.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d", sender, n)
				text := "MAIL FROM:<>\r\nRCPT TO:<demo@x>\r\nDATA\r\n" + strings.ReplaceAll(message(id), "\n", "\r\n") + ".\r\n"
				if _, err := d.conn.Write([]byte(text)); err != nil {
					return
				}
				for _, want := range []string{"250", "250", "354", "250"} {
					line, err := d.reader.ReadString('\n')
					if err != nil || !strings.HasPrefix(line, want) {
						return
					}
				}
				acknowledged <- id
			}
		})
	}
	go func() {
		group.Wait()
		close(acknowledged)
	}()
	promised := make(map[string]bool)
	for id := range acknowledged {
		if promised[id] = true; len(promised) == enough {
			require.NoError(t, p.Process.Kill())
		}
	}
	p.Wait()
	require.GreaterOrEqual(t, len(promised), enough)

	p = launch(t, "-dir", dir, "-trace=false")
	for _, text := range p.fetch(t)[1:] { // after the welcome message
		subject, _, _ := strings.Cut(text, "\n")
		id := strings.TrimPrefix(subject, "Subject: ")
		require.Equal(t, message(id), text)
		delete(promised, id)
	}
	require.Empty(t, promised, "acknowledged and lost")
	require.Zero(t, p.end(t, syscall.SIGTERM))
}

// If nobody can log in, because there is no TLS and POP3 is not on loopback, the
// program says so in one line.
func TestNobodyCanLogIn(t *testing.T) {
	p := launch(t, "-store", "memory", "-pop3", ":0")
	require.Equal(t, 0, p.end(t, syscall.SIGTERM))
	warnings := 0
	for line := range strings.Lines(p.stderr.String()) {
		if strings.Contains(line, "nobody can log in") {
			warnings++
			require.Contains(t, line, "there is no TLS")
		}
	}
	require.Equal(t, 1, warnings, p.stderr.String())
}
