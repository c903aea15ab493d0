// Package systemd owns what the process says to systemd, and what it gets from it: the
// notifications about its state (starting, serving, reloading its configuration, and
// stopping), and the UDP socket that systemd keeps while the service restarts. It
// speaks the datagram protocol of sd_notify(3) and that of sd_listen_fds(3).
//
// It guarantees that a process that systemd did not start sends nothing, and that a
// message is one datagram, which is sent at once or not at all: only the release of a
// socket waits for systemd, for a second at most. It must never start a goroutine or
// read the environment.
package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// SocketEnv is the environment variable in which systemd passes its socket.
const SocketEnv = "NOTIFY_SOCKET"

// Notifier notifies systemd. The zero value does nothing.
type Notifier struct{ socket string }

// New returns the notifier for a socket, the value of SocketEnv.
func New(socket string) Notifier { return Notifier{socket} }

// Ready reports that the service is working, with a status text.
func (n Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+oneLine(status)) }

// Reloading reports that the configuration is being reloaded. Ready must follow, whatever
// the result.
func (n Notifier) Reloading() error {
	if n.socket == "" {
		return nil
	}
	now, err := monotonic()
	if err != nil {
		return fmt.Errorf("notify systemd: read the clock: %w", err)
	}
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now, 10), "STATUS=reloading its configuration")
}

// Stopping reports that the service is shutting down, and how long that may take:
// systemd kills it after that time, and not before.
func (n Notifier) Stopping(atMost time.Duration) error {
	return n.send("STOPPING=1", "STATUS=stopping: finishing work in progress",
		"EXTEND_TIMEOUT_USEC="+strconv.FormatInt(atMost.Microseconds(), 10))
}

// maxStatus is the maximum length of a status that is sent, in bytes: systemd ignores
// messages of more than 4096.
const maxStatus = 1000

// oneLine replaces line breaks, so that a text cannot contain another assignment, and
// cuts the text to maxStatus.
func oneLine(text string) string {
	text = strings.NewReplacer("\n", " ", "\r", " ").Replace(text)
	return strings.ToValidUTF8(text[:min(len(text), maxStatus)], "")
}

// sendTimeout bounds the wait of a datagram for room in the socket of systemd.
const sendTimeout = time.Second

func (n Notifier) send(assignments ...string) error {
	return n.dial(func(conn *net.UnixConn) error {
		_, err := conn.Write(message(assignments))
		return err
	})
}

func message(assignments []string) []byte { return []byte(strings.Join(assignments, "\n")) }

// dial calls send with a connection to systemd, unless systemd did not start the process.
func (n Notifier) dial(send func(*net.UnixConn) error) error {
	if n.socket == "" {
		return nil
	}
	// A name that begins with @ is abstract for both net and systemd.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	if err := send(conn); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
