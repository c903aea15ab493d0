package app_test

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// programName is what the file of the program is called.
const programName = "butler.exe"

// apart lets a command be asked to end without this process.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// askToEnd asks a process to end in order, as Ctrl-Break does in its console.
func askToEnd(process *os.Process) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(process.Pid))
}

// wasKilled reports whether a process may not have ended by itself: who kills it here
// chooses its exit code, and os.Process.Kill chooses 1.
func wasKilled(exit *exec.ExitError) bool { return exit.ExitCode() == 1 }
