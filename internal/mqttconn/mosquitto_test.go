//go:build peers

package mqttconn_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"butler/internal/mqttconn"
	"butler/internal/mqttconn/mosquittotest"
	"butler/internal/porttest"
	"butler/internal/secret"
	"butler/internal/sim/cert"
)

// These tests talk to a real broker. Each test starts its own on a free port.

func TestMosquitto_acknowledgesAndHandsOut(t *testing.T) {
	m := mosquittotest.Start(t, "allow_anonymous true")
	r := dial(t, m.Address, func(o *mqttconn.Options) { o.StatusTopic = "qliksense/butler/mqtt/status" },
		"qliksense/#")
	r.untilConnected()
	if status := r.receive(); status.Topic != "qliksense/butler/mqtt/status" || !strings.Contains(string(status.Payload), m.Address) {
		t.Errorf("want the status text, got %q on %s", status.Payload, status.Topic)
	}
	large := strings.Repeat("ä", mqttconn.MaxIncoming/2-100)
	for _, payload := range []string{"Reload of Sales 🤪", "", large} {
		if err := r.send("qliksense/task_failure", payload); err != nil {
			t.Fatal(err)
		}
		if m := r.receive(); m.Topic != "qliksense/task_failure" || string(m.Payload) != payload || m.Retained {
			t.Errorf("want %d bytes, got %d on %s, retained %v", len(payload), len(m.Payload), m.Topic, m.Retained)
		}
	}
	if err := r.send("qliksense/task_failure", strings.Repeat("x", mqttconn.MaxPayload)); err != nil {
		t.Errorf("the largest message: %v", err)
	}
	r.untilLogged("incoming MQTT messages are skipped, because they are too large")
}

func TestMosquitto_comesBackWithTheSubscriptions(t *testing.T) {
	m := mosquittotest.Start(t, "allow_anonymous true")
	r := dial(t, m.Address, nil, "qliksense/start_task")
	for round := range 3 {
		r.untilConnected()
		text := fmt.Sprintf("round %d", round)
		if err := r.send("qliksense/start_task", text); err != nil {
			t.Fatal(err)
		}
		if got := string(r.receive().Payload); got != text {
			t.Errorf("want %q, got %q", text, got)
		}
		m.Kill()
		r.untilLost()
		if err := r.send("qliksense/start_task", "lost"); err == nil {
			t.Error("a message is acknowledged by nobody")
		}
		m.Start()
	}
}

func TestMosquitto_refusesCredentials(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "passwords")

	if out, err := exec.CommandContext(t.Context(), "mosquitto_passwd", "-b", "-c", passwords, "butler", "right").CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
	m := mosquittotest.Start(t, "allow_anonymous false", "password_file "+passwords)
	for _, row := range []struct {
		name, user, password string
		accepted             bool
	}{
		{"the right ones", "butler", "right", true},
		{"a wrong password", "butler", "T0P-S3CRET", false},
		{"none", "", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := dial(t, m.Address, func(o *mqttconn.Options) { o.User, o.Password = row.user, secret.String(row.password) })
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
	m := mosquittotest.Start(t, "allow_anonymous false", "require_certificate true", "use_identity_as_username true",
		"cafile "+at("ca.pem"), "certfile "+at("server.pem"), "keyfile "+at("server_key.pem"))
	device := func(files mqttconn.TLSFiles) func(*mqttconn.Options) {
		return func(o *mqttconn.Options) {
			o.ClientID, o.User, o.TLS = "butler-device", "butler-device", files.Settings
		}
	}
	files := mqttconn.TLSFiles{CA: at("ca.pem"), Cert: at("client.pem"), Key: at("client_key.pem")}
	r := dial(t, m.Address, device(files))
	r.untilConnected()
	if err := r.send("qliksense/task_failure", "over TLS"); err != nil {
		t.Error(err)
	}
	for name, files := range map[string]mqttconn.TLSFiles{
		"no certificate":                {CA: files.CA},
		"a certificate that is missing": {CA: files.CA, Cert: at("none.pem"), Key: at("none_key.pem")},
		"a CA that is missing":          {CA: at("none.pem"), Cert: files.Cert, Key: files.Key},
		"a CA file without one":         {CA: files.Key, Cert: files.Cert, Key: files.Key},
		"a broker nobody vouches for":   {Cert: files.Cert, Key: files.Key},
	} {
		t.Run(name, func(t *testing.T) {
			if s := dial(t, m.Address, device(files)).untilLost(); s.Reason == "" {
				t.Error("want a reason")
			}
		})
	}
}

func TestMosquitto_keepsMessagesWhileTheProcessIsAway(t *testing.T) {
	m := mosquittotest.Start(t, "allow_anonymous true")
	named := func(o *mqttconn.Options) { o.ClientID, o.KeepSession = "butler-1", true }
	first := hold(t, m.Address, named, "qliksense/#")
	first.untilConnected()
	sender := dial(t, m.Address, nil)
	sender.untilConnected()
	tell := func(text string) {
		t.Helper()
		if err := sender.send("qliksense/start_task", text); err != nil {
			t.Fatal(err)
		}
	}
	tell("settled")
	first.Settle(first.receive().ID)
	tell("not settled")
	first.receive()
	first.close()
	tell("while it was away")

	second := hold(t, m.Address, named, "qliksense/#")
	for _, want := range []string{"not settled", "while it was away"} {
		if got := second.receive(); string(got.Payload) != want {
			t.Errorf("want %q, got %q", want, got.Payload)
		}
	}
}

func TestMosquitto_losesNothingWhenItIsRestarted(t *testing.T) {
	m := mosquittotest.Start(t, "allow_anonymous true", "persistence true", "persistence_location "+t.TempDir()+"/")
	r := hold(t, m.Address, func(o *mqttconn.Options) { o.ClientID, o.KeepSession = "butler-1", true }, "qliksense/#")
	r.untilConnected()
	sender := dial(t, m.Address, func(o *mqttconn.Options) { o.ClientID = "sender" })
	sender.untilConnected()
	const count = 10
	for n := range count {
		if err := sender.send("qliksense/start_task", strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
	}
	var ids []uint64
	for range count {
		ids = append(ids, r.receive().ID)
	}
	r.Settle(ids[0])
	m.Quit()
	r.untilLost()
	for _, id := range ids[1:5] { // their acknowledgements have nowhere to go yet
		r.Settle(id)
	}
	m.Start()
	r.untilConnected()
	for _, id := range ids[5:] {
		r.Settle(id)
	}
	sender.untilConnected()
	if err := sender.send("qliksense/start_task", "the next"); err != nil {
		t.Fatal(err)
	}
	if got := r.receive(); string(got.Payload) != "the next" {
		t.Errorf("%q is handed out twice", got.Payload)
	}
}

func TestMosquitto_overWebSocket(t *testing.T) {
	number, release, err := porttest.Reserve("tcp")
	if err != nil {
		t.Fatal(err)
	}
	release() // already: with WebSocket the broker takes the port of every address
	port := strconv.Itoa(number)
	mosquittotest.Start(t, "allow_anonymous true", "listener "+port+" 127.0.0.1", "protocol websockets")
	r := dial(t, net.JoinHostPort("127.0.0.1", port), func(o *mqttconn.Options) { o.WebSocket = "mqtt" }, "qliksense/#")
	r.untilConnected()
	large := strings.Repeat("x", mqttconn.MaxIncoming-100)
	if err := r.send("qliksense/start_task", large); err != nil {
		t.Fatal(err)
	}
	if m := r.receive(); string(m.Payload) != large {
		t.Errorf("got %d bytes", len(m.Payload))
	}
}
