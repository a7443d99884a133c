package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// marionette drives a Gecko program by its remote protocol: JSON arrays with
// their length before them, [0, id, command, parameters] to the program and [1,
// id, error, result] back.
type marionette struct {
	conn net.Conn
	in   *bufio.Reader
	id   int
}

// dialMarionette waits until the program has written its port to the profile,
// and starts a session. exited is closed when the program has ended.
func dialMarionette(ctx context.Context, profile string, exited <-chan struct{}) (*marionette, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if port, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort")); err == nil && len(port) > 0 {
			address := net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(port)))
			var dialer net.Dialer
			if conn, err := dialer.DialContext(ctx, "tcp", address); err == nil {
				return newMarionette(ctx, conn)
			}
		}
		select {
		case <-tick.C:
		case <-exited:
			return nil, fmt.Errorf("marionette: the program ended")
		case <-ctx.Done():
			return nil, fmt.Errorf("marionette: no port: %w", ctx.Err())
		}
	}
}

func newMarionette(ctx context.Context, conn net.Conn) (*marionette, error) {
	m := &marionette{conn: conn, in: bufio.NewReader(conn)}
	context.AfterFunc(ctx, func() { conn.Close() })
	if _, err := m.packet(); err != nil { // the greeting
		return nil, err
	}
	if err := m.call("WebDriver:NewSession", map[string]any{}, nil); err != nil {
		return nil, err
	}
	return m, m.call("Marionette:SetContext", map[string]any{"value": "chrome"}, nil)
}

func (m *marionette) packet() ([]byte, error) {
	length, err := m.in.ReadString(':')
	if err != nil {
		return nil, fmt.Errorf("marionette: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		return nil, fmt.Errorf("marionette: length %q", length)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(m.in, text)
	return text, err
}

func (m *marionette) call(command string, parameters any, result any) error {
	m.id++
	text, err := json.Marshal([]any{0, m.id, command, parameters})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(text), text); err != nil {
		return fmt.Errorf("marionette: %s: %w", command, err)
	}
	answer, err := m.packet()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	var fields []json.RawMessage
	if err := json.Unmarshal(answer, &fields); err != nil || len(fields) != 4 {
		return fmt.Errorf("marionette: %s: answer %.200q", command, answer)
	}
	if string(fields[2]) != "null" {
		var failure struct{ Error, Message, Stacktrace string }
		_ = json.Unmarshal(fields[2], &failure)
		return fmt.Errorf("marionette: %s: %s: %s\n%s", command, failure.Error, failure.Message, failure.Stacktrace)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(fields[3], result)
}

// script runs the body of an async function with the program's own rights and
// decodes what it returns.
func (m *marionette) script(result any, body string, args ...any) error {
	if args == nil {
		args = []any{}
	}
	var answer struct{ Value json.RawMessage }
	err := m.call("WebDriver:ExecuteScript", map[string]any{
		"script":        "return (async (...args) => {" + body + "})(...arguments)",
		"args":          args,
		"sandbox":       "system",
		"scriptTimeout": 60_000,
	}, &answer)
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(answer.Value, result)
}
