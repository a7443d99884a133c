package pop3

import (
	"bufio"
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

	// keptBack is how many octets at the end of a large stretch stay in the
	// buffer, so that the dot that ends a message does not travel alone.
	keptBack = 1 << 10

	// writeStep is how much must go out within one WriteTimeout, in octets.
	writeStep = 256 << 10
)

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, writeBuffer) }}

// output gathers the answers to a client and sends them in as few packets as
// the client's pipelining allows. Stretches larger than the buffer go straight
// from the caller's memory to the connection.
type output struct {
	nc      net.Conn
	timeout time.Duration // for each writeStep; negative: none
	buffer  *bufio.Writer // nil while nothing is to be sent
	octets  int64         // written or gathered
}

// begin returns the buffer to write to.
func (o *output) begin() *bufio.Writer {
	if o.buffer == nil {
		o.buffer = writers.Get().(*bufio.Writer)
		o.buffer.Reset((*wire)(o))
	}
	return o.buffer
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	w := o.begin()
	o.octets += int64(len(p))
	if len(p) <= writeBuffer {
		return w.Write(p)
	}
	head := len(p) - keptBack
	n, err := w.Write(p[:head])
	if err != nil {
		return n, err
	}
	n, err = w.Write(p[head:])
	return head + n, err
}

// strings writes texts. Like all of bufio, an error stays until flush tells.
func (o *output) strings(texts ...string) {
	w := o.begin()
	for _, text := range texts {
		n, _ := w.WriteString(text)
		o.octets += int64(n)
	}
}

// numbers writes numbers, a space between each two.
func (o *output) numbers(numbers ...int64) {
	w := o.begin()
	for i, number := range numbers {
		line := w.AvailableBuffer()
		if i > 0 {
			line = append(line, ' ')
		}
		n, _ := w.Write(strconv.AppendInt(line, number, 10))
		o.octets += int64(n)
	}
}

// flush sends what was gathered and gives the buffer back.
func (o *output) flush() error {
	if o.buffer == nil {
		return nil
	}
	if err := o.buffer.Flush(); err != nil {
		return err
	}
	o.discard()
	return nil
}

// discard forgets what was gathered.
func (o *output) discard() {
	if o.buffer == nil {
		return
	}
	o.buffer.Reset(nil)
	writers.Put(o.buffer)
	o.buffer = nil
}

// wire writes to the connection, a step at a time, each with its deadline.
type wire output

func (w *wire) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if w.timeout >= 0 {
			if err := w.nc.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
				return written, err
			}
		}
		n, err := w.nc.Write(p[written:min(len(p), written+writeStep)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
