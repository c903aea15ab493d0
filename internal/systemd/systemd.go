// Package systemd owns what the process tells systemd of its state: that it
// starts, serves, reloads its configuration, and stops. It speaks the datagram protocol of sd_notify(3).
//
// It guarantees that a process which systemd did not start says nothing, and
// that a message is one datagram that is sent at once or not at all: nothing
// waits for systemd. It must never start a goroutine or read the environment.
package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// SocketEnv is the environment variable in which systemd says where it listens.
const SocketEnv = "NOTIFY_SOCKET"

// Notifier tells systemd. The zero value tells nobody.
type Notifier struct{ socket string }

// New returns the notifier for a socket, which is the value of SocketEnv.
func New(socket string) Notifier { return Notifier{socket} }

// Ready says that the service does its work, and what that is.
func (n Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+oneLine(status)) }

// Reloading says that the configuration is read again. Ready must follow, however that goes.
func (n Notifier) Reloading() error {
	if n.socket == "" {
		return nil
	}
	now, err := monotonic()
	if err != nil {
		return fmt.Errorf("notify systemd: read the clock: %w", err)
	}
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now, 10), "STATUS=reads its configuration again")
}

// Stopping says that the service is on its way to an orderly end, and how long
// that may take: systemd kills it after that and no sooner.
func (n Notifier) Stopping(atMost time.Duration) error {
	return n.send("STOPPING=1", "STATUS=stopping: what is on its way is finished",
		"EXTEND_TIMEOUT_USEC="+strconv.FormatInt(atMost.Microseconds(), 10))
}

// maxStatus is how much of a status is told, in bytes: systemd passes over a
// message of more than 4096.
const maxStatus = 1000

// oneLine keeps a text from being an assignment of its own, and from being too
// long, both as systemd counts: in lines and bytes.
func oneLine(text string) string {
	text = strings.NewReplacer("\n", " ", "\r", " ").Replace(text)
	return strings.ToValidUTF8(text[:min(len(text), maxStatus)], "")
}

// sendTimeout bounds a datagram that the socket of systemd has no room for.
const sendTimeout = time.Second

func (n Notifier) send(assignments ...string) error {
	if n.socket == "" {
		return nil
	}
	// A name that begins with @ is an abstract one, for net as for systemd.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
