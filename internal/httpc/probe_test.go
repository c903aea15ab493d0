package httpc

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/destination"
)

func lookAt(t *testing.T, client *http.Client, address string) (destination.ProbeResult, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return Probe(client, address).Run(ctx)
}

func TestProbe_asksForTheStartPageWithoutSecrets(t *testing.T) {
	var got []string
	server := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		http.Redirect(w, r, "/login", http.StatusFound)
	})
	address := strings.Replace(server.URL, "http://", "http://ops:PASSWORD1@", 1) + "/services/T0KEN?sig=T0KEN"
	seen, err := lookAt(t, newClient(t, destination.HTTPOptions{}), address)
	if err != nil || seen.Detail != "answers, not encrypted" || seen.Warning != "" || seen.Address != strings.TrimPrefix(server.URL, "http://") {
		t.Errorf("got %+v, %v", seen, err)
	}
	if len(got) != 1 || got[0] != "HEAD / " {
		t.Errorf("want one HEAD / without credentials, got %q", got)
	}
	if since := time.Since(seen.Clock); since < -time.Second || since > time.Minute {
		t.Errorf("the clock of the server is missing: %s", seen.Clock)
	}
}

func TestProbe_tellsOfCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeCA(t, ca, server)
	for name, row := range map[string]struct {
		options destination.HTTPOptions
		detail  string
		err     string
	}{
		"trusted":      {destination.HTTPOptions{CAFile: ca}, "answers, TLS 1.3", ""},
		"not verified": {destination.HTTPOptions{InsecureSkipVerify: true}, "answers, TLS 1.3, certificate not verified, as configured", ""},
		"not trusted":  {destination.HTTPOptions{}, "", "is not trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			seen, err := lookAt(t, newClient(t, row.options), server.URL+"/hook")
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) {
					t.Errorf("want %q, got %v", row.err, err)
				}
				return
			}
			if err != nil || seen.Detail != row.detail || !seen.CertificateEnds.Equal(server.Certificate().NotAfter) {
				t.Errorf("got %+v, %v", seen, err)
			}
		})
	}
}

func TestProbe_doubtsAServerThatIsInTrouble(t *testing.T) {
	server := startServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	seen, err := lookAt(t, newClient(t, destination.HTTPOptions{}), server.URL)
	if err != nil || seen.Warning != "it answers 502 Bad Gateway" || seen.Remedy == "" {
		t.Errorf("got %+v, %v", seen, err)
	}
}

func TestProbe_endsWithItsContextAndBoundsAnswers(t *testing.T) {
	release := make(chan struct{})
	silent := startServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Probe(newClient(t, destination.HTTPOptions{}), silent.URL).Run(ctx); err == nil || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("silent: %v", err)
	}
	huge := startServer(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	if _, err := lookAt(t, newClient(t, destination.HTTPOptions{}), huge.URL); err == nil {
		t.Error("a header of a megabyte is taken")
	}
	if _, err := lookAt(t, newClient(t, destination.HTTPOptions{}), "slack.com/T0KEN"); err == nil || strings.Contains(err.Error(), "T0KEN") {
		t.Errorf("no address: %v", err)
	}
}

func TestProbe_looksOnceAtOneHost(t *testing.T) {
	client, other := newClient(t, destination.HTTPOptions{}), newClient(t, destination.HTTPOptions{InsecureSkipVerify: true})
	key := Probe(client, "https://hooks.slack.com/services/A").Key
	if got := Probe(client, "https://hooks.slack.com/services/B").Key; got != key {
		t.Errorf("two addresses of one host: %q and %q", key, got)
	}
	for _, got := range []string{Probe(client, "http://hooks.slack.com/").Key, Probe(client, "https://example.com/").Key, Probe(other, "https://hooks.slack.com/").Key} {
		if got == key {
			t.Errorf("%q stands for something else as well", key)
		}
	}
}
