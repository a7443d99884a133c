package maildir

import "os"

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
	stepRead    step = "read"
)

// at is called at each step. It returns nil unless a test has set fault.
func (s *Store) at(now step) error {
	if s.fault == nil {
		return nil
	}
	return s.fault(now)
}

// sync makes the content of a file, or the entries of a directory, durable.
// Every sync of the package goes through it, so that tests see which there are,
// in which order.
func (s *Store) sync(file *os.File) error {
	if s.syncing != nil {
		if err := s.syncing(file); err != nil {
			return err
		}
	}
	return file.Sync()
}
