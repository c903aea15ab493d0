//go:build !windows

package oserr

import "syscall"

var aliases map[syscall.Errno][]syscall.Errno
