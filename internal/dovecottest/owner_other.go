//go:build !unix

package dovecottest

import "os/exec"

// There is no Dovecot for other systems than Unix.

func owner() (uid, gid int) { return 0, 0 }
func runAsOwner(*exec.Cmd)  {}
func give(string) error     { return nil }
func userName(int) string   { return "" }
func groupName(int) string  { return "" }
