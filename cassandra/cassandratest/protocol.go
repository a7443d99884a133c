package cassandratest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// protocolVersion is part of the name of a shared cluster, so that programs
// built from different versions of this package do not meet. Raise it when
// anything changes that a keeper and a test say to each other.
const protocolVersion = 5

// spec is the input of a keeper.
type spec struct {
	Key      string // names the socket and the lock
	Dir      string // the cluster's directory
	Keep     bool   // the data stays after the keeper has ended
	Topology Topology
	Software software
}

// clusterName is the cluster's name in Cassandra.
func (s spec) clusterName() string { return "popcask-" + s.Key }

// request is the line that a connection to the keeper begins with. The
// connection of a lease stays open; any other is closed after the answer.
type request struct {
	Op       string
	Nodes    string `json:",omitempty"` // a node, a data centre, or "" for all
	KeepLogs bool   `json:",omitempty"`

	Link *linkOrder `json:",omitempty"`
}

const (
	opLease    = "lease"    // the answer is the cluster, once it is up
	opKill     = "kill"     // SIGKILL
	opPause    = "pause"    // SIGSTOP
	opResume   = "resume"   // SIGCONT
	opShutdown = "shutdown" // SIGTERM
	opBoot     = "boot"     // start those that do not run
	opReplace  = "replace"  // one that does not run, by a new one with an empty disk
	opJoin     = "join"     // start one that left, with an empty disk
	opSettle   = "settle"   // wait until all agree on which nodes are alive
	opMove     = "move"     // start again at other addresses
	opLink     = "link"     // change a link, and report its traffic
	opEnd      = "end"      // of the cluster
)

// reply is a line of an answer: any number of lines with Progress, then one
// with Done.
type reply struct {
	Progress string      `json:",omitempty"`
	Done     bool        `json:",omitempty"`
	Error    string      `json:",omitempty"`
	InUse    bool        `json:",omitempty"` // the error is errInUse
	Layout   *layoutFile `json:",omitempty"`
	Traffic  []Traffic   `json:",omitempty"` // of a link: there and back
}

// errGone means that the keeper ended before it said a word: another one can be
// started.
var errGone = errors.New("the keeper has ended")

// errInUse means that a cluster which keeps its data runs already.
var errInUse = errors.New("in use by another process")

// ask sends a request and reads the answer. The connection that it returns is
// open.
func ask(ctx context.Context, socket string, r request, progress func(string)) (net.Conn, reply, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, reply{}, fmt.Errorf("%w: %w", errGone, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	answer, err := converse(conn, r, progress)
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, reply{}, err
	}
	return conn, answer, nil
}

func converse(conn net.Conn, r request, progress func(string)) (reply, error) {
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return reply{}, fmt.Errorf("%w: %w", errGone, err)
	}
	lines := json.NewDecoder(conn)
	for heard := false; ; heard = true {
		var answer reply
		switch err := lines.Decode(&answer); {
		case err != nil && !heard:
			return reply{}, fmt.Errorf("%w: %w", errGone, err)
		case errors.Is(err, io.EOF):
			return reply{}, errors.New("the keeper of the cluster was killed")
		case err != nil:
			return reply{}, fmt.Errorf("the keeper of the cluster: %w", err)
		case answer.InUse:
			return reply{}, fmt.Errorf("%s: %w", answer.Error, errInUse)
		case answer.Error != "":
			return reply{}, errors.New(answer.Error)
		case answer.Done:
			return answer, nil
		case answer.Progress != "":
			progress(answer.Progress)
		}
	}
}
