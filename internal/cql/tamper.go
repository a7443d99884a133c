package cql

import "slices"

// Call is a statement on its way to the cluster, as [Session.Tamper] sees it.
// Of a statement in a batch a change of the level has no effect.
type Call struct {
	Statement string // its text
	Level     Level
	Timestamp int64 // microseconds; 0 of a read
	Values    []any // those that Exec, Page and Batch.Add are given
	Drop      bool  // it is not sent: a write is acknowledged, a read finds nothing
}

// Tamper has every statement of the session pass through change, which may alter
// it or drop it. It is for the tests of the tests alone: they plant a bug with
// it and see to it that the fault suite finds it. Call it before the session is
// used; change is called from several goroutines.
func (s *Session) Tamper(change func(*Call)) { s.tamper = change }

// tampered is the call as it is to be sent.
func (s *Session) tampered(level Level, st *Statement, timestamp int64, values []any) Call {
	call := Call{Statement: st.String(), Level: level, Timestamp: timestamp, Values: values}
	if s.tamper != nil {
		call.Values = slices.Clone(values)
		s.tamper(&call)
	}
	return call
}

// tamperedBatch is the batch as it is to be sent.
func (s *Session) tamperedBatch(level Level, b *Batch) *Batch {
	if s.tamper == nil {
		return b
	}
	var changed Batch
	for _, e := range b.entries {
		timestamp, _ := e.values[e.st.timestamp].(int64)
		values := slices.Delete(slices.Clone(e.values), e.st.timestamp, e.st.timestamp+1)
		if call := s.tampered(level, e.st, timestamp, values); !call.Drop {
			changed.Add(e.st, call.Timestamp, call.Values...)
		}
	}
	return &changed
}
