//go:build unix

package jetstream

import "golang.org/x/sys/unix"

// diskFullErrors are what the system says when the disk or a quota is used up.
func diskFullErrors() []error { return []error{unix.ENOSPC, unix.EDQUOT} }
