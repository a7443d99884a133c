package pop3

import (
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// writeBuffer is the memory of an answer in octets. It is lent to a
	// connection while something is to be sent, so that those that wait hold
	// none.
	writeBuffer = 16 << 10

	// writeStep is how much of a message is looked through before it is
	// passed on, and must go out within one WriteTimeout, in octets: not all of
	// it, so that the client has something to do meanwhile, and many, since
	// each write may have to wait for the client once.
	writeStep = 1 << 20

	// keptBack is how many octets at the end of a large stretch stay in the
	// buffer, so that the dot that ends a message does not travel alone.
	keptBack = 1 << 10
)

var writeBuffers = sync.Pool{New: func() any { return new([writeBuffer]byte) }}

// output gathers the answers to a client and sends them in as few packets as
// the client's pipelining allows. Stretches larger than the buffer go straight
// from the caller's memory to the connection. An error stays, and ends
// everything that follows.
type output struct {
	nc      net.Conn
	timeout time.Duration      // for each writeStep; negative: none
	memory  *[writeBuffer]byte // nil while nothing is to be sent
	pending []byte             // in memory
	octets  int64              // written or gathered
	err     error

	stretches [2][]byte // of a write that sends both what is pending and more
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

// strings writes texts, each much shorter than the buffer. Their errors are the
// next flush's.
func (o *output) strings(texts ...string) {
	for _, text := range texts {
		o.pending = append(o.room(len(text)), text...)
		o.octets += int64(len(text))
	}
}

// numbers writes numbers, a blank between each two.
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

// room returns what is pending, with room for n octets behind it.
func (o *output) room(n int) []byte {
	if len(o.pending)+n > writeBuffer {
		// What comes may be the final dot: a few octets wait to go with it.
		const few = 16
		kept := o.pending[len(o.pending)-min(few, len(o.pending)):]
		o.pending = o.pending[:len(o.pending)-len(kept)]
		o.send(nil)
		o.pending = append(o.pending, kept...)
	}
	if o.memory == nil {
		o.memory = writeBuffers.Get().(*[writeBuffer]byte)
		o.pending = o.memory[:0]
	}
	return o.pending
}

// flush sends what was gathered and gives the buffer back.
func (o *output) flush() error {
	if len(o.pending) > 0 {
		o.send(nil)
	}
	o.discard()
	return o.err
}

// send sends what was gathered, and more behind it, in one go where the
// connection can.
func (o *output) send(more []byte) {
	if o.err != nil {
		o.pending = o.pending[:0] // nothing piles up for a client that is gone
		return
	}
	if o.timeout >= 0 {
		o.err = o.nc.SetWriteDeadline(time.Now().Add(o.timeout))
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

// discard forgets what was gathered.
func (o *output) discard() {
	if o.memory != nil {
		writeBuffers.Put(o.memory)
		o.memory, o.pending = nil, nil
	}
}
