package storetest

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
)

// Plant is a message of which only some rows exist.
type Plant struct {
	Age     time.Duration // of the message when it is written
	Content string        // "whole", "chunked", "unfinished" (no statics), "torn" (a chunk is missing), "homeless" (chunk 0 is), ""
	Member  string        // "live", "removed", ""
	Listed  bool
	Bucket  bool // the bucket's row
	UIDL    string
	Sealed  bool // the seal of its bucket leaves it out, and nothing else that is there now
}

const plantedChunk = "Subject: planted\r\n\r\n"

// Body returns its text, if its content is complete.
func (p Plant) Body() string {
	if p.Content == "chunked" {
		return strings.Repeat(plantedChunk, 3)
	}
	return plantedChunk
}

// Put writes the rows, with the timestamps that the store would give them, and
// returns the ID.
func (p Plant) Put(r Tables, store *cassandra.Store, user string) cassandra.MessageID {
	r.T.Helper()
	generator := uuid.NewGen()
	made, err := generator.NewV1AtTime(time.Now().Add(-p.Age))
	require.NoError(r.T, err)
	id := cassandra.MessageID(made)
	id[9] &^= 3 // a bucket of 30 days
	p.Write(r, store, user, id)
	return id
}

// Write writes the rows of a message that may have other rows already.
func (p Plant) Write(r Tables, store *cassandra.Store, user string, id cassandra.MessageID) {
	r.T.Helper()
	box, name, err := store.Mailbox(user)
	require.NoError(r.T, err)
	m, key, bucket, at := [16]byte(box), [16]byte(id), id.Bucket(), cassandra.AddedAt(id)
	text := p.Body()
	chunks := map[string][]int{"whole": {0}, "chunked": {0, 1, 2}, "unfinished": {0, 1}, "torn": {0, 2}, "homeless": {1}}[p.Content]
	for _, chunk := range chunks {
		r.Exec("INSERT INTO KS.message (message_id, chunk, data) VALUES (?, ?, ?) USING TIMESTAMP ?", key, chunk, []byte(plantedChunk), at)
	}
	if len(chunks) > 0 && p.Content != "homeless" {
		r.Exec("INSERT INTO KS.message (message_id, mailbox_id) VALUES (?, ?) USING TIMESTAMP ?", key, m, at)
	}
	if count := map[string]int{"whole": 1, "chunked": 3, "torn": 3}[p.Content]; count > 0 {
		sum := sha256.Sum256([]byte(text))
		r.Exec("INSERT INTO KS.message (message_id, size, chunks, head, sha256) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
			key, int64(len(plantedChunk)*count), count, len(plantedChunk), sum[:], at)
	}
	if p.Member != "" {
		r.Exec("INSERT INTO KS.mailbox_message (mailbox_id, bucket, message_id, uid, mod_seq, size) VALUES (?, ?, ?, 1, 1, ?) USING TIMESTAMP ?",
			m, bucket, key, int64(len(text)), at)
		if p.UIDL != "" {
			r.Exec("INSERT INTO KS.mailbox_message (mailbox_id, bucket, message_id, uidl) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", m, bucket, key, p.UIDL, at)
		}
	}
	if p.Member == "removed" {
		r.Exec("UPDATE KS.mailbox_message USING TIMESTAMP ? SET removed = true WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", at+1, m, bucket, key)
	}
	if p.Listed {
		r.Exec("INSERT INTO KS.projection (mailbox_id, bucket, message_id, size) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", m, bucket, key, int64(len(text)), at)
		if p.UIDL != "" {
			r.Exec("INSERT INTO KS.projection (mailbox_id, bucket, message_id, uidl) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", m, bucket, key, p.UIDL, at)
		}
	}
	if p.Sealed {
		r.Seal(box, bucket, at, func(other cassandra.MessageID) bool { return other != id })
	}
	if p.Bucket {
		r.Exec("INSERT INTO KS.ledger (mailbox_id, bucket) VALUES (?, ?) USING TIMESTAMP 1", m, bucket)
		r.Exec("INSERT INTO KS.ledger (mailbox_id, bucket, user) VALUES (?, -1, ?) USING TIMESTAMP 1", m, name)
	}
}
