package clustertests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/projection"
)

// A process that repairs: this same test program, started again. It prints its
// progress, a line each, and is killed or gets to its end.

const repairEnv = "POPCASK_TEST_REPAIR"

type repairJob struct {
	Config  storetest.Handover
	Options cassandra.ScanOptions
}

// MarshalJSON leaves the functions out.
func (j repairJob) text() (string, error) {
	o := j.Options
	text, err := json.Marshal(map[string]any{"Config": j.Config, "Repair": o.RepairOptions, "Resume": o.Resume, "Rate": o.Rate})
	return string(text), err
}

// TestRepairChild is not a test: it is the process that repairs.
func TestRepairChild(t *testing.T) {
	text := os.Getenv(repairEnv)
	if text == "" {
		t.Skip("it is started by TestRepairAtScale")
	}
	var job struct {
		Config storetest.Handover
		Repair cassandra.RepairOptions
		Resume string
		Rate   int
	}
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	session, err := cassandra.Connect(t.Context(), job.Config.Config())
	require.NoError(t, err)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	print := func(word string, p cassandra.Progress) {
		line, err := json.Marshal(p)
		require.NoError(t, err)
		fmt.Println(word, string(line))
	}
	p, err := store.RepairAll(t.Context(), cassandra.ScanOptions{
		RepairOptions: job.Repair, Resume: job.Resume, Rate: job.Rate, Progress: func(p cassandra.Progress) { print("PROGRESS", p) },
	})
	require.NoError(t, err)
	require.NoError(t, store.Close(t.Context()))
	print("DONE", p)
	os.Exit(0)
}

// run runs the process until it has done so much, and kills it then with SIGKILL;
// or to its end. It returns the last progress that it printed.
func (j repairJob) run(t *testing.T, kill float64) (last cassandra.Progress) {
	t.Helper()
	text, err := j.text()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRepairChild$", "-test.count=1", "-test.timeout=2h")
	child.Env = append(os.Environ(), repairEnv+"="+text)
	var errs bytes.Buffer
	child.Stderr = &errs
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	done := false
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		if word != "PROGRESS" && word != "DONE" {
			said.WriteString(lines.Text() + "\n")
			continue
		}
		done = word == "DONE"
		require.NoError(t, json.Unmarshal([]byte(rest), &last))
		if last.Done >= kill {
			require.NoError(t, child.Process.Kill())
			break
		}
	}
	err = child.Wait()
	if kill <= 1 {
		require.ErrorContains(t, err, "killed", "it had to be killed in the middle: %s%s", said.String(), errs.String())
		return last
	}
	require.NoError(t, err, "%s%s", said.String(), errs.String())
	require.True(t, done)
	return last
}
