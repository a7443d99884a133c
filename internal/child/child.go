// Package child starts processes that do not outlive this one: other programs,
// with [Bind], and this program itself, once more, for one job.
//
// The job may be a host that a test kills, or a server whose processor time is
// measured. [Command] makes the process, [Main] does the job in it:
//
//	func TestMain(m *testing.M) {
//		child.Main("host", host) // in a process that Command made, this never returns
//		os.Exit(m.Run())
//	}
//
//	func host(j job) error { ... }
//
//	cmd, err := child.Command(ctx, "host", job{Name: "a"})
//
// A job ends when the process that started it ends, even if that is killed. The
// exception is [Detached].
package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
)

// orderEnv has the order, as JSON, in the environment of a child.
const orderEnv = "POPCASK_CHILD"

// order is what a child is to do.
type order struct {
	Job   string
	Bound bool // the child ends with its parent: it has the lifeline
	Input json.RawMessage
}

// Main does a job, in a process that was started for the job of that name, and
// ends that process: with status 1, and the error on its standard error, if do
// fails. In any other process it returns at once.
//
// Call it first thing in main or TestMain. A library that needs a process of its
// own in whatever program it is part of calls it in an init function.
func Main[In any](job string, do func(In) error) {
	text, isChild := os.LookupEnv(orderEnv)
	if !isChild {
		return
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil && o.Job != job {
		return
	}
	os.Unsetenv(orderEnv) // it is not for the children of this process
	if err == nil {
		err = obey(o, do)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", job, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func obey[In any](o order, do func(In) error) error {
	if o.Bound {
		go func() {
			io.Copy(io.Discard, os.NewFile(lifelineFD, "lifeline"))
			os.Exit(1) // the parent has ended
		}()
	}
	var input In
	if err := json.Unmarshal(o.Input, &input); err != nil {
		return err
	}
	return do(input)
}

// Command is this program, started again for a job, with its input, which goes
// there as JSON (128 KiB at most), and with arguments. The child is killed when
// ctx ends, and ends by itself when this process does. It has the environment and
// the directory of this process; ExtraFiles are taken.
//
// Without Unix, the error is [errors.ErrUnsupported].
func Command(ctx context.Context, job string, input any, args ...string) (*exec.Cmd, error) {
	cmd, err := command(ctx, order{Job: job, Bound: true}, input, args)
	if err != nil {
		return nil, err
	}
	line, err := lifeline()
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{line.read}
	return cmd, nil
}

// Detached is [Command] for a child that outlives this process, in a session of
// its own, so that neither ^C in a terminal nor the end of this process's group
// reaches it. ExtraFiles are free.
func Detached(job string, input any, args ...string) (*exec.Cmd, error) {
	cmd, err := command(context.Background(), order{Job: job}, input, args)
	if err != nil {
		return nil, err
	}
	detach(cmd)
	return cmd, nil
}

// ForTest is [Command], and skips the test on a system without child processes
// of that kind.
func ForTest(ctx context.Context, t testing.TB, job string, input any, args ...string) *exec.Cmd {
	t.Helper()
	cmd, err := Command(ctx, job, input, args...)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

func command(ctx context.Context, o order, input any, args []string) (*exec.Cmd, error) {
	if !supported {
		return nil, fmt.Errorf("child: a program starts itself again on Unix, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	if mine, isChild := os.LookupEnv(orderEnv); isChild {
		// Without this, each child would start the next.
		return nil, fmt.Errorf("child: this process was started for a job that it does not know: %s", mine)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	if o.Input, err = json.Marshal(input); err != nil {
		return nil, fmt.Errorf("child: input of %s: %w", o.Job, err)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("child: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), orderEnv+"="+string(text))
	return cmd, nil
}

// lifelineFD is the first of ExtraFiles, as the child sees it.
const lifelineFD = 3

// pipe is a pipe, by its two ends.
type pipe struct{ read, write *os.File }

// lifeline is a pipe whose writing end no other process has, and which stays open:
// the children that have the reading end see it close when this process ends,
// however it ends.
var lifeline = sync.OnceValues(func() (p pipe, err error) {
	p.read, p.write, err = os.Pipe()
	return p, err
})
