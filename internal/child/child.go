// Package child starts processes that do not outlive this one: other programs,
// with [Bind], and this program itself, once more, for one job.
//
// The job may be a host that a test kills. [Command] makes the process, [Main]
// does the job in it:
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
// A job ends when the process that started it ends, even if that is killed;
// except one of [Detached].
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

// order tells a child what to do.
type order struct {
	Job   string
	Bound bool // the child ends with its parent: it has the lifeline
	Input json.RawMessage
}

// Main does a job and ends the process, if the process was started for the job
// of that name. If do fails, the process writes the error to its standard error
// and ends with status 1. In any other process Main returns at once.
//
// Call it at the beginning of main or TestMain. A library that starts its
// program again, whichever that is, calls it in an init function.
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

// Command returns a command that starts this program again for a job. The input
// goes to the job as JSON, of 128 KiB at most. The child is killed when ctx
// ends, and ends by itself when this process does. It has the environment and
// the directory of this process. ExtraFiles must not be changed.
//
// On a system other than Unix, the error is [errors.ErrUnsupported].
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

// Detached is [Command] for a child that outlives this process. It is in a
// session of its own, so that neither ^C in a terminal nor the end of this
// process's group reaches it. ExtraFiles may be used.
func Detached(job string, input any, args ...string) (*exec.Cmd, error) {
	cmd, err := command(context.Background(), order{Job: job}, input, args)
	if err != nil {
		return nil, err
	}
	detach(cmd)
	return cmd, nil
}

// ForTest is [Command], and skips the test on a system other than Unix.
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

// lifelineFD is the file descriptor of the first of ExtraFiles in the child.
const lifelineFD = 3

// pipe is the two ends of a pipe.
type pipe struct{ read, write *os.File }

// lifeline is a pipe that stays open. No other process has its writing end, so
// that children with the reading end see it close when this process ends, even
// if it is killed.
var lifeline = sync.OnceValues(func() (p pipe, err error) {
	p.read, p.write, err = os.Pipe()
	return p, err
})
