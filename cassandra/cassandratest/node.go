package cassandratest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/child"
)

// host is where the process of a node runs: beside the keeper, or in a
// container.
type host interface {
	// command returns java with these arguments, in the directory dir.
	command(n nodeSpec, dir string, args []string) *exec.Cmd
	// signal sends a signal to the node's java.
	signal(n nodeSpec, p *os.Process, sig os.Signal) error
	// clear removes what an earlier keeper may have left.
	clear(n nodeSpec)
}

// node is a node and its process, if it has one.
type node struct {
	nodeSpec
	dir, log string
	host     host
	thread   thread // starts the process: in the network namespace of a WAN's data centre

	mu     sync.Mutex
	cmd    *exec.Cmd     // nil: never started
	exited chan struct{} // closed when the process has ended
	paused bool
}

var (
	errRunning    = errors.New("is running already")
	errNotRunning = errors.New("is not running")
)

// start starts the process, which appends to the log.
func (n *node) start(args []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.runningLocked() {
		return fmt.Errorf("node %s %w", n.Name, errRunning)
	}
	if err := os.MkdirAll(filepath.Dir(n.log), 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(n.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := n.host.command(n.nodeSpec, n.dir, args)
	cmd.Stdout, cmd.Stderr = log, log
	child.Bind(cmd) // if the kernel cannot, the next keeper ends it by the state file
	if err := n.thread.start(cmd); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	exited := make(chan struct{})
	n.cmd, n.exited, n.paused = cmd, exited, false
	go func() {
		cmd.Wait()
		close(exited)
	}()
	return nil
}

func (n *node) runningLocked() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// running reports whether there is a process, paused or not.
func (n *node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.runningLocked()
}

// serving reports whether there is a process that is not paused.
func (n *node) serving() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.runningLocked() && !n.paused
}

// pid returns the id of the process, or 0 if there is none.
func (n *node) pid() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.runningLocked() {
		return 0
	}
	return n.cmd.Process.Pid
}

// died returns a channel that is closed when the present process has ended.
func (n *node) died() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.exited
}

// signal sends a signal to the process. It never hits another process with the
// same id: the node is a child of this process and keeps its id until it is
// waited for.
func (n *node) signal(sig os.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.runningLocked() {
		return fmt.Errorf("node %s %w", n.Name, errNotRunning)
	}
	if err := n.host.signal(n.nodeSpec, n.cmd.Process, sig); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	n.paused = sig == sigStop || n.paused && sig != sigCont
	return nil
}

// kill ends the process with SIGKILL, and waits until it has ended.
func (n *node) kill() error {
	if err := n.signal(os.Kill); err != nil {
		return err
	}
	<-n.died()
	return nil
}

// shutdown lets the node tell the others that it ends and flush what it has in
// memory. After patience it kills the node.
func (n *node) shutdown(patience time.Duration) error {
	n.signal(sigCont)
	if err := n.signal(sigTerm); err != nil {
		return err
	}
	select {
	case <-n.died():
		return nil
	case <-time.After(patience):
		return n.kill()
	}
}

// logTail returns the end of the node's log, for the error of a node that does
// not start.
func (n *node) logTail() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return tail(string(text), 25)
}

// local runs nodes as children of the keeper.
type local struct{ java string }

func (l local) command(_ nodeSpec, dir string, args []string) *exec.Cmd {
	cmd := exec.Command(l.java, args...)
	cmd.Dir = dir
	return cmd
}

func (local) signal(_ nodeSpec, p *os.Process, sig os.Signal) error { return p.Signal(sig) }

func (local) clear(nodeSpec) {}
