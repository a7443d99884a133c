package maildir

// step is a point at which tests make a call fail or kill the process.
type step string

const (
	stepCreated step = "tmp file created"
	stepWrite   step = "write"
	stepWritten step = "written"
	stepSynced  step = "synced"
	stepRenamed step = "renamed"
	stepListed  step = "directory synced"
	stepRemove  step = "remove"
	stepList    step = "list"
	stepOpen    step = "open"
)

// at is called at each step. It returns nil unless a test has set fault.
func (s *Store) at(now step) error {
	if s.fault == nil {
		return nil
	}
	return s.fault(now)
}
