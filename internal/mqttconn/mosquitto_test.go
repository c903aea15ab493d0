//go:build peers

package mqttconn_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/mqttconn"
	"butler/internal/secret"
	"butler/internal/sim/cert"
)

// These tests talk to a real broker: Debian's package mosquitto. Each test
// starts its own on a free port and stops it.

// mosquitto is a broker that can be stopped and started again at its address.
type mosquitto struct {
	t       *testing.T
	address string
	config  string
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer
}

// startMosquitto starts a broker with further lines of its configuration.
func startMosquitto(t *testing.T, lines ...string) *mosquitto {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mosquitto{t: t, address: listener.Addr().String(), config: filepath.Join(t.TempDir(), "mosquitto.conf")}
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(m.address)
	text := fmt.Sprintf("listener %s 127.0.0.1\npersistence false\nlog_dest stderr\nlog_type all\nuser root\n%s\n", port, strings.Join(lines, "\n"))
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start()
	t.Cleanup(m.stop)
	return m
}

func (m *mosquitto) start() {
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
			if conn, err := net.Dial("tcp", m.address); err == nil {
				_ = conn.Close()
				return
			}
		}
	}
}

func (m *mosquitto) stop() {
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

func TestMosquitto_acknowledgesAndHandsOut(t *testing.T) {
	m := startMosquitto(t, "allow_anonymous true")
	handle, got := collect()
	r := dial(t, m.address, func(o *mqttconn.Options) { o.StatusTopic = "qliksense/butler/mqtt/status" },
		mqttconn.Subscription{Filter: "qliksense/#", Handle: handle})
	r.untilConnected()
	if status := receive(t, got); status.Topic != "qliksense/butler/mqtt/status" || !strings.Contains(string(status.Payload), m.address) {
		t.Errorf("want the status text, got %q on %s", status.Payload, status.Topic)
	}
	large := strings.Repeat("ä", mqttconn.MaxIncoming/2-100)
	for _, payload := range []string{"Reload of Sales 🤪", "", large} {
		if err := r.send("qliksense/task_failure", payload); err != nil {
			t.Fatal(err)
		}
		if m := receive(t, got); m.Topic != "qliksense/task_failure" || string(m.Payload) != payload || m.Retained {
			t.Errorf("want %d bytes, got %d on %s, retained %v", len(payload), len(m.Payload), m.Topic, m.Retained)
		}
	}
	if err := r.send("qliksense/task_failure", strings.Repeat("x", mqttconn.MaxPayload)); err != nil {
		t.Errorf("the largest message: %v", err)
	}
	r.untilLogged("incoming MQTT messages are skipped, because they are too large")
}

func TestMosquitto_comesBackWithTheSubscriptions(t *testing.T) {
	m := startMosquitto(t, "allow_anonymous true")
	handle, got := collect()
	r := dial(t, m.address, nil, mqttconn.Subscription{Filter: "qliksense/start_task", Handle: handle})
	for round := range 3 {
		r.untilConnected()
		text := fmt.Sprintf("round %d", round)
		if err := r.send("qliksense/start_task", text); err != nil {
			t.Fatal(err)
		}
		if got := string(receive(t, got).Payload); got != text {
			t.Errorf("want %q, got %q", text, got)
		}
		m.stop()
		r.untilLost()
		if err := r.send("qliksense/start_task", "lost"); err == nil {
			t.Error("a message is acknowledged by nobody")
		}
		m.start()
	}
}

func TestMosquitto_refusesCredentials(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "passwords")

	if out, err := exec.CommandContext(t.Context(), "mosquitto_passwd", "-b", "-c", passwords, "butler", "right").CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
	m := startMosquitto(t, "allow_anonymous false", "password_file "+passwords)
	for _, row := range []struct {
		name, user, password string
		accepted             bool
	}{
		{"the right ones", "butler", "right", true},
		{"a wrong password", "butler", "T0P-S3CRET", false},
		{"none", "", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := dial(t, m.address, func(o *mqttconn.Options) { o.User, o.Password = row.user, secret.String(row.password) })
			if row.accepted {
				r.untilConnected()
				return
			}
			if s := r.untilLost(); s.Reason == "" || strings.Contains(s.Reason, "T0P-S3CRET") {
				t.Errorf("the reason is %q", s.Reason)
			}
		})
	}
}

func TestMosquitto_takesAClientCertificateForTheUser(t *testing.T) {
	authority, err := cert.NewAuthority("test CA")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	server, err := authority.Server()
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("butler-device")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"ca.pem": authority.RootPEM(), "server.pem": server.Certificate, "server_key.pem": server.Key,
		"client.pem": client.Certificate, "client_key.pem": client.Key,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	m := startMosquitto(t, "allow_anonymous false", "require_certificate true", "use_identity_as_username true",
		"cafile "+at("ca.pem"), "certfile "+at("server.pem"), "keyfile "+at("server_key.pem"))
	device := func(o *mqttconn.Options, settings *tls.Config) {
		o.ClientID, o.User, o.TLS = "butler-device", "butler-device", settings
	}
	trusting := func(settings *tls.Config) *tls.Config {
		settings.RootCAs = authority.Pool()
		return settings
	}

	r := dial(t, m.address, func(o *mqttconn.Options) {
		device(o, trusting(mqttconn.ClientCertificate(at("client.pem"), at("client_key.pem"))))
	})
	r.untilConnected()
	if err := r.send("qliksense/task_failure", "over TLS"); err != nil {
		t.Error(err)
	}
	for name, settings := range map[string]*tls.Config{
		"no certificate":                trusting(&tls.Config{MinVersion: tls.VersionTLS12}),
		"a certificate that is missing": trusting(mqttconn.ClientCertificate(at("none.pem"), at("none_key.pem"))),
		"a broker nobody vouches for":   mqttconn.ClientCertificate(at("client.pem"), at("client_key.pem")),
	} {
		t.Run(name, func(t *testing.T) {
			if s := dial(t, m.address, func(o *mqttconn.Options) { device(o, settings) }).untilLost(); s.Reason == "" {
				t.Error("want a reason")
			}
		})
	}
}
