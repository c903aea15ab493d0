package target

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

func usageOf(pid int) (Usage, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, false
	}
	// The name of the program, in parentheses, may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12
	if len(fields) <= system {
		return Usage{}, false
	}
	var out Usage
	for _, at := range []int{user, system} {
		ticks, err := strconv.ParseInt(string(fields[at]), 10, 64)
		if err != nil {
			return Usage{}, false
		}
		out.CPU += time.Duration(ticks) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, false
	}
	out.RSS, out.Peak = kibibytes(status, "VmRSS:"), kibibytes(status, "VmHWM:")
	return out, true
}

func kibibytes(status []byte, key string) int64 {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

// socket is an open UDP socket of this machine.
type socket struct {
	inode string
	drops int
}

// socketsOf returns the sockets that are bound to a port.
func socketsOf(port int) []socket {
	var out []socket
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		table, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(table)) {
			const inode, drops, columns = 9, 12, 13
			fields := strings.Fields(line)
			if len(fields) < columns || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			if n, err := strconv.Atoi(fields[drops]); err == nil {
				out = append(out, socket{fields[inode], n})
			}
		}
	}
	return out
}

// boundBy identifies the socket bound to a port; "" when there is none.
func boundBy(port int) string {
	for _, s := range socketsOf(port) {
		return s.inode
	}
	return ""
}

// dropsOf returns the sum of the drops of the sockets at a port; false without a socket.
func dropsOf(port int) (int, bool) {
	drops, sockets := 0, socketsOf(port)
	for _, s := range sockets {
		drops += s.drops
	}
	return drops, len(sockets) > 0
}

// processAt returns the process with a socket at a port, 0 when there is none or its files
// are not readable.
func processAt(port int) int {
	for _, s := range socketsOf(port) {
		files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
		for _, file := range files {
			if to, err := os.Readlink(file); err == nil && to == "socket:["+s.inode+"]" {
				pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
				return pid
			}
		}
	}
	return 0
}
