//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/maildir"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// server is a running server that reports what it uses.
type server interface {
	address() string
	usage() (usage, error)
	stop()
}

// usage is what a server used since its start.
type usage struct {
	cpu         int64 // microseconds, user and system
	allocations int64
	heap        int64 // octets in use now, after a garbage collection
	peakHeap    int64 // octets, the most since the last call of usage
	stacks      int64 // octets
	resident    int64 // octets
}

// report is a usage as a process sends it through a pipe.
type report struct{ CPU, Allocations, Heap, PeakHeap, Stacks int64 }

func start(name, dir string) (server, error) {
	if name == "dovecot" {
		return startDovecot(dir)
	}
	cmd := exec.Command(os.Args[0], "-role", name, "-dir", dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if _, err := fmt.Fscanln(p.out, &p.at); err != nil {
		p.stop()
		return nil, fmt.Errorf("it did not start: %w", err)
	}
	return p, nil
}

// process is this program in the role of a server.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	at  string
}

func (p *process) address() string { return p.at }

func (p *process) usage() (usage, error) {
	if _, err := io.WriteString(p.in, "usage\n"); err != nil {
		return usage{}, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return usage{}, err
	}
	var r report
	if err := json.Unmarshal(line, &r); err != nil {
		return usage{}, err
	}
	return usage{r.CPU, r.Allocations, r.Heap, r.PeakHeap, r.Stacks, resident(p.cmd.Process.Pid)}, nil
}

func (p *process) stop() {
	p.in.Close() // the process ends with its input
	p.cmd.Wait()
}

// serveRole is the other side of a process.
func serveRole(role, dir string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serve := serveBare
	if role != "bare" {
		store, err := openStore(role, dir)
		if err != nil {
			return err
		}
		if err := deliver(store); err != nil {
			return err
		}
		server := &pop3.Server{Handler: pop3.Login(pop3.AuthenticatorFunc(check), store), AllowInsecureAuth: true, MaxPerAddress: -1}
		serve = server.Serve
	}
	go serve(listener)
	fmt.Println(listener.Addr())

	var peak atomic.Int64
	go watchHeap(&peak)
	for questions := bufio.NewScanner(os.Stdin); questions.Scan(); {
		var r syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mallocs := int64(m.Mallocs)
		runtime.GC()
		runtime.ReadMemStats(&m)
		json.NewEncoder(os.Stdout).Encode(report{
			CPU:         r.Utime.Nano()/1000 + r.Stime.Nano()/1000,
			Allocations: mallocs,
			Heap:        int64(m.HeapAlloc),
			PeakHeap:    peak.Swap(0),
			Stacks:      int64(m.StackInuse),
		})
	}
	return nil
}

// watchHeap records the largest heap, live objects and garbage together.
func watchHeap(peak *atomic.Int64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for range time.Tick(5 * time.Millisecond) {
		metrics.Read(sample)
		if heap := int64(sample[0].Value.Uint64()); heap > peak.Load() {
			peak.Store(heap)
		}
	}
}

func check(_ context.Context, login mailbox.Login) (string, error) {
	if login.Password != password {
		return "", mailbox.ErrAuthFailed
	}
	return login.User, nil
}

type store interface {
	mailbox.Store
	mailbox.Appender
}

func openStore(role, dir string) (store, error) {
	switch role {
	case "memory":
		return &memory.Store{}, nil
	case "maildir":
		return maildir.New(filepath.Join(dir, "maildir"), maildir.Options{MaxMessageSize: 200 << 20})
	}
	return nil, fmt.Errorf("no such server: %s", role)
}
