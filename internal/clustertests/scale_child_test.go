package clustertests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/projection"
)

// repairJob is the input of a process that repairs. The process writes a line
// for each progress and for each message that it could not mend, and is killed
// or gets to its end.
type repairJob struct {
	Config storetest.Handover
	Repair cassandra.RepairOptions
	Resume string
	Rate   int
}

// repairAll is the main function of the process.
func repairAll(job repairJob) error {
	ctx := context.Background()
	store, err := cassandra.Open(ctx, job.Config.Config(), projection.New)
	if err != nil {
		return err
	}
	say := func(word string, p cassandra.Progress) {
		line, err := json.Marshal(p)
		if err != nil {
			panic(err)
		}
		fmt.Println(word, string(line))
	}
	p, err := store.RepairAll(ctx, cassandra.ScanOptions{
		RepairOptions: job.Repair, Resume: job.Resume, Rate: job.Rate, Progress: func(p cassandra.Progress) { say("PROGRESS", p) },
		Found: func(r cassandra.Report) {
			if f := r.Findings[0]; f.Err != nil {
				fmt.Printf("UNMENDED %s %s: %v\n", f.ID, f.Kind, f.Err)
			}
		},
	})
	if err := errors.Join(err, store.Close(ctx)); err != nil {
		return err
	}
	say("DONE", p)
	return nil
}

// run runs the process until that much is done, and then kills it with SIGKILL;
// or to its end, if kill is more than 1. It returns the last progress, and why
// messages could not be mended, by their IDs.
func (j repairJob) run(t *testing.T, kill float64) (last cassandra.Progress, unmended map[string]string) {
	t.Helper()
	unmended = make(map[string]string)
	process := child.ForTest(t.Context(), t, "repair", j)
	var errs bytes.Buffer
	process.Stderr = &errs
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	done := false
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		if word == "UNMENDED" {
			id, why, _ := strings.Cut(rest, " ")
			unmended[id] = why
			continue
		}
		if word != "PROGRESS" && word != "DONE" {
			said.WriteString(lines.Text() + "\n")
			continue
		}
		done = word == "DONE"
		require.NoError(t, json.Unmarshal([]byte(rest), &last))
		if last.Done >= kill {
			require.NoError(t, process.Process.Kill())
			break
		}
	}
	err = process.Wait()
	if kill <= 1 {
		require.ErrorContains(t, err, "killed", "it had to be killed in the middle: %s%s", said.String(), errs.String())
		return last, unmended
	}
	require.NoError(t, err, "%s%s", said.String(), errs.String())
	require.True(t, done)
	return last, unmended
}
