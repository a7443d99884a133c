package cassandra

import "sync/atomic"

// Stats is what a store has to do in the background, and what it has met, since
// it was made. It is for the counters and gauges of a host.
type Stats struct {
	PurgesWaiting int // removed messages whose content waits to be deleted
	PurgesLeft    int // removed messages that were left to [Store.Repair]

	ProofsWaiting    int // mailboxes that wait to be sealed
	ProofsRemembered int // that wait for the next session, since a proof has failed
	ProofsDropped    int // that found no place: they are sealed after a later removal
	Sealed           int // seals that were written
	Emptied          int // buckets that listed nothing, and whose row was deleted

	RepairsWaiting    int // mailboxes with messages that wait to be repaired
	RepairsRemembered int // that wait for the next session, since a repair has failed
	RepairsDropped    int // that found no place: they are left to [Store.Repair]

	ExpiriesWaiting int // mailboxes with messages that wait to be removed because they are too old
	Expired         int // messages that were removed because of that

	Misses       int  // messages that were listed and not found in this data centre
	Crowded      int  // buckets with more tombstones than a node allows: it cost time, and no more
	CentreAway   bool // misses are answered at once, since another data centre does not answer
	ReplicaAway  bool // nothing is sealed, since a replica does not answer
	PurgesRefuse bool // purges wait, since the cluster does not accept them
}

// counters are what a store has met.
type counters struct {
	sealed, emptied, misses, crowded, expired atomic.Int64
}

// Stats returns the numbers as they are now. It reads nothing.
func (s *Store) Stats() Stats {
	stats := Stats{
		Sealed: int(s.met.sealed.Load()), Emptied: int(s.met.emptied.Load()),
		Misses: int(s.met.misses.Load()), Crowded: int(s.met.crowded.Load()), Expired: int(s.met.expired.Load()),
		CentreAway: s.breaker.isOpen(), ReplicaAway: s.provable.isOpen(), PurgesRefuse: s.purger.refused.isOpen(),
	}
	stats.PurgesWaiting, stats.PurgesLeft = s.purger.numbers()
	stats.ProofsWaiting, stats.ProofsRemembered, stats.ProofsDropped = s.provers.numbers()
	stats.RepairsWaiting, stats.RepairsRemembered, stats.RepairsDropped = s.repairs.numbers()
	stats.ExpiriesWaiting, _, _ = s.expiries.numbers()
	return stats
}

func (p *purger) numbers() (waiting, left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting, p.left
}

func (b *background) numbers() (waiting, remembered, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting), len(b.remembered), b.dropped
}
