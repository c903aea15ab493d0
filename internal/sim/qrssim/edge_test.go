package qrssim_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/sim/cert"
	"butler/internal/sim/edge"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/world"
)

func TestServer_recordsRequests(t *testing.T) {
	r := start(t, qrssim.Options{History: 2})
	id := r.world.TaskID(0)
	r.get("/qrs/license")
	r.get("/qrs/task?filter=id%20eq%20" + id)
	r.do(r.request(http.MethodPost, "/QRS/Task/"+id+"/Start", strings.NewReader("{}")))
	if err := r.server.Requests().AwaitTotal(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Operation, Path, Filter string
		Status                  int
	}
	var got []row
	for _, request := range r.server.Requests().All() {
		got = append(got, row{request.Operation, request.Path, request.Filter, request.Status})
	}
	want := []row{
		{"GET task", "task", "id eq " + id, 200},
		{"POST task/{id}/start", "Task/" + id + "/Start", "", 204},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	counts := map[string]int{"GET license": 1, "GET task": 1, "POST task/{id}/start": 1}
	if diff := cmp.Diff(counts, r.server.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestServer_faultsHitWhatTheyName(t *testing.T) {
	r := start(t, qrssim.Options{})
	faults := r.server.Faults()
	faults.Set(edge.Rule{Name: "x", Kind: edge.Status, PathPrefix: "/QRS/task", Status: 503, RetryAfter: 1500 * time.Millisecond, Times: 2})
	for i, want := range []int{503, 503, 200} {
		if status, _ := r.get("/qrs/task/full?filter=name%20eq%20%27x%27"); status != want {
			t.Errorf("request %d: %d, want %d", i, status, want)
		}
	}
	if status, _ := r.get("/qrs/license"); status != http.StatusOK {
		t.Errorf("another path is hit too: %d", status)
	}
	faults.Set(edge.Rule{Name: "x", Kind: edge.WrongShape})
	if _, body := r.get("/qrs/task"); !strings.HasPrefix(body, "{") {
		t.Errorf("wrong shape: %s", body)
	}
	faults.Set(edge.Rule{Name: "x", Kind: edge.InvalidJSON})
	if _, body := r.get("/qrs/task"); json.Valid([]byte(body)) {
		t.Errorf("invalid JSON is valid: %s", body)
	}
	faults.Clear()
	if status, _ := r.get("/qrs/task"); status != http.StatusOK {
		t.Errorf("after Clear: %d", status)
	}
}

func TestServer_outageRefusesAndComesBack(t *testing.T) {
	r := start(t, qrssim.Options{})
	address := r.server.Addr()
	if err := r.server.Outage(true); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Do(r.request(http.MethodGet, "/qrs/license", nil)); err == nil {
		t.Error("a server that is out answers")
	}
	if err := r.server.Outage(false); err != nil {
		t.Fatal(err)
	}
	if status, _ := r.get("/qrs/license"); status != http.StatusOK || r.server.Addr() != address {
		t.Errorf("after the outage: %d at %s, want 200 at %s", status, r.server.Addr(), address)
	}
}

func TestServer_wantsAClientCertificate(t *testing.T) {
	server, err := qrssim.New(qrssim.Options{World: world.New(world.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	files, err := server.Authority().WriteClient(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Client, files.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := cert.NewAuthority("stranger")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.Client("stranger")
	if err != nil {
		t.Fatal(err)
	}
	foreignPair, err := foreign.TLS()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name         string
		certificates []tls.Certificate
		ok           bool
	}{
		{"signed by the authority", []tls.Certificate{pair}, true},
		{"none", nil, false},
		{"signed by a stranger", []tls.Certificate{foreignPair}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.Authority().Pool(), Certificates: test.certificates}}
			defer transport.CloseIdleConnections()
			r := &rig{T: t, server: server, client: &http.Client{Transport: transport}}
			for range 3 {
				response, err := r.client.Do(r.request(http.MethodGet, "/qrs/license", nil))
				if (err == nil) != test.ok {
					t.Fatalf("error = %v, want success %v", err, test.ok)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			}
		})
	}
	if load := server.Load(); load.Handshakes != 1 || load.Requests != 3 {
		t.Errorf("load %+v, want one handshake for three requests", load)
	}
}

func TestServer_hangEndsWhenTheClientGivesUp(t *testing.T) {
	r := start(t, qrssim.Options{})
	r.server.Faults().Set(edge.Rule{Name: "hang", Kind: edge.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := r.client.Do(r.request(http.MethodGet, "/qrs/license", nil).WithContext(ctx))
		done <- err
	}()
	r.until(func() bool { return r.server.Load().InFlight > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	request, err := r.server.Requests().Await(t.Context(), func(q qrssim.Request) bool { return q.Fault == edge.Hang })
	if err != nil || request.Status != 0 {
		t.Errorf("recorded %+v, %v; want a request without a status", request, err)
	}
}
