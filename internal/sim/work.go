package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/mailbox"
)

// operation is something that a host does.
type operation struct {
	host       *host
	verb       string
	done       bool
	statements int // attempts at them
}

// begin begins an operation of a host. The director waits for it if the event
// says so.
func (w *world) begin(number int, what string, do func(ctx context.Context, h *host)) bool {
	h := w.host(number)
	if h.frozen {
		return false
	}
	w.operations++
	o := &operation{host: h, verb: w.verb}
	key := w.operations
	w.running[key] = o
	w.current = h
	w.note("%s: %s", h.name, what)
	ctx := context.WithValue(context.Background(), operationKey{}, key)
	go func() {
		do(ctx, h)
		w.mu.Lock()
		defer w.mu.Unlock()
		o.done = true
	}()
	w.settle()
	return true
}

// host returns the host of a number. There are always some.
func (w *world) host(number int) *host { return w.hosts[number%len(w.hosts)] }

// finished settles what has ended, and reports whether all operations that were
// begun have.
func (w *world) finished() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, o := range w.running {
		if o.done {
			w.meter.spent(o.verb, o.statements)
			if of := verbs[o.verb]; o.statements > of.most+of.each*len(w.ops) && w.history.Page == 0 && w.history.Bearable == 0 {
				w.violate(Costly, "an operation takes %d attempts at statements: %s", o.statements, o.verb)
			}
			delete(w.running, key)
		}
	}
	return len(w.running) == 0
}

func user(number int) string { return aUser.name(number) + "@example.org" }

func (w *world) deliver(args [3]int) bool {
	return w.begin(args[0], "delivers to "+user(args[1]), func(ctx context.Context, h *host) {
		h.worker.Attempt(ctx, h.text(120), []string{user(args[1])})
	})
}

// both delivers one message to both users.
func (w *world) both(args [3]int) bool {
	return w.begin(args[0], "delivers to both users", func(ctx context.Context, h *host) {
		h.worker.Attempt(ctx, h.text(120), []string{user(0), user(1)})
	})
}

// flood delivers so many messages to a user that the next ones come into a
// narrower bucket, if the history has a Crowd of 10.
func (w *world) flood(args [3]int) bool {
	return w.begin(args[0], "delivers much to "+user(args[1]), func(ctx context.Context, h *host) {
		for range floodMessages {
			h.worker.Attempt(ctx, h.text(120), []string{user(args[1])})
		}
	})
}

const floodMessages = 12

// large delivers a message of several chunks.
func (w *world) large(args [3]int) bool {
	return w.begin(args[0], "delivers a large message to "+user(args[1]), func(ctx context.Context, h *host) {
		h.worker.Attempt(ctx, h.text(70<<10), []string{user(args[1])})
	})
}

func (w *world) importMail(args [3]int) bool {
	label := aLabel.name(args[2])
	return w.begin(args[0], "imports "+label+" to "+user(args[1]), func(ctx context.Context, h *host) {
		text := h.text(120)
		text.UIDL = label
		h.worker.Attempt(ctx, text, []string{user(args[1])})
	})
}

// text returns the next message of a host.
func (h *host) text(size int) faults.Text {
	h.world.mu.Lock()
	h.letter++
	n := h.letter
	h.world.mu.Unlock()
	writer := fmt.Sprintf("%s.%d", h.name, h.life)
	return faults.Write(writer, n, size, rand.New(rand.NewPCG(uint64(h.number)<<8|uint64(h.life), uint64(n))))
}

// list lists a mailbox, as clients do that look whether there is mail.
func (w *world) list(args [3]int) bool {
	return w.begin(args[0], "lists the mailbox of "+user(args[1]), func(ctx context.Context, h *host) {
		h.session(ctx, user(args[1]), false, "")
	})
}

// read lists a mailbox and retrieves all of it.
func (w *world) read(args [3]int) bool {
	return w.begin(args[0], "reads the mailbox of "+user(args[1]), func(ctx context.Context, h *host) {
		h.session(ctx, user(args[1]), true, "")
	})
}

// remove lists a mailbox, and removes a share of it.
func (w *world) remove(args [3]int) bool {
	share := aShare.name(args[2])
	return w.begin(args[0], "removes "+share+" of the mailbox of "+user(args[1]), func(ctx context.Context, h *host) {
		h.session(ctx, user(args[1]), false, share)
	})
}

