package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/logx"
)

// A service of Windows has no console: the file tells why it does not start.
func TestRun_tellsTheLogFileWhyItFails(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for name, row := range map[string]struct{ keys, want string }{
		"while it is built": {
			"operations: {host: 127.0.0.1, port: " + portOf(t, tcp.Addr()) + "}", "(operations.host, operations.port)",
		},
		"while it starts": {
			"operations: {enable: false}\n  udpServerConfig: {enable: true, serverHost: 127.0.0.1, portTaskFailure: " + portOf(t, udp.LocalAddr()) + "}",
			"(udpServerConfig.serverHost, portTaskFailure, allowedSources)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "butler.yaml")
			if err := os.WriteFile(path, []byte("Butler:\n  fileLogging: true\n  journal: {inMemory: true}\n  "+row.keys+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := run(t.Context(), runOptions{configFile: path}); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("want %s, got %v", row.want, err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "log", logx.FilePattern))
			if err != nil || len(files) != 1 {
				t.Fatalf("want a log file, got %v, %v", files, err)
			}
			text, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), row.want); n != 1 {
				t.Errorf("want the reason once, got it %d times:\n%s", n, text)
			}
		})
	}
}

func portOf(t *testing.T, address net.Addr) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
