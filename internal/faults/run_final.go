package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/mailbox"
)

// heal ends the faults that are left, and repairs: the operator's repair first,
// then the library's.
func (r *run) heal(ctx context.Context) error {
	r.say("healing")
	for i, a := range r.cluster.DCs {
		for _, b := range r.cluster.DCs[i+1:] {
			l := r.cluster.Link(a.Name, b.Name)
			if err := errors.Join(l.Heal(), l.SetDelay(0), l.SetRate(0), l.SetLoss(0, 0)); err != nil {
				return err
			}
		}
	}
	if err := r.cluster.Settle(ctx); err != nil {
		return err
	}
	r.say("nodetool repair")
	if err := r.repair(ctx); err != nil {
		return err
	}
	r.say("the library's repair")
	found, err := r.repairAll(ctx)
	if err != nil {
		return err
	}
	if found > 0 { // it wrote at the level of one data centre: bring that to the others
		r.say("nodetool repair")
		return r.repair(ctx)
	}
	return nil
}

// repairAll runs the library's repair, after no message is young any more, also
// none from a clock that was ahead.
func (r *run) repairAll(ctx context.Context) (findings int, err error) {
	latest := time.Now()
	if r.ahead.After(latest) {
		latest = r.ahead
	}
	select {
	case <-time.After(time.Until(latest.Add(horizon + time.Second))):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	c := r.config(r.cluster.DCs[0].Name)
	c.Timeout = 10 * time.Second
	w, done, err := r.inProcess(ctx, "repair/"+c.LocalDC, c)
	if err != nil {
		return 0, err
	}
	defer done()
	kinds := make(map[cassandra.FindingKind]int)
	progress, err := w.Store.RepairAll(ctx, cassandra.ScanOptions{
		RepairOptions: cassandra.RepairOptions{Confirm: horizon + time.Second, RemoveIncomplete: true},
		Found: func(report cassandra.Report) {
			for _, f := range report.Findings {
				kinds[f.Kind]++
				if !f.Mended {
					r.log("%s: %s %s is not mended: %v", report.User, f.Kind, f.ID, f.Err)
				}
			}
		},
	})
	r.log("the library's repair: %d mailboxes, %d messages, findings %v, %d mended, %d postponed, %d failed, in %s",
		progress.Mailboxes, progress.Messages, kinds, progress.Mended, progress.Postponed, progress.Failed, progress.Elapsed.Round(time.Second))
	if err == nil && progress.Failed > 0 {
		err = fmt.Errorf("the library's repair could not look at %d mailboxes", progress.Failed)
	}
	return progress.Findings, err
}

// final lists every mailbox in every data centre, and retrieves all of it.
func (r *run) final(ctx context.Context) error {
	for _, dc := range r.cluster.DCs {
		r.say("the final pass of " + dc.Name)
		c := r.config(dc.Name)
		c.Timeout = 10 * time.Second
		w, done, err := r.inProcess(ctx, "final/"+dc.Name, c)
		if err != nil {
			return err
		}
		users := slices.Concat(r.users...)
		parallel.Each(4, len(users), func(i int) error {
			w := &Worker{host: w.host, Store: w.Store, number: i}
			w.look(ctx, users[i])
			return nil
		})
		done()
	}
	return nil
}

// inProcess returns a worker of a host in this process, which reaches the nodes
// past the links. The caller calls done.
func (r *run) inProcess(ctx context.Context, name string, c cassandra.Config) (w *Worker, done func(), err error) {
	h := &Host{
		Name: name, DC: c.LocalDC, Config: c, Deadline: time.Minute,
		Record: func(number int64, op Op) { r.record(key{host: name, number: number}, op) },
	}
	if w, err = h.Open(ctx); err != nil {
		return nil, nil, err
	}
	return w, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if err := w.Store.Close(ctx); err != nil {
			r.wrong(err.Error())
		}
	}, nil
}

// look lists a mailbox and retrieves all of it. It tries several times, since
// the machine may be too busy.
func (w *Worker) look(ctx context.Context, user string) {
	const tries = 4
	for range tries {
		box, err := w.Store.Open(ctx, mailbox.Login{User: user})
		if err != nil {
			continue
		}
		messages, err := w.List(ctx, box, Op{Kind: List, User: user, Final: true})
		if err != nil {
			box.Close()
			continue
		}
		for _, m := range messages {
			for range tries {
				if w.Retrieve(ctx, box, user, m, true) == nil {
					break
				}
			}
		}
		box.Close()
		return
	}
}
