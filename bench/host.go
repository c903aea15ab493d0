package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what a run was measured on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory,omitempty"`
	System string `json:"system"`
	Go     string `json:"go"`
	// Load is the load average of the minute before the run, LoadAfter that of its last
	// minute, most of which is due to the run itself.
	Load      float64 `json:"load"`
	LoadAfter float64 `json:"loadAfter,omitempty"`
}

// same reports whether two descriptions are of one kind of machine.
func (m Machine) same(other Machine) bool {
	m.Load, m.LoadAfter = other.Load, other.LoadAfter
	return m == other
}

// busy is the load average from which other work disturbs the measurement.
const busy = 0.5

// Warning says what makes figures of the machine doubtful, "" when nothing does.
func (m Machine) Warning() string {
	if m.Load <= busy {
		return ""
	}
	return fmt.Sprintf("the machine was busy before the run (load average %.2f): absolute figures are too low, and ratios may be off", m.Load)
}

// ThisMachine describes the machine of this process, as far as it can find out.
func ThisMachine() Machine {
	m := Machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	if model := valueOf("/proc/cpuinfo", "model name"); model != "" {
		m.CPU = model
	}
	if total, err := strconv.Atoi(strings.TrimSuffix(valueOf("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		m.Memory = strconv.Itoa((total+1<<19)>>20) + " GiB"
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += " " + strings.TrimSpace(string(release))
	}
	m.Load = LoadNow()
	return m
}

// LoadNow is the load average of the last minute, 0 where that is not known.
func LoadNow() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// valueOf returns the value of the first occurrence of a key in a file of /proc.
func valueOf(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
