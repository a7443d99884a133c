package cassandratest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/popcask/popcask/internal/child"
)

// lease is a held cluster.
type lease struct {
	conn   net.Conn // open while the lease lasts
	socket string
	layout *layoutFile
	keeper *os.Process // if this process has started it
}

// meetingPoint returns the path at which the keeper listens, and that of the
// lock that it holds.
func (s spec) meetingPoint() (socket, lock string, err error) {
	base, err := runtimeDir()
	if err != nil {
		return "", "", err
	}
	socket = filepath.Join(base, s.Key+".sock")
	if len(socket) > 100 {
		return "", "", fmt.Errorf("the path of the keeper's socket is too long, set TMPDIR to a shorter one: %s", socket)
	}
	return socket, filepath.Join(base, s.Key+".lock"), nil
}

// newSpec names the cluster: by its topology if it is shared, by its directory
// if it keeps its data, otherwise at random.
func newSpec(t Topology, dir string) (spec, error) {
	base, err := runtimeDir()
	if err != nil {
		return spec{}, err
	}
	s := spec{Topology: t, Keep: dir != ""}
	var name []byte
	switch {
	case s.Keep:
		if s.Dir, err = filepath.Abs(dir); err != nil {
			return spec{}, err
		}
		name = []byte(s.Dir)
	case t.Private:
		name = []byte(rand.Text())
	default:
		if name, err = json.Marshal(t); err != nil {
			return spec{}, fmt.Errorf("Topology.Settings: %w", err)
		}
		name = fmt.Appendf(name, " %d %s", protocolVersion, Version)
	}
	sum := sha256.Sum256(name)
	s.Key = hex.EncodeToString(sum[:6])
	if !s.Keep {
		s.Dir = filepath.Join(base, s.Key)
	}
	return s, nil
}

// acquire takes a lease from the keeper of the cluster, and starts a keeper if
// there is none. It returns when the cluster is up.
func acquire(ctx context.Context, s spec, progress func(string)) (*lease, error) {
	socket, _, err := s.meetingPoint()
	if err != nil {
		return nil, err
	}
	for {
		conn, answer, err := ask(ctx, socket, request{Op: opLease}, progress)
		if err == nil {
			return &lease{conn: conn, socket: socket, layout: answer.Layout}, nil
		}
		if !errors.Is(err, errGone) {
			return nil, err
		}
		if s.Software == (software{}) {
			if s.Software, err = findSoftware(ctx); err != nil {
				return nil, err
			}
			if s.Topology.WAN && s.Software.Docker {
				return nil, fmt.Errorf("%w: its nodes do not run in Docker, it needs Java 17 and Maven (java and mvn on the PATH)", errNoWAN)
			}
		}
		l, err := spawnKeeper(ctx, s, socket, progress)
		if l != nil || err != nil {
			return l, err
		}
	}
}

// spawnKeeper starts a keeper and takes a lease, from it or from another keeper
// that was first. It returns nil and no error if the caller must try again.
func spawnKeeper(ctx context.Context, s spec, socket string, progress func(string)) (*lease, error) {
	keeper, words, err := s.startKeeper()
	if err != nil {
		return nil, err
	}
	defer words.Close()
	stop := context.AfterFunc(ctx, func() { words.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for word := make([]byte, 16); ; {
		n, err := words.Read(word)
		switch {
		case ctx.Err() != nil:
			keeper.Release()
			return nil, context.Cause(ctx)
		case errors.Is(err, io.EOF):
			keeper.Wait()
			text, _ := os.ReadFile(s.keeperLog())
			return nil, fmt.Errorf("the keeper of the cluster did not start (%s):\n%s", s.keeperLog(), tail(string(text), 10))
		case err != nil:
			return nil, err
		}
		ours := bytes.Contains(word[:n], []byte("ok"))
		conn, answer, err := ask(ctx, socket, request{Op: opLease}, progress)
		switch {
		case err == nil && ours:
			return &lease{conn: conn, socket: socket, layout: answer.Layout, keeper: keeper}, nil
		case err == nil:
			keeper.Release()
			return &lease{conn: conn, socket: socket, layout: answer.Layout}, nil
		case !errors.Is(err, errGone):
			keeper.Release()
			return nil, err
		case ours:
			keeper.Release()
			return nil, nil
		}
	}
}

func (s spec) keeperLog() string { return filepath.Join(s.Dir, "keeper.log") }

// startKeeper starts a keeper. Its words about its own start are read from the
// file: see handshake.
func (s spec) startKeeper() (keeper *os.Process, words *os.File, err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(s.keeperLog(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	cmd, err := child.Detached(keeperJob, s, s.Dir) // the directory is for a reader of ps
	if err != nil {
		return nil, nil, err
	}
	words, end, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer end.Close()
	cmd.Args[0] = keeperJob
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{end}
	if err := cmd.Start(); err != nil {
		words.Close()
		return nil, nil, fmt.Errorf("start the keeper of the cluster: %w", err)
	}
	return cmd.Process, words, nil
}

// awaitEnd waits until a private cluster that did not come up has ended: its
// keeper holds a lock until then.
func (s spec) awaitEnd() {
	_, path, err := s.meetingPoint()
	if err != nil || !s.Topology.Private {
		return
	}
	for deadline := time.Now().Add(closePatience); time.Now().Before(deadline); time.Sleep(pollEvery) {
		lock, err := tryLock(path)
		if errors.Is(err, errLocked) {
			continue
		}
		if err == nil {
			os.Remove(path)
			lock.Close()
		}
		return
	}
}

// do asks the keeper to do something to nodes.
func (l *lease) do(ctx context.Context, r request, progress func(string)) error {
	_, err := l.ask(ctx, r, progress)
	return err
}

func (l *lease) ask(ctx context.Context, r request, progress func(string)) (reply, error) {
	conn, answer, err := ask(ctx, l.socket, r, progress)
	if err != nil {
		return reply{}, err
	}
	return answer, conn.Close()
}

// end ends the lease. The cluster goes on for its time of grace.
func (l *lease) end() {
	l.conn.Close()
	if l.keeper != nil {
		l.keeper.Release()
	}
}

// endCluster ends the lease and the cluster, and returns when no process of it
// is left.
func (l *lease) endCluster(ctx context.Context, keepLogs bool) error {
	defer l.conn.Close()
	err := l.do(ctx, request{Op: opEnd, KeepLogs: keepLogs}, func(string) {})
	if errors.Is(err, errGone) {
		err = nil
	}
	if l.keeper != nil && err == nil {
		l.keeper.Wait()
	}
	return err
}
