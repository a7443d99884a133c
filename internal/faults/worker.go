package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
)

// Worker does one piece of work at a time: a delivery, a session on the store,
// or one over POP3. It records each operation.
type Worker struct {
	host    *Host
	Store   *cassandra.Store
	address string // of the POP3 server
	number  int
	random  *rand.Rand
	seq     int // of its last message
}

// work works until ctx ends, and then ends what it has begun.
func (w *Worker) work(ctx context.Context) {
	whole := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		switch n := w.random.IntN(100); {
		case n < 60:
			w.deliver(ctx)
		case n < 85:
			w.session(whole)
		default:
			w.popSession(whole)
		}
		if w.host.Pause > 0 {
			select {
			case <-time.After(time.Duration(w.random.Int64N(int64(2 * w.host.Pause)))):
			case <-ctx.Done():
			}
		}
	}
}

// call records that an operation begins.
func (w *Worker) call(op Op) (number int64, called Op) {
	op.Host, op.DC, op.Worker = w.host.Name, w.host.DC, w.number
	op.Call, op.Outcome = time.Now(), Unknown
	number = w.host.recorded.Add(1)
	w.host.Record(number, op)
	return number, op
}

// back records how an operation ended. If there is an error, it may have
// happened all the same.
func (w *Worker) back(number int64, op Op, err error) {
	op.Return, op.Outcome = time.Now(), OK
	switch {
	case op.Kind == Retrieve && errors.Is(err, mailbox.ErrNotFound):
		op.Outcome, op.Error = Gone, err.Error()
	case err != nil:
		op.Outcome, op.Error = Failed, err.Error()
	}
	w.host.Record(number, op)
}

func (w *Worker) user() string {
	users := *w.host.users.Load()
	return users[w.random.IntN(len(users))]
}

// attempts is how many times a sender tries.
const attempts = 3

// deliver delivers one message, mostly to one user. If it is refused for some,
// it is sent again to these.
func (w *Worker) deliver(ctx context.Context) {
	waiting := []string{w.user()}
	if w.random.IntN(8) == 0 {
		if second := w.user(); second != waiting[0] {
			waiting = append(waiting, second)
		}
	}
	w.seq++
	message := Write(fmt.Sprintf("%s.%d/%d", w.host.Name, w.host.Life, w.number), w.seq, w.size(), w.random)
	for range attempts {
		if waiting = w.Attempt(context.WithoutCancel(ctx), message, waiting); len(waiting) == 0 || ctx.Err() != nil {
			return
		}
	}
}

// size returns the size of the next message in octets. A message of more than
// 64 KiB is stored in chunks.
func (w *Worker) size() int {
	switch n := w.random.IntN(100); {
	case n < 80:
		return w.random.IntN(4 << 10)
	case n < 92:
		return w.random.IntN(64 << 10)
	default:
		return 60<<10 + w.random.IntN(140<<10)
	}
}

// Attempt delivers a message once, and returns the users for whom it was
// refused.
func (w *Worker) Attempt(ctx context.Context, message Text, users []string) (refused []string) {
	delivery := mailbox.Delivery{UIDL: message.UIDL}
	var numbers []int64
	var ops []Op
	for _, user := range users {
		delivery.Recipients = append(delivery.Recipients, mailbox.Recipient{User: user})
		number, op := w.call(Op{Kind: Deliver, User: user, Body: message.Body})
		numbers, ops = append(numbers, number), append(ops, op)
	}
	ctx, cancel := context.WithTimeout(ctx, w.host.Deadline)
	defer cancel()
	results, err := w.Store.Append(ctx, delivery, strings.NewReader(message.octets))
	for i := range ops {
		outcome := err
		if err == nil {
			if outcome = results[i].Err; outcome == nil {
				ops[i].Message = listed(results[i].Message)
			}
		}
		if outcome != nil {
			refused = append(refused, users[i])
		}
		w.back(numbers[i], ops[i], outcome)
	}
	return refused
}

func listed(m mailbox.Message) Message {
	return Message{ID: m.ID, UIDL: mailbox.UIDL(m), Size: m.Size}
}

// session lists a mailbox, retrieves some of it, removes half, and quits.
func (w *Worker) session(ctx context.Context) {
	user := w.user()
	box, err := w.Store.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return // nothing was read yet
	}
	defer box.Close()
	messages, err := w.List(ctx, box, Op{Kind: List, User: user})
	if err != nil {
		return
	}
	for _, m := range w.some(messages) {
		w.Retrieve(ctx, box, user, m, false)
	}
	if half := w.half(messages); len(half) > 0 {
		w.Remove(ctx, box, user, half)
	}
}

// some of them are retrieved.
func (w *Worker) some(messages []Message) (some []Message) {
	const most = 5
	for _, i := range w.random.Perm(len(messages)) {
		if len(some) < most {
			some = append(some, messages[i])
		}
	}
	return some
}

// half of them are removed.
func (w *Worker) half(messages []Message) (half []Message) {
	for _, m := range messages {
		if w.random.IntN(2) == 0 {
			half = append(half, m)
		}
	}
	return half
}

// List lists a mailbox. The operation has its user.
func (w *Worker) List(ctx context.Context, box mailbox.Mailbox, op Op) (messages []Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.host.Deadline)
	defer cancel()
	number, op := w.call(op)
	for m, broken := range box.Messages(ctx) {
		if err = broken; err != nil {
			break
		}
		messages = append(messages, listed(m))
	}
	if err == nil {
		op.Listed = messages
	}
	w.back(number, op, err)
	return messages, err
}

// Retrieve retrieves a message that was listed.
func (w *Worker) Retrieve(ctx context.Context, box mailbox.Mailbox, user string, m Message, final bool) error {
	ctx, cancel := context.WithTimeout(ctx, w.host.Deadline)
	defer cancel()
	number, op := w.call(Op{Kind: Retrieve, User: user, Message: m, Final: final})
	octets, err := octetsOf(ctx, box, m.ID)
	if err == nil {
		op.Body, op.Torn = read(octets, m.Size)
	}
	w.back(number, op, err)
	return err
}

func octetsOf(ctx context.Context, box mailbox.Mailbox, id string) (string, error) {
	body, err := box.Open(ctx, id, mailbox.OpenOptions{})
	if err != nil {
		return "", err
	}
	octets, err := io.ReadAll(body)
	return string(octets), errors.Join(err, body.Close())
}

// Remove removes messages.
func (w *Worker) Remove(ctx context.Context, box mailbox.Mailbox, user string, messages []Message) {
	ctx, cancel := context.WithTimeout(ctx, w.host.Deadline)
	defer cancel()
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	number, op := w.call(Op{Kind: Remove, User: user, Removed: messages})
	w.back(number, op, box.Delete(ctx, ids))
}
