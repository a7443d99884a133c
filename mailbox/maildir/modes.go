package maildir

import (
	"fmt"
	"io/fs"
)

// checkModes returns an error if the store could not work with the permissions
// that it is to give.
func (o *Options) checkModes() error {
	if mode := o.FileMode; mode != 0 && (mode&^fs.ModePerm != 0 || mode&0o600 != 0o600) {
		return fmt.Errorf("FileMode %v (%#o): want permissions alone, with 0600 among them, such as 0660", mode, uint32(mode))
	}
	if mode := o.DirMode; mode != 0 && (mode&^(fs.ModePerm|fs.ModeSetgid|fs.ModeSticky) != 0 || mode&0o700 != 0o700) {
		return fmt.Errorf("DirMode %v (%#o): want permissions, with 0700 among them, such as fs.ModeSetgid|0o770", mode, uint32(mode))
	}
	return nil
}
