package influxdb

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/sim/sink"
)

func TestProbe_checksWhetherPointsWouldBeAccepted(t *testing.T) {
	for name, row := range map[string]struct {
		server  sink.InfluxOptions
		config  Config
		detail  string
		failure string
	}{
		"1, database is there": {sink.InfluxOptions{Databases: []string{"butler"}}, Config{Version: 1, V1Config: V1Config{DBName: "butler"}}, "accepts points", ""},
		"1, no database yet":   {sink.InfluxOptions{}, Config{Version: 1, V1Config: V1Config{DBName: "butler"}}, "the database is created before the first point", ""},
		"1, wrong password": {
			sink.InfluxOptions{Databases: []string{"butler"}, User: "u", Password: "right"},
			Config{Version: 1, V1Config: V1Config{DBName: "butler", Auth: Auth{Enable: true, Username: "u", Password: "wr0ng-secret"}}},
			"", "401",
		},
		"2, bucket is there": {sink.InfluxOptions{Databases: []string{"b"}, Org: "o", Token: "t0ken"}, Config{Version: 2, V2Config: V2Config{Org: "o", Bucket: "b", Token: "t0ken"}}, "accepts points", ""},
		"2, no bucket":       {sink.InfluxOptions{Databases: []string{"a"}, Org: "o", Token: "t0ken"}, Config{Version: 2, V2Config: V2Config{Org: "o", Bucket: "b", Token: "t0ken"}}, "", "404"},
		"2, wrong token":     {sink.InfluxOptions{Databases: []string{"b"}, Token: "t0ken"}, Config{Version: 2, V2Config: V2Config{Bucket: "b", Token: "wr0ng-secret"}}, "", "401"},
		"3, wrong token":     {sink.InfluxOptions{Databases: []string{"b"}, Token: "t0ken"}, Config{Version: 3, V3Config: V3Config{Database: "b", Token: "wr0ng-secret", WriteTimeout: 5000}}, "", "401"},
	} {
		t.Run(name, func(t *testing.T) {
			server := sink.NewInflux(row.server)
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			defer server.Stop()
			at, err := netip.ParseAddrPort(strings.TrimPrefix(server.URL(), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			row.config.HostIP, row.config.HostPort = at.Addr().String(), int(at.Port())
			w, err := newWriter(row.config, destinationtest.Deps(t))
			if err != nil {
				t.Fatal(err)
			}
			seen, err := probe(t.Context(), w)
			if row.failure != "" {
				if kind, _ := destination.KindOf(err); err == nil || kind != destination.MisconfiguredKind || !strings.Contains(err.Error(), row.failure) || strings.Contains(err.Error(), "wr0ng") {
					t.Errorf("want %s, got %v", row.failure, err)
				}
				return
			}
			if err != nil || !strings.Contains(seen.Detail, row.detail) || time.Since(seen.Clock) > time.Minute {
				t.Errorf("got %+v, %v", seen, err)
			}
			for _, w := range server.Writes().All() {
				if len(w.Points) > 0 {
					t.Errorf("points were written: %+v", w)
				}
			}
		})
	}
}

// A web server that answers every request is not InfluxDB: nothing is written to it.
func TestProbe_makesTheFirstQueryOfTheService(t *testing.T) {
	says := "<html><h1>It works!</h1>"
	s := &server{answer: func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path == "/query" {
			_, _ = io.WriteString(w, says)
		}
		return true
	}}
	d := startServer(t, s, 1, "")
	seen, err := d.(destination.Prober).Probe().Run(t.Context())
	if kind, _ := destination.KindOf(err); kind != destination.MisconfiguredKind || !strings.Contains(err.Error(), "show databases") {
		t.Errorf("want a matter of the configuration, got %+v, %v", seen, err)
	}
	says = `{"results": [{}]}`
	seen, err = d.(destination.Prober).Probe().Run(t.Context())
	if err != nil || !strings.Contains(seen.Warning, "its version") || seen.Remedy == "" {
		t.Errorf("want doubts about one without a version, got %+v, %v", seen, err)
	}
}
