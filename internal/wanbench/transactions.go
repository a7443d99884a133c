//go:build linux

package main

import (
	"context"
	"errors"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

// transactions is the same work on a store that assigns UIDs and MODSEQs one by
// one and must not assign one twice. A delivery is two conditional updates and
// an insert that must be new; reads are at SERIAL, so that every data centre
// must agree. The plain design of Apache James does that. It has a keyspace of
// its own.
type transactions struct {
	db      *gocql.Session
	mailbox gocql.UUID
}

func newTransactions(ctx context.Context, cluster *cassandratest.Cluster) (*transactions, error) {
	config := cluster.Config("dc1")
	config.Consistency = gocql.LocalQuorum
	config.SerialConsistency = gocql.Serial
	db, err := config.CreateSession()
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{
		`CREATE KEYSPACE IF NOT EXISTS wanbench_lwt WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}`,
		`CREATE TABLE IF NOT EXISTS wanbench_lwt.uid (mailbox uuid PRIMARY KEY, last bigint)`,
		`CREATE TABLE IF NOT EXISTS wanbench_lwt.mod_seq (mailbox uuid PRIMARY KEY, last bigint)`,
		`CREATE TABLE IF NOT EXISTS wanbench_lwt.message (mailbox uuid, uid bigint, id timeuuid, mod_seq bigint, body blob, PRIMARY KEY (mailbox, uid))`,
	} {
		if err := db.Query(statement).WithContext(ctx).Exec(); err != nil {
			db.Close()
			return nil, err
		}
	}
	t := &transactions{db: db, mailbox: gocql.TimeUUID()}
	for _, table := range []string{"uid", "mod_seq"} {
		if err := db.Query("INSERT INTO wanbench_lwt."+table+" (mailbox, last) VALUES (?, 0)", t.mailbox).WithContext(ctx).Exec(); err != nil {
			db.Close()
			return nil, err
		}
	}
	return t, nil
}

func (t *transactions) close() { t.db.Close() }

// next takes the next number of a sequence.
func (t *transactions) next(ctx context.Context, table string) (number int64, err error) {
	err = t.db.Query("SELECT last FROM wanbench_lwt."+table+" WHERE mailbox = ?", t.mailbox).
		WithContext(ctx).Consistency(gocql.Consistency(gocql.Serial)).Scan(&number)
	if err != nil {
		return 0, err
	}
	for {
		var there int64
		applied, err := t.db.Query("UPDATE wanbench_lwt."+table+" SET last = ? WHERE mailbox = ? IF last = ?", number+1, t.mailbox, number).
			WithContext(ctx).ScanCAS(&there)
		if err != nil {
			return 0, err
		}
		if applied {
			return number + 1, nil
		}
		number = there
	}
}

func (t *transactions) deliver(ctx context.Context) error {
	uid, err := t.next(ctx, "uid")
	if err != nil {
		return err
	}
	modSeq, err := t.next(ctx, "mod_seq")
	if err != nil {
		return err
	}
	applied, err := t.db.Query("INSERT INTO wanbench_lwt.message (mailbox, uid, id, mod_seq, body) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS",
		t.mailbox, uid, gocql.TimeUUID(), modSeq, []byte(message)).WithContext(ctx).MapScanCAS(map[string]any{})
	if err == nil && !applied {
		err = errors.New("the UID is taken")
	}
	return err
}

// session lists, reads the newest message at SERIAL, and removes it.
func (t *transactions) session(ctx context.Context) error {
	rows := t.db.Query("SELECT uid FROM wanbench_lwt.message WHERE mailbox = ?", t.mailbox).WithContext(ctx).Iter()
	var uids []int64
	for uid := int64(0); rows.Scan(&uid); {
		uids = append(uids, uid)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	var body []byte
	err := t.db.Query("SELECT body FROM wanbench_lwt.message WHERE mailbox = ? AND uid = ?", t.mailbox, newest(uids)).
		WithContext(ctx).Consistency(gocql.Consistency(gocql.Serial)).Scan(&body)
	if err != nil {
		return err
	}
	_, err = t.db.Query("DELETE FROM wanbench_lwt.message WHERE mailbox = ? AND uid = ? IF EXISTS", t.mailbox, newest(uids)).
		WithContext(ctx).MapScanCAS(map[string]any{})
	return err
}
