package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// notifyKey finds the socket at which a script is systemd.
type notifyKey struct{}

// notifySocket listens like systemd at $NOTIFY_SOCKET.
func notifySocket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: notifysocket")
	}
	// The names of sockets are short, the directories of scripts are not.
	directory, err := os.MkdirTemp("", "notify")
	ts.Check(err)
	path := filepath.Join(directory, "s")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	ts.Defer(func() { socket.Close(); os.RemoveAll(directory) })
	ts.Setenv("NOTIFY_SOCKET", path)
	*ts.Value(notifyKey{}).(**net.UnixConn) = socket
}

// notified waits for the next message, and compares it: notified regexp.
func notified(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: notified regexp")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	socket := *ts.Value(notifyKey{}).(**net.UnixConn)
	ts.Check(socket.SetReadDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 4096)
	n, err := socket.Read(buffer)
	ts.Check(err)
	if !want.Match(buffer[:n]) {
		ts.Fatalf("systemd was told %q, want %q", buffer[:n], args[0])
	}
}
