package app

import (
	"bufio"
	"net"
	"os"
	"runtime"
	"strings"

	"go.uber.org/zap"
)

// logHost logs facts about the machine that help to understand a problem report.
// They are read from the operating system; no command is run.
func (a *App) logHost() {
	facts := hostBasics()
	if a.startConfig.SystemInfo() {
		facts = append(facts, hostDetails()...)
	}
	a.log.Info("host", facts...)
}

func hostBasics() []zap.Field {
	return []zap.Field{zap.String("os", runtime.GOOS), zap.String("arch", runtime.GOARCH), zap.Int("cpus", runtime.NumCPU())}
}

func hostDetails() []zap.Field {
	name, _ := os.Hostname() // "" where it cannot be read
	return []zap.Field{
		zap.String("hostname", name),
		zap.String("distribution", lineOf("/etc/os-release", "PRETTY_NAME=")),
		zap.String("kernel", lineOf("/proc/sys/kernel/osrelease", "")),
		zap.String("memory", lineOf("/proc/meminfo", "MemTotal:")),
		zap.String("container", container()),
		zap.Int("cpus_usable", runtime.GOMAXPROCS(0)),
		zap.Strings("addresses", addresses()),
	}
}

// lineOf returns the rest of the first line of a file that begins with prefix,
// "" on systems that have no such file.
func lineOf(file, prefix string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			return strings.Trim(rest, `" `)
		}
	}
	return ""
}

// container returns the kind of container in which the process runs, "" for none
// that is known.
func container() string {
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return "kubernetes"
	}
	for file, engine := range map[string]string{"/.dockerenv": "docker", "/run/.containerenv": "podman"} {
		if _, err := os.Stat(file); err == nil {
			return engine
		}
	}
	return ""
}

// addresses returns the global unicast IP addresses of the machine.
func addresses() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			out = append(out, network.IP.String())
		}
	}
	return out
}
