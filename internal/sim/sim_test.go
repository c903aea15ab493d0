package sim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"butler/internal/qlik"
	"butler/internal/sim"
	"butler/internal/sim/appender"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "0123456789abcdef"

func start(t *testing.T, o sim.Options) *sim.Sim {
	t.Helper()
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// listen returns a socket that plays the service under test.
func listen(t *testing.T) net.PacketConn {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return socket
}

func receive(t *testing.T, socket net.PacketConn) string {
	t.Helper()
	buffer := make([]byte, 1<<16)
	n, _, err := socket.ReadFrom(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

// client reads its identity from the files, as a configured service does.
func client(t *testing.T, s *sim.Sim) *http.Client {
	t.Helper()
	files := s.Certificates()
	pair, err := tls.LoadX509KeyPair(files.Client, files.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(files.Root)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestSim_theEngineKnowsTheAppsOfTheSite(t *testing.T) {
	s := start(t, sim.Options{Seed: 1})
	socket, _, err := websocket.Dial(t.Context(), "wss://"+s.Engine.Addr()+"/", &websocket.DialOptions{
		HTTPClient: client(t, s), HTTPHeader: http.Header{"X-Qlik-User": {"UserDirectory=Internal;UserId=sa_repository"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(`{"id":1,"handle":-1,"method":"GetDocList","params":[]}`)); err != nil {
		t.Fatal(err)
	}
	var answer string
	for !strings.Contains(answer, `"id":1`) {
		_, text, err := socket.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answer = string(text)
	}
	for app := range s.World.Apps() {
		if !strings.Contains(answer, app.ID) {
			t.Errorf("the engine does not list app %s", app.ID)
		}
	}
}

func TestSim_aTaskStartedThroughTheQRSIsAnnounced(t *testing.T) {
	quick := func(world.Task) world.Outcome { return world.Outcome{Duration: 2 * time.Millisecond} }
	s := start(t, sim.Options{Seed: 1, QRS: qrssim.Options{OnStart: quick}, Format: appender.Format{DoubleSlash: true}})
	socket := listen(t)
	if err := s.Aim(socket.LocalAddr().String()); err != nil {
		t.Fatal(err)
	}
	id := s.World.TaskID(0)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.QRS.URL()+"/qrs/task/"+id+"/start?xrfkey="+key, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Qlik-Xrfkey", key)
	request.Header.Set("X-Qlik-User", "UserDirectory=Internal;UserId=sa_repository")
	response, err := client(t, s).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("start: %s", response.Status)
	}
	got := receive(t, socket)
	execution, _ := s.World.Last(id)
	if !strings.HasPrefix(got, "/scheduler-task-success//;") || !strings.Contains(got, ";"+id+";") || !strings.Contains(got, execution.ExecutionID) {
		t.Errorf("announced %s", got)
	}
}

func TestSim_runsAndAnnouncesTasks(t *testing.T) {
	s := start(t, sim.Options{Seed: 1})
	socket := listen(t)
	if err := s.Aim(socket.LocalAddr().String()); err != nil {
		t.Fatal(err)
	}
	id, _ := s.World.TaskOfType(qlik.TaskExternalProgram, 0)
	execution, err := s.Run(id, world.Outcome{Final: qlik.StatusFinishedFail, Duration: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	got := receive(t, socket)
	if !strings.HasPrefix(got, "/scheduler-task-failed/;") || !strings.Contains(got, ";(null);") || !strings.Contains(got, execution.ExecutionID) {
		t.Errorf("announced %s", got)
	}
	if _, err := s.Run(qlik.ZeroGUID, world.Fail()); !errors.Is(err, world.ErrNoTask) {
		t.Errorf("an unknown task runs: %v", err)
	}
}

func TestSim_playsScenarios(t *testing.T) {
	s := start(t, sim.Options{Seed: 1})
	if _, err := s.Play(t.Context(), appender.Scenario{Count: 1}); !errors.Is(err, sim.ErrNoTarget) {
		t.Errorf("without a target: %v", err)
	}
	socket := listen(t)
	for range 2 { // aiming again replaces the target
		if err := s.Aim(socket.LocalAddr().String()); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	report, err := s.Play(t.Context(), appender.Scenario{
		Count: 50, Simulate: true, OnSent: func(d appender.Datagram) { want = append(want, string(d.Payload)) },
	})
	if err != nil || report.Sent != 50 {
		t.Fatalf("report %+v, %v", report, err)
	}
	for _, payload := range want {
		if got := receive(t, socket); got != payload {
			t.Errorf("received %s, want %s", got, payload)
		}
	}
}

func TestSim_everythingListensAndNothingIsLeft(t *testing.T) {
	s, err := sim.New(sim.Options{SecureHTTP: true, SecureMQTT: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{
		"QRS": s.QRS.Addr(), "system info": s.SystemInfo.Addr(), "HTTP": s.HTTP.Addr(), "SMTP": s.SMTP.Addr(),
		"InfluxDB": s.Influx.Addr(), "MQTT": s.MQTT.Addr(),
	}
	dial := func(address string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	}
	for name, address := range addresses {
		if err := dial(address); err != nil {
			t.Errorf("%s does not listen: %v", name, err)
		}
	}
	root := s.Certificates().Root
	s.Stop()
	for name, address := range addresses {
		if dial(address) == nil {
			t.Errorf("%s still listens at %s", name, address)
		}
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("the temporary certificates are left: %v", err)
	}
}

func TestSim_writesCertificatesWhereItIsTold(t *testing.T) {
	dir := t.TempDir()
	s := start(t, sim.Options{CertDir: dir})
	for _, path := range []string{s.Certificates().Root, s.Certificates().Client, s.Certificates().ClientKey} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	s.Stop()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("%d files are left in a directory that is not ours to remove, %v", len(entries), err)
	}
}
