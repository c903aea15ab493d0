//go:build unix

package systemd_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/systemd"
)

// listenAt returns a socket in the place of that of systemd, and its path.
func listenAt(t *testing.T) (string, *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return path, socket
}

// listen returns the path of a socket, and a function that returns the next message to it.
func listen(t *testing.T) (path string, heard func() string) {
	t.Helper()
	path, socket := listenAt(t)
	return path, func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 4096)
		n, err := socket.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
}

func TestNotifier_notifiesSystemdOfEveryState(t *testing.T) {
	path, heard := listen(t)
	n := systemd.New(path)
	for _, step := range []struct {
		name, want string
		tell       func() error
	}{
		{"ready", "READY=1\nSTATUS=receives task events at 127.0.0.1:9998", func() error { return n.Ready("receives task events at 127.0.0.1:9998") }},
		{"a text with lines", "READY=1\nSTATUS=a MAINPID=1", func() error { return n.Ready("a\nMAINPID=1") }},
		{"a text without end", "READY=1\nSTATUS=" + strings.Repeat("ä", 500), func() error { return n.Ready(strings.Repeat("ä", 500) + "…" + strings.Repeat("b", 9000)) }},
		{"stopping", "STOPPING=1\nSTATUS=stopping: finishing work in progress\nEXTEND_TIMEOUT_USEC=13000000", func() error { return n.Stopping(13 * time.Second) }},
	} {
		if err := step.tell(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := heard(); got != step.want {
			t.Errorf("%s: want %q, got %q", step.name, step.want, got)
		}
	}
}

func TestNotifier_isSilentWithoutSystemd(t *testing.T) {
	n := systemd.New("")
	for _, tell := range []func() error{func() error { return n.Ready("") }, n.Reloading} {
		if err := tell(); err != nil {
			t.Error(err)
		}
	}
}

func TestNotifier_reportsAMissingSocket(t *testing.T) {
	n := systemd.New(filepath.Join(t.TempDir(), "nobody"))
	if err := n.Ready(""); err == nil {
		t.Error("want an error")
	}
}
