//go:build unix

package app_test

import (
	"os"
	"os/exec"
	"syscall"
)

// programName is what the file of the program is called.
const programName = "butler"

// apart lets a command be asked to end without this process.
func apart(*exec.Cmd) {}

// askToEnd asks a process to end in order.
func askToEnd(process *os.Process) error { return process.Signal(syscall.SIGTERM) }

// wasKilled reports whether a process did not end by itself.
func wasKilled(exit *exec.ExitError) bool { return !exit.Exited() }
