package cassandra

import (
	"context"
	"fmt"
	"io"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/internal/parallel"
)

// addChunked adds a large message while it arrives. Chunk 0 begins with the
// recipient's own header, so that the other chunks are the same for all
// recipients. Config.Window chunks are written at the same time, which bounds
// the memory that a message of any size takes. The membership, and the row that
// makes the content complete, come last. An error means that the body could not
// be read, or that ctx has ended.
func (s *Store) addChunked(ctx context.Context, attempts []*attempt, first []byte, rest io.Reader) error {
	window := parallel.NewWindow(s.config.Window)
	defer window.Wait()
	for _, a := range attempts {
		content := append(append(make([]byte, 0, len(a.header)+len(first)), a.header...), first...)
		a.digest.Write(content)
		if a.fail(s.checkSize(a)); a.failure() != nil {
			continue
		}
		window.Run(func() {
			ctx := driver.WithBudget(ctx, &a.tries)
			a.fail(s.db.Exec(ctx, cql.LocalQuorum, insertFirst, AddedAt(a.id), [16]byte(a.id), 0, content, [16]byte(a.mailbox)))
		})
	}
	chunks := 1
	for done := allFailed(attempts); !done; {
		chunk := make([]byte, s.config.ChunkSize)
		n, end, err := fill(rest, chunk)
		if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
		if done = end; n == 0 {
			break
		}
		number := chunks
		chunks++
		for _, a := range attempts {
			a.digest.Write(chunk[:n])
			if a.fail(s.checkSize(a)); a.failure() != nil {
				continue
			}
			a.tries.Add(1)
			window.Run(func() {
				ctx := driver.WithBudget(ctx, &a.tries)
				a.fail(s.db.Exec(ctx, cql.LocalQuorum, insertChunk, AddedAt(a.id), [16]byte(a.id), number, chunk[:n]))
			})
		}
		if allFailed(attempts) {
			done = true // no recipient is left
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	window.Wait()
	eachAttempt(attempts, func(a *attempt) {
		ctx := driver.WithBudget(ctx, &a.tries)
		if a.failure() == nil {
			a.fail(s.claimUIDL(ctx, a))
		}
		if a.failure() == nil {
			a.fail(s.complete(ctx, a, chunks))
		}
	})
	return nil
}

// complete writes what makes the content complete, and the membership, at the
// same time.
func (s *Store) complete(ctx context.Context, a *attempt, chunks int) error {
	return parallel.All(
		func() error {
			d := a.digest
			return s.db.Exec(ctx, cql.LocalQuorum, insertStatic, AddedAt(a.id), [16]byte(a.id), d.size, chunks, d.head(), d.sum())
		},
		func() error { return s.addMember(ctx, a) },
	)
}

func allFailed(attempts []*attempt) bool {
	for _, a := range attempts {
		if a.failure() == nil {
			return false
		}
	}
	return true
}
