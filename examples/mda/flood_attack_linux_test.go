package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The pauses are those before what was closed is opened again.
const (
	flooders     = 5000 // connections, all from one address
	flooderPause = 4 * time.Second
	guessers     = 500 // clients
	guessingFrom = 50  // addresses
	guesserPause = 5 * time.Second

	dialingAtOnce = 200
	filesBeside   = 1000 // that the test needs besides those of the flooders
)

// flood is the attack of TestFlood.
type flood struct {
	process *process
	group   sync.WaitGroup
	stop    func()        // and wait for its end
	dialing chan struct{} // one for each that dials

	opened, guesses, turnedDown atomic.Int64
}

// startFlood starts an attack, which ends with the test at the latest.
func startFlood(t *testing.T, p *process) *flood {
	t.Helper()
	f := &flood{process: p, dialing: make(chan struct{}, dialingAtOnce)}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = func() {
		cancel()
		f.group.Wait()
	}
	t.Cleanup(f.stop)
	ways := []func(context.Context) error{f.silent, f.halfACommand, f.halfAHandshake, f.endlessLine}
	for n := range floodersHere(t) {
		f.group.Go(func() { again(ctx, flooderPause, ways[n%len(ways)]) })
	}
	for n := range guessers {
		from := fmt.Sprintf("127.0.1.%d", 1+n%guessingFrom)
		f.group.Go(func() { again(ctx, guesserPause, func(ctx context.Context) error { return f.guess(ctx, from, n) }) })
	}
	return f
}

// floodersHere is how many flooders the test can be at once.
func floodersHere(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	files := int(min(limit.Cur, flooders+filesBeside))
	require.Greater(t, files, 2*filesBeside, "the test needs more files: ulimit -n %d", flooders+filesBeside)
	return files - filesBeside
}

// again attacks until ctx ends. What ends an attack is no matter.
func again(ctx context.Context, pause time.Duration, attack func(context.Context) error) {
	for ctx.Err() == nil {
		_ = attack(ctx)
		rest(ctx, pause)
	}
}

// open connects to a listener. The connection is closed when ctx ends.
func (f *flood) open(ctx context.Context, from, listener string) (conn net.Conn, hangUp func(), err error) {
	select {
	case f.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	conn, err = dialFrom(ctx, from, f.process.address[listener])
	<-f.dialing
	if err != nil {
		return nil, nil, err
	}
	f.opened.Add(1)
	conn.(*net.TCPConn).SetLinger(0) // it must not use up the ports
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { stop(); conn.Close() }, nil
}

func (f *flood) silent(ctx context.Context) error { return f.say(ctx, "pop3", "") }

func (f *flood) halfACommand(ctx context.Context) error { return f.say(ctx, "pop3", "USER som") }

func (f *flood) halfAHandshake(ctx context.Context) error {
	return f.say(ctx, "pop3s", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
}

// say sends something and waits until the program hangs up.
func (f *flood) say(ctx context.Context, listener, text string) error {
	conn, hangUp, err := f.open(ctx, "127.0.0.2", listener)
	if err != nil {
		return err
	}
	defer hangUp()
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

func (f *flood) endlessLine(ctx context.Context) error {
	conn, hangUp, err := f.open(ctx, "127.0.0.2", "pop3")
	if err != nil {
		return err
	}
	defer hangUp()
	_, err = io.WriteString(conn, "AUTH PLAIN ")
	for err == nil {
		_, err = io.WriteString(conn, strings.Repeat("A", 1000))
		rest(ctx, 100*time.Millisecond)
	}
	return err
}

// guess tries one password after the other, each for another name, so that the
// brake knows the guesser by its address alone.
func (f *flood) guess(ctx context.Context, from string, n int) error {
	conn, hangUp, err := f.open(ctx, from, "pop3")
	if err != nil {
		return err
	}
	defer hangUp()
	reader := bufio.NewReader(conn)
	if _, err := reader.ReadString('\n'); err != nil {
		return err
	}
	for try := 0; ; try++ {
		fmt.Fprintf(conn, "USER guessed%d-%d\r\nPASS secret\r\n", n, try)
		if _, err := reader.ReadString('\n'); err != nil {
			return err
		}
		answer, err := reader.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(answer, "-ERR [AUTH]"):
			f.guesses.Add(1)
		case strings.Contains(answer, "too many logins"):
			f.turnedDown.Add(1)
		}
	}
}
