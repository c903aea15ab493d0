package app

import (
	"bufio"
	"net"
	"os"
	"runtime"
	"strings"

	"go.uber.org/zap"
)

// sayHost writes facts about the machine that help with a report of a problem.
// They come from the operating system directly: no command is run for them.
func (a *App) sayHost() {
	facts := hostBasics()
	if a.cfg.SystemInfo() {
		facts = append(facts, hostDetails()...)
	}
	a.log.Info("host", facts...)
}

func hostBasics() []zap.Field {
	return []zap.Field{zap.String("os", runtime.GOOS), zap.String("arch", runtime.GOARCH), zap.Int("cpus", runtime.NumCPU())}
}

func hostDetails() []zap.Field {
	name, _ := os.Hostname() // a host without a name is shown without one
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

// container names what the process runs in, "" for nothing that it knows.
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

// addresses lists those under which other machines may know this one.
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
