package clients

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popcask/popcask/internal/child"
)

// need finds the program of a client, or skips the test.
func need(t *testing.T, program, install string) string {
	t.Helper()
	// Debian's own first, so that a pyenv or the like on the machine does not
	// decide which client is tested.
	for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
		if path := filepath.Join(dir, program); executable(path) {
			return path
		}
	}
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	missing(t, "no %s: apt-get install %s (.ci/clients-install installs all clients)", program, install)
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// missing skips the test because something is not installed, unless all of it
// is required.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("POPCASK_REQUIRE_CLIENTS") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// environment is what every client gets: a home of its own, no proxies, and
// none of the settings of the user that runs the tests.
func environment(home string, more ...string) []string {
	return append([]string{
		"HOME=" + home,
		"PATH=/usr/bin:/bin:/usr/sbin:/sbin",
		"TMPDIR=" + home,
		"TZ=UTC",
		"LANG=C.UTF-8",
		"USER=popcask",
		"LOGNAME=popcask",
	}, more...)
}

// command is bound to a process group of its own, so that what a client starts
// ends with it, and dies with the test program, should that be killed.
func command(ctx context.Context, home, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = home
	cmd.Env = environment(home)
	child.Bind(cmd)
	cmd.Cancel = func() error { return child.KillGroup(cmd) }
	cmd.WaitDelay = 5 * time.Second // for a grandchild that keeps the output open
	return cmd
}

// output is what a client wrote, and its exit code.
type output struct {
	stdout, stderr []byte
	code           int
}

// run runs a client to its end, and fails the test if its exit code is not one
// of codes (0 if there are none).
func run(t *testing.T, cmd *exec.Cmd, codes ...int) output {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	// Kill what the client started in the background and left there.
	if cmd.Process != nil {
		_ = child.KillGroup(cmd)
	}
	out := output{stdout.Bytes(), stderr.Bytes(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out.stderr)
	}
	if len(codes) == 0 {
		codes = []int{0}
	}
	for _, code := range codes {
		if out.code == code {
			return out
		}
	}
	t.Fatalf("%s ended with %d (%v), want %v\n%s\n%s",
		strings.Join(cmd.Args, " "), out.code, err, codes, tail(out.stdout), tail(out.stderr))
	return out
}

// within returns a context that bounds one step of a test.
func within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// await waits until a condition is true.
func await(t *testing.T, condition func() bool, otherwise string) {
	t.Helper()
	ctx := within(t, time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(otherwise)
		}
	}
}

// tail shortens an output to its end, so that a failure stays readable.
func tail(text []byte) []byte {
	const limit = 2000
	if len(text) > limit {
		return append([]byte("[...]"), text[len(text)-limit:]...)
	}
	return text
}

// record is a writer that a test may read while a process writes to it. Its
// tail leaves out Gtk's complaints about the missing screen.
type record struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.text.Write(p)
}

func (r *record) tail() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return string(tail(gtkNoise.ReplaceAll(r.text.Bytes(), nil)))
}

// from returns what was written, from the first occurrence of text on.
func (r *record) from(text string) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if at := bytes.Index(r.text.Bytes(), []byte(text)); at >= 0 {
		return string(r.text.Bytes()[at:])
	}
	return ""
}

// matches reports whether what was written matches.
func (r *record) matches(pattern *regexp.Regexp) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return pattern.Match(r.text.Bytes())
}

var gtkNoise = regexp.MustCompile(`(?m)^.*(Gtk-CRITICAL|WARNING: gtk_|G[dt]k-WARNING).*\n\n?|^\n`)

// write makes a file for a client.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// publicDir returns a directory that other users can enter, too.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "public-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
