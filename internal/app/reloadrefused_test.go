package app_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/apikey"
	"butler/internal/apikey/keyfile"
	"butler/internal/app"
)

// What a configuration is about is visible in /health and in the metrics, so both tell
// if something of a refused one is left.
func TestReload_aRefusedOneLeavesNothingOfItself(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	must(t, err)
	s, file := reloadSite(t, "")
	_, key, err := keyfile.New(filepath.Join(s.dir, "apikeys.json")).Issue(t.Context(), rand.Reader, apikey.Request{Name: "load scripts", Scopes: []apikey.Scope{apikey.KV}})
	must(t, err)
	s.failure("/hook/failed", 1)

	before := s.standing()
	text, err := os.ReadFile(file)
	must(t, err)
	certificates := s.sim.Certificates()
	rest := fmt.Sprintf(restConfig, fmt.Sprintf(", auth: {mode: keys}, tls: {enable: true, cert: %q, key: %q}", certificates.Client, certificates.ClientKey))
	rest += "  mqttConfig: {enable: true, brokerHost: 127.0.0.1, brokerPort: 1}\n"
	must(t, os.WriteFile(file, append(text, rest...), 0o600))
	const good = "operations: {host: 127.0.0.1, port: 0}"
	bad := "operations: {host: 127.0.0.1, port: " + port + "}" // what is built last, but for the pages
	edit(t, file, good, bad)
	for range 2 {
		if result := s.app.Reload(app.ByAPI); result.Applied || !strings.Contains(result.Reason, "listen on") {
			t.Fatalf("want it refused because of the port, got %+v", result)
		}
		if diff := cmp.Diff(before, s.standing()); diff != "" {
			t.Errorf("want nothing left of the refused configuration (-before +after):\n%s", diff)
		}
	}
	s.failure("/hook/failed", 2)

	edit(t, file, bad, good)
	edit(t, file, fmt.Sprintf(", tls: {enable: true, cert: %q, key: %q}", certificates.Client, certificates.ClientKey), "")
	s.reload()
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"a","value":"1"}`, http.StatusCreated, "1", "X-API-Key", key.Reveal())
	for _, name := range []string{"journal/values", "api keys", "kv"} {
		if state, reason := s.component(name); state != "up" {
			t.Errorf("want %s up in /health, got %s %q", name, state, reason)
		}
	}
}

// standing returns the components of /health, except for that which is about reloads,
// and the metrics that follow from the configuration alone.
func (s *site) standing() []string {
	s.t.Helper()
	var page struct {
		Components []struct{ Name, State, Reason string }
	}
	s.get("/health", &page)
	var out []string
	for _, c := range page.Components {
		if c.Name != "configuration" {
			out = append(out, fmt.Sprintf("%s %s %s", c.Name, c.State, c.Reason))
		}
	}
	for line := range strings.Lines(metricsPage(s.t, s.app)) {
		if strings.HasPrefix(line, "butler_certificate_expiry_timestamp_seconds") || strings.HasPrefix(line, "butler_mqtt_connected") {
			out = append(out, line)
		}
	}
	return out
}
