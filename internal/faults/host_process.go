package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/child"
)

// A host in a process of its own is this same program, started again. It reads
// orders on its standard input and writes events on its standard output: each
// operation before and after it, so that the test knows what a host that it
// kills was doing.

// job is the input of such a process.
type job struct {
	Name, DC  string
	Life      int
	As        string
	Hosts     []string
	Keyspace  string
	Users     []string
	Seed      uint64
	Workers   int
	Pause     time.Duration
	LastsTill time.Time // it ends then in any case
}

// config is the library's configuration, in which what takes an hour in real
// life takes a second or two: a mailbox is sealed after each removal, and gets
// narrower buckets after some twenty messages.
func config(hosts []string, dc, keyspace string) cassandra.Config {
	return cassandra.Config{
		Hosts: hosts, LocalDC: dc, Keyspace: keyspace,
		Timeout:         2 * time.Second,
		Retries:         1,
		ChunkSize:       16 << 10,
		BucketMessages:  20,
		Horizon:         horizon,
		SealAfter:       1,
		ProofWorkers:    2,
		ReplicationRest: time.Millisecond,
	}
}

const horizon = 2 * time.Second

// event is a line of a process. One of its fields is set.
type event struct {
	Ready  bool   `json:",omitempty"`
	Number int64  `json:",omitempty"`
	Op     *Op    `json:",omitempty"`
	Wrong  string `json:",omitempty"` // what the library must never do
}

// beHost is the main function of the process.
func beHost(j job) error {
	time.AfterFunc(time.Until(j.LastsTill), func() { os.Exit(2) })
	out := &events{to: os.Stdout}
	h := &Host{
		Name: j.Name, DC: j.DC, Life: j.Life, As: j.As, Config: config(j.Hosts, j.DC, j.Keyspace),
		Users: j.Users, Seed: j.Seed, Workers: j.Workers, Pause: j.Pause,
		Record: func(number int64, op Op) { out.say(event{Number: number, Op: &op}) },
		Ready:  func() { out.say(event{Ready: true}) },
	}
	h.Config.Observer = func(o cassandra.Observation) {
		if o.Conditional { // P9
			out.say(event{Wrong: "a lightweight transaction: " + o.Statement})
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		orders := bufio.NewScanner(os.Stdin)
		for orders.Scan() {
			if orders.Text() == "stop" {
				stop()
			} else if err := h.Order(orders.Text()); err != nil {
				out.say(event{Wrong: err.Error()})
			}
		}
	}()
	return h.Run(ctx)
}

// events writes events, each as a line.
type events struct {
	mu sync.Mutex
	to io.Writer
}

func (e *events) say(event event) {
	line, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.to.Write(append(line, '\n'))
}

// process is a host in a process of its own, on the side of the test.
type process struct {
	job
	cmd    *exec.Cmd
	orders io.WriteCloser
	ready  chan struct{}
	ended  chan struct{}
	errs   strings.Builder // its standard error

	mu     sync.Mutex
	killed bool
	err    error // of a process that has ended; nil if it was killed or stopped
}

// start starts a host within the network of its data centre. It calls record
// for each operation before and after it, and wrong for what the library must
// never do.
func start(ctx context.Context, cluster *cassandratest.Cluster, j job, record func(key, Op), wrong func(string)) (*process, error) {
	self, err := child.Command(context.WithoutCancel(ctx), "host", j) // kill ends it, or stop
	if err != nil {
		return nil, err
	}
	cmd, err := cluster.Command(context.WithoutCancel(ctx), j.DC, self.Path)
	if err != nil {
		return nil, err
	}
	p := &process{job: j, cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{})}
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = self.Env, self.ExtraFiles, &p.errs
	child.Bind(cmd) // the kernel ends it even while it is stopped
	if p.orders, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start host %s: %w", j.Name, err)
	}
	go p.listen(out, record, wrong)
	return p, nil
}

// key names an operation.
type key struct {
	host   string
	life   int
	number int64
}

func (p *process) listen(out io.Reader, record func(key, Op), wrong func(string)) {
	defer close(p.ended)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // half a line says nothing
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			wrong(fmt.Sprintf("host %s says %q: %v", p.Name, line, err))
			continue
		}
		switch {
		case e.Ready:
			close(p.ready)
		case e.Op != nil:
			record(key{p.Name, p.Life, e.Number}, *e.Op)
		case e.Wrong != "":
			wrong(fmt.Sprintf("host %s: %s", p.Name, e.Wrong))
		}
	}
	err := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !p.killed {
		p.err = fmt.Errorf("host %s ended: %w\n%s", p.Name, err, p.errs.String())
		wrong(p.err.Error())
	}
}

func (p *process) order(text string) error {
	_, err := io.WriteString(p.orders, text+"\n")
	return err
}

// kill ends the host with SIGKILL.
func (p *process) kill() error {
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	err := p.cmd.Process.Kill()
	<-p.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// stop lets the host end what it has begun, and waits for it.
func (p *process) stop(ctx context.Context) error {
	if err := p.order("stop"); err != nil {
		return fmt.Errorf("stop host %s: %w", p.Name, err)
	}
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("host %s does not stop: %w", p.Name, ctx.Err())
	}
}

// awaitReady waits until the host is connected.
func (p *process) awaitReady(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("host %s ended before it was connected: %s", p.Name, p.errs.String())
	case <-ctx.Done():
		return fmt.Errorf("host %s does not connect: %w", p.Name, ctx.Err())
	}
}
