package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/child"
)

func TestMain(m *testing.M) {
	child.Main("echo", echo)
	child.Main("fail", func(struct{}) error { return errors.New("as it was told") })
	child.Main("parent", parent)
	child.Main("repeat", repeat)
	os.Exit(m.Run())
}

type words struct{ Said []string }

func echo(w words) error {
	_, isChild := os.LookupEnv("POPCASK_CHILD")
	fmt.Println(w.Said, os.Args[1:], isChild)
	return nil
}

func TestAChildGetsItsInputAndArguments(t *testing.T) {
	cmd := child.ForTest(t.Context(), t, "echo", words{[]string{"good", "day"}}, "to", "you")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "[good day] [to you] false\n", string(out), "and it could have children of its own")
}

func TestAJobThatFails(t *testing.T) {
	out, err := child.ForTest(t.Context(), t, "fail", nil).CombinedOutput()
	require.ErrorContains(t, err, "exit status 1")
	require.Equal(t, "fail: as it was told\n", string(out))
}

// parent starts a child that has its standard input and output, and waits to be
// killed.
func parent(detached bool) error {
	cmd, err := child.Detached("repeat", nil)
	if !detached {
		cmd, err = child.Command(context.Background(), "repeat", nil)
	}
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	select {}
}

// repeat says what it hears.
func repeat(struct{}) error {
	_, err := io.Copy(os.Stdout, os.Stdin)
	return err
}

func TestAChildEndsWithAParentThatIsKilled(t *testing.T) {
	for _, detached := range []bool{false, true} {
		t.Run(fmt.Sprintf("detached %t", detached), func(t *testing.T) {
			cmd := child.ForTest(t.Context(), t, "parent", detached)
			toChild, err := cmd.StdinPipe()
			require.NoError(t, err)
			fromChild, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			said := bufio.NewReader(fromChild)
			hear := func() (string, error) {
				io.WriteString(toChild, "are you there?\n")
				return said.ReadString('\n')
			}
			heard, err := hear()
			require.NoError(t, err)
			require.Equal(t, "are you there?\n", heard)

			require.NoError(t, cmd.Process.Kill())
			if detached {
				_, err = hear()
				require.NoError(t, err, "it lives")
				require.NoError(t, toChild.Close())
			}
			_, err = said.ReadString('\n')
			require.ErrorIs(t, err, io.EOF, "nobody has the other end of the pipe any more")
			require.ErrorContains(t, cmd.Wait(), "killed")
		})
	}
}

// A program that does not call Main for a job would start itself without end.
func TestAChildThatDoesNotKnowItsJobStartsNone(t *testing.T) {
	t.Setenv("POPCASK_CHILD", `{"Job":"another"}`)
	_, err := child.Command(t.Context(), "echo", words{})
	if !errors.Is(err, errors.ErrUnsupported) {
		require.ErrorContains(t, err, `does not know: {"Job":"another"}`)
	}
}
