// Package mosquittotest runs a real MQTT broker for tests: Mosquitto, of the
// Debian package of that name.
//
// It guarantees that a broker listens on a free port of this machine, and is gone
// when its test ends.
package mosquittotest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"butler/internal/porttest"
)

// patience is how long a broker may take to start.
const patience = 10 * time.Second

// Broker is a broker that can be stopped and started again at its address.
type Broker struct {
	// Address is host:port.
	Address string

	t       *testing.T
	config  string
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer
}

// Start starts a broker with further lines of its configuration.
func Start(t *testing.T, lines ...string) *Broker {
	t.Helper()
	port := strconv.Itoa(porttest.Of(t, "tcp"))
	m := &Broker{t: t, Address: net.JoinHostPort("127.0.0.1", port), config: filepath.Join(t.TempDir(), "mosquitto.conf")}
	text := fmt.Sprintf("listener %s 127.0.0.1\nlog_dest stderr\nlog_type all\nuser root\n%s\n", port, strings.Join(lines, "\n"))
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Start()
	t.Cleanup(m.Kill)
	return m
}

// Start starts the broker again, and returns when it can be reached.
func (m *Broker) Start() {
	m.t.Helper()
	m.output.Reset()
	m.process, m.ended = exec.CommandContext(context.WithoutCancel(m.t.Context()), program(m.t), "-c", m.config), make(chan struct{})
	m.process.Stdout, m.process.Stderr = &m.output, &m.output
	if err := m.process.Start(); err != nil {
		m.t.Fatalf("start mosquitto: %v", err)
	}
	go func(process *exec.Cmd, ended chan struct{}) {
		_ = process.Wait()
		close(ended)
	}(m.process, m.ended)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		select {
		case <-m.ended:
			m.t.Fatalf("mosquitto ended:\n%s", m.output.String())
		case <-late:
			m.t.Fatal("mosquitto is not ready")
		case <-tick.C:
			if conn, err := net.Dial("tcp", m.Address); err == nil {
				_ = conn.Close()
				return
			}
		}
	}
}

// Quit ends the broker in order, so that it writes down what it keeps.
func (m *Broker) Quit() {
	_ = m.process.Process.Signal(syscall.SIGTERM)
	<-m.ended
}

// Kill ends the broker on the spot.
func (m *Broker) Kill() {
	_ = m.process.Process.Kill()
	<-m.ended
}

// program finds the broker, which Debian installs outside of the path of users.
func program(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("mosquitto is not installed (its Debian package is needed)")
	return ""
}