// session is a session of a user. The share is one of aShare, or "".
func (h *host) session(ctx context.Context, user string, retrieves bool, share string) {
	box, err := h.worker.Store.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return
	}
	defer box.Close()
	messages, err := h.worker.List(ctx, box, faults.Op{Kind: faults.List, User: user})
	if err != nil {
		return
	}
	if retrieves {
		for _, m := range messages {
			h.worker.Retrieve(ctx, box, user, m, false)
		}
	}
	switch share {
	case "":
		messages = nil
	case "first":
		messages = messages[:min(1, len(messages))]
	case "last":
		messages = messages[max(0, len(messages)-1):]
	case "half":
		messages = messages[:len(messages)/2]
	}
	if len(messages) > 0 {
		h.worker.Remove(ctx, box, user, messages)
	}
}

// again: the events of everything that was delivered to a user, and of what he
// removed, come to the index once more, as they may at any time (P3).
func (w *world) again(args [3]int) bool {
	var entries []cassandra.Entry
	var removed []cassandra.MessageID
	for _, op := range w.ops {
		if op.Kind == faults.Remove && op.Outcome == faults.OK && op.User == user(args[1]) {
			for _, m := range op.Removed {
				id, _ := cassandra.ParseMessageID(m.ID)
				removed = append(removed, id)
			}
		}
		if op.Kind == faults.Deliver && op.Outcome == faults.OK && op.User == user(args[1]) {
			id, _ := cassandra.ParseMessageID(op.Message.ID)
			entry := cassandra.Entry{ID: id, Size: op.Message.Size}
			if op.Message.UIDL != op.Message.ID {
				entry.UIDL = op.Message.UIDL
			}
			entries = append(entries, entry)
		}
	}
	return len(entries) > 0 && w.begin(args[0], "repeats the events of "+user(args[1]), func(ctx context.Context, h *host) {
		box, _, _ := h.worker.Store.Mailbox(user(args[1]))
		h.index.Removed(ctx, box, removed)
		for _, entry := range entries {
			h.index.Added(ctx, box, entry)
		}
	})
}

// repairMailbox runs the library's repair of a mailbox, as mda repair does.
func (w *world) repairMailbox(args [3]int) bool { return w.repairWith(args, false) }

// repairWholly is the same with -remove-incomplete.
func (w *world) repairWholly(args [3]int) bool { return w.repairWith(args, true) }

func (w *world) repairWith(args [3]int, incomplete bool) bool {
	return w.begin(args[0], "repairs the mailbox of "+user(args[1]), func(ctx context.Context, h *host) {
		options := cassandra.RepairOptions{Confirm: w.horizon, RemoveIncomplete: incomplete}
		report, _ := h.worker.Store.Repair(ctx, user(args[1]), options)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, f := range report.Findings {
			w.note("the repair finds: %s %s, mended: %t", f.Kind, f.ID, f.Mended)
			w.sighted(f.Mended, string(f.Kind))
		}
	})
}

func (w *world) freeze(args [3]int) bool {
	h := w.host(args[0])
	if h.frozen {
		return false
	}
	h.freezes = args[1]
	return true
}

func (w *world) thaw(args [3]int) bool {
	h := w.host(args[0])
	if !h.frozen {
		return false
	}
	h.frozen = false
	w.note("%s goes on", h.name)
	return true
}

func (w *world) crashAfter(args [3]int) bool {
	w.host(args[0]).crashes = args[1]
	return true
}

func (w *world) noAnswer(args [3]int) bool {
	w.host(args[0]).drops = args[1]
	return true
}

func (w *world) noReach(args [3]int) bool {
	w.host(args[0]).refuses = args[1]
	return true
}

// clone starts a copy of a process from a snapshot of its virtual machine, as
// one more host.
func (w *world) clone(args [3]int) bool {
	of := w.host(args[0])
	if len(w.hosts) >= len(aHost.names) || of.frozen {
		return false
	}
	w.hosts = append(w.hosts, nil)
	number := len(w.hosts) - 1
	h := w.newHost(number, of.dc+"/"+aHost.name(number), of.dc)
	h.skew = of.skew
	if !of.random.copied {
		h.random.old, of.random.copied = slices.Clone(of.random.all), true
	}
	w.note("%s is a copy of %s", h.name, of.name)
	if err := w.connect(h); err != nil {
		w.hosts = w.hosts[:number]
		return false
	}
	return true
}

func (w *world) clock(args [3]int) bool {
	h := w.host(args[0])
	skew, _ := time.ParseDuration(aSkew.name(args[1]))
	h.skew = skew
	w.note("the clock of %s is %s", h.name, aSkew.name(args[1]))
	return true
}
