package pop3

import (
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

const (
	// writeBuffer is the size of a write buffer in octets. A connection borrows
	// one while it has something to send; one that waits holds none.
	writeBuffer = 16 << 10

	// writeStep is how many octets of a message are stuffed before they are
	// sent, within one WriteTimeout. It is less than a whole message, so that
	// the client can begin to read, and large, since each write may have to
	// wait for the client.
	writeStep = 1 << 20

	// keptBack is how many octets at the end of a large write stay in the
	// buffer, so that the dot that ends a message does not travel alone.
	keptBack = 1 << 10
)

var writeBuffers = sync.Pool{New: func() any { return new([writeBuffer]byte) }}

// output gathers the answers to a client and sends them in as few packets as
// the client's pipelining allows. Writes larger than the buffer go straight
// from the caller's memory to the connection. After an error nothing more is
// sent, and Write and flush return that error.
type output struct {
	nc      net.Conn
	timeout time.Duration      // for each writeStep; negative: none
	until   time.Time          // no write may take longer; zero: none
	memory  *[writeBuffer]byte // nil while there is nothing to send
	pending []byte             // in memory
	since   time.Time          // when the first of them was written
	octets  int64              // sent and pending
	err     error

	stretches [2][]byte // of a write that sends what is pending, and more
	vector    net.Buffers
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	head := 0
	if len(p) > writeBuffer-len(o.pending) && len(p) > keptBack {
		head = len(p) - keptBack
		o.send(p[:head])
	}
	o.pending = append(o.room(len(p)-head), p[head:]...)
	o.octets += int64(len(p))
	return len(p), o.err
}

// strings writes texts, each much shorter than the buffer. Their errors come
// with the next flush.
func (o *output) strings(texts ...string) {
	for _, text := range texts {
		o.pending = append(o.room(len(text)), text...)
		o.octets += int64(len(text))
	}
}

// numbers writes numbers, with a blank between each two.
func (o *output) numbers(numbers ...int64) {
	for i, number := range numbers {
		if i > 0 {
			o.strings(" ")
		}
		const digits = 20
		room := o.room(digits)
		o.pending = strconv.AppendInt(room, number, 10)
		o.octets += int64(len(o.pending) - len(room))
	}
}

// room returns what is pending, with room for n more octets.
func (o *output) room(n int) []byte {
	if len(o.pending)+n > writeBuffer {
		// The final dot may come next: a few octets wait to go with it.
		const few = 16
		kept := o.pending[len(o.pending)-min(few, len(o.pending)):]
		o.pending = o.pending[:len(o.pending)-len(kept)]
		o.send(nil)
		o.pending = append(o.pending, kept...)
	}
	if len(o.pending) == 0 {
		o.since = time.Now()
	}
	if o.memory == nil {
		o.memory = writeBuffers.Get().(*[writeBuffer]byte)
		o.pending = o.memory[:0]
	}
	return o.pending
}

// flush sends what is pending and gives the buffer back.
func (o *output) flush() error {
	if len(o.pending) > 0 {
		o.send(nil)
	}
	o.discard()
	return o.err
}

// send sends what is pending and then more, in one system call if the
// connection can.
func (o *output) send(more []byte) {
	if o.err != nil {
		o.pending = o.pending[:0] // the client is gone
		return
	}
	if deadline := netserver.Earlier(netserver.FromNow(o.timeout), o.until); !deadline.IsZero() {
		o.err = o.nc.SetWriteDeadline(deadline)
	}
	switch {
	case o.err != nil:
	case len(more) == 0:
		_, o.err = o.nc.Write(o.pending)
	case len(o.pending) == 0:
		_, o.err = o.nc.Write(more)
	default:
		o.stretches = [2][]byte{o.pending, more}
		o.vector = o.stretches[:]
		_, o.err = o.vector.WriteTo(o.nc)
	}
	o.pending = o.pending[:0]
}

// discard drops what is pending and gives the buffer back.
func (o *output) discard() {
	if o.memory != nil {
		writeBuffers.Put(o.memory)
		o.memory, o.pending = nil, nil
	}
}
