package maildir

import (
	"context"
	"errors"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// Delete implements [mailbox.Mailbox]: it unlinks the files and syncs the
// directories. Files that are not where the listing saw them are looked for in
// one reading for all.
func (s *session) Delete(ctx context.Context, ids []string) error {
	if err := s.store.begin(); err != nil {
		return failed("delete messages", err)
	}
	defer s.store.work.Done()

	r := removal{session: s, failed: map[string]error{}}
	r.run(ctx, ids)
	return r.finish()
}

// removal is one call of Delete.
type removal struct {
	session *session
	removed []mailbox.Message
	failed  map[string]error
	touched [places]bool
}

// run unlinks the files of the messages, wherever they are.
func (r *removal) run(ctx context.Context, ids []string) {
	s := r.session
	left, moved := r.remove(ctx, ids)
	for round := 0; round < maxScans && len(left) > 0; round++ {
		settled, err := s.refresh(ctx, lookAgain(len(moved) == len(left)))
		if err != nil {
			r.fail(left, err)
			moved = nil
			break
		}
		if left, moved = r.remove(ctx, left); settled {
			left = moved // everything else that is left does not exist
		}
	}
	// A file that no reading has seen was removed by another program. One that
	// every reading has seen, each time elsewhere, is still there.
	r.fail(moved, errors.New("the file is renamed all the time"))
}

// remove unlinks every file of the messages. left are the messages to look for
// again; moved are those of them that the last reading has seen.
func (r *removal) remove(ctx context.Context, ids []string) (left, moved []string) {
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			r.fail(ids[i:], err)
			return left, moved
		}
		found, elsewhere := r.removeFiles(id)
		if elsewhere {
			moved = append(moved, id)
		}
		if elsewhere || !found {
			left = append(left, id)
		}
	}
	return left, moved
}

// removeFiles unlinks the files of one message. found reports whether it is
// known what became of the message, elsewhere whether a file was renamed or
// removed since it was seen.
func (r *removal) removeFiles(id string) (found, elsewhere bool) {
	s := r.session
	files := s.files(id)
	for i := range files {
		e := &files[i]
		if e.gone {
			found = true
			continue
		}
		if e.lost {
			continue
		}
		err := s.store.at(stepRemove)
		if err == nil {
			err = s.folder.remove(e)
		}
		switch {
		case notThere(err):
			e.lost, elsewhere = true, true
		case err != nil:
			found = true
			r.failed[id] = failed("remove message", err)
		default:
			found = true
			e.gone = true
			r.touched[e.place] = true
			if !e.alias {
				r.removed = append(r.removed, s.store.message(s.dir, e.name, nil))
			}
		}
	}
	return found, elsewhere
}

func (r *removal) fail(ids []string, err error) {
	for _, id := range ids {
		r.failed[id] = failed("remove message", err)
	}
}

// finish makes the removals durable, notifies the listeners, and returns the
// error of the whole call.
func (r *removal) finish() error {
	s := r.session
	var unsynced error
	for p, touched := range r.touched {
		if !touched {
			continue
		}
		if root := s.folder.roots[p]; root != nil { // else it was removed with all that was in it
			unsynced = errors.Join(unsynced, s.store.syncDir(root, "."))
		}
	}
	for _, m := range r.removed {
		s.store.sizes.forget(messageKey{s.dir, m.ID})
	}
	if len(r.removed) > 0 {
		s.store.listeners.Notify(mailbox.Event{Kind: mailbox.Removed, User: s.user, Messages: r.removed})
	}
	if unsynced != nil {
		return failed("delete messages: sync", unsynced)
	}
	if len(r.failed) > 0 {
		return fmt.Errorf("maildir: delete messages: %w", &mailbox.DeleteError{Failed: r.failed})
	}
	return nil
}
