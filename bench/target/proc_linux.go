package target

import (
	"bytes"
	"fmt"
	"os"
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

// Bound reports whether a UDP port is open on this machine.
func Bound(port int) bool {
	_, ok := dropsOf(port)
	return ok
}

// dropsOf reads the last column of the sockets that are bound to a port.
func dropsOf(port int) (int, bool) {
	drops, found := 0, false
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		table, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(table)) {
			fields := strings.Fields(line)
			if len(fields) < 13 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			n, err := strconv.Atoi(fields[len(fields)-1])
			if err == nil {
				drops, found = drops+n, true
			}
		}
	}
	return drops, found
}
