package httpc

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/destination"
)

// newClient builds a client and closes its connections with the test.
func newClient(t *testing.T, o destination.HTTPOptions) *http.Client {
	t.Helper()
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// send posts a body to an address.
func send(t *testing.T, client *http.Client, address, body string) (Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return Send(client, req)
}

func startServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func writeCA(t *testing.T, file string, server *httptest.Server) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestClient_trustsThePlatformOrTheGivenFile(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeCA(t, ca, server)

	if _, err := send(t, newClient(t, destination.HTTPOptions{}), server.URL, ""); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("platform trust store: want an error about trust, got %v", err)
	}
	if _, err := send(t, newClient(t, destination.HTTPOptions{CAFile: ca}), server.URL, ""); err != nil {
		t.Errorf("CA file: %v", err)
	}
	if _, err := send(t, newClient(t, destination.HTTPOptions{InsecureSkipVerify: true}), server.URL, ""); err != nil {
		t.Errorf("without verification: %v", err)
	}
}

func TestClient_readsTheCAFileAgainWhenItChanges(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeCA(t, ca, server)
	client := newClient(t, destination.HTTPOptions{CAFile: ca})
	if _, err := send(t, client, server.URL, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, client, server.URL, ""); err == nil || !strings.Contains(err.Error(), "holds no PEM certificate") {
		t.Errorf("want the broken file reported, got %v", err)
	}
	writeCA(t, ca, server)
	if _, err := send(t, client, server.URL, ""); err != nil {
		t.Errorf("corrected file: %v", err)
	}
}

func TestNew_refusesACAFileThatCannotBeUsed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, filepath.Join(t.TempDir(), "none.pem")} {
		if _, err := New(destination.HTTPOptions{CAFile: file}); err == nil {
			t.Errorf("%s: want an error", filepath.Base(file))
		}
	}
}

func TestClient_refusesOldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := send(t, newClient(t, destination.HTTPOptions{InsecureSkipVerify: true}), server.URL, "")
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("want an error about the version, got %v", err)
	}
}

func TestClient_endsWithItsTimeout(t *testing.T) {
	release := make(chan struct{})
	server := startServer(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	defer close(release)
	_, err := send(t, newClient(t, destination.HTTPOptions{Timeout: 50 * time.Millisecond}), server.URL, "")
	if kind, _ := destination.KindOf(err); kind != destination.Transient || err == nil || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("got %v", err)
	}
}

func TestClient_limitsTheAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		size int
		want error
	}{
		"of exactly the limit": {MaxBody, nil},
		"one byte longer":      {MaxBody + 1, ErrBodyTooLong},
		"much longer":          {3 * MaxBody, ErrBodyTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, row.size)) })
			resp, err := newClient(t, destination.HTTPOptions{}).Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if !errors.Is(err, row.want) || len(body) != min(row.size, MaxBody) {
				t.Errorf("read %d bytes and %v, want %d and %v", len(body), err, min(row.size, MaxBody), row.want)
			}
		})
	}
}

func TestRedirect_isFollowedOnlyWhereTheMessageArrives(t *testing.T) {
	elsewhere := startServer(t, func(http.ResponseWriter, *http.Request) { t.Error("another host was called") })
	var got string
	server := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/target" {
			body, _ := io.ReadAll(r.Body)
			got = r.Method + " " + string(body)
			return
		}
		code := http.StatusTemporaryRedirect
		if r.URL.Path == "/found" {
			code = http.StatusFound
		}
		to := map[string]string{"/same": "/target", "/found": "/target", "/other": elsewhere.URL + "/key", "/loop": "/loop"}[r.URL.Path]
		http.Redirect(w, r, to, code)
	})
	client := newClient(t, destination.HTTPOptions{})
	if _, err := send(t, client, server.URL+"/same", "text"); err != nil || got != "POST text" {
		t.Errorf("same host: got %q, %v", got, err)
	}
	for path, want := range map[string]string{"/found": "turns POST into GET", "/other": "another host", "/loop": "more than 5"} {
		got = ""
		_, err := send(t, client, server.URL+path, "text")
		kind, _ := destination.KindOf(err)
		if kind != destination.MisconfiguredKind || !errors.Is(err, ErrRedirect) || !strings.Contains(err.Error(), want) || got != "" {
			t.Errorf("%s: got %v", path, err)
		}
		if err != nil && strings.Contains(err.Error(), "/key") {
			t.Errorf("%s: the error shows the address: %v", path, err)
		}
	}
}

func TestRedirect_neverLeavesTLSOrTheHost(t *testing.T) {
	for name, row := range map[string]struct {
		from, to string
		ok       bool
	}{
		"same address":               {"https://a.example/x", "https://a.example/y", true},
		"host in capitals":           {"https://a.example/x", "https://A.Example/y", true},
		"port written out":           {"https://a.example/x", "https://a.example:443/y", true},
		"step up to TLS":             {"http://a.example/x", "https://a.example/y", true},
		"step down from TLS":         {"https://a.example/x", "http://a.example/y", false},
		"other port":                 {"https://a.example/x", "https://a.example:8443/y", false},
		"sub-domain":                 {"https://a.example/x", "https://b.a.example/y", false},
		"step up on another port":    {"http://a.example:8080/x", "https://a.example/y", false},
		"host that only looks alike": {"https://a.example/x", "https://a.example@b.example/y", false},
	} {
		t.Run(name, func(t *testing.T) {
			first, _ := http.NewRequest(http.MethodPost, row.from, nil)
			next, _ := http.NewRequest(http.MethodPost, row.to, nil)
			if err := checkRedirect(next, []*http.Request{first}); (err == nil) != row.ok {
				t.Errorf("got %v, want it followed: %t", err, row.ok)
			}
		})
	}
}

func TestClient_usesOneConnectionForCallsInARow(t *testing.T) {
	seen := map[string]bool{}
	server := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		seen[r.RemoteAddr] = true
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	})
	client := newClient(t, destination.HTTPOptions{})
	for _, path := range []string{"/", "/bad", "/"} {
		_, _ = send(t, client, server.URL+path, "text")
	}
	if len(seen) != 1 {
		t.Errorf("%d connections, want one", len(seen))
	}
}
