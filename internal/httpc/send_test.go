package httpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"butler/internal/destination"
)

const key = "T0KEN-OF-THE-TEST"

func TestSend_returnsTheAnswer(t *testing.T) {
	server := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Id", "7")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "ok")
	})
	got, err := send(t, newClient(t, destination.HTTPOptions{}), server.URL, "text")
	if err != nil || got.Status != 202 || string(got.Body) != "ok" || got.Header.Get("X-Id") != "7" {
		t.Errorf("got %+v, %v", got, err)
	}
	if want := (destination.Receipt{Status: "202", Detail: "Accepted"}); got.Receipt() != want {
		t.Errorf("got %+v, want %+v", got.Receipt(), want)
	}
}

func TestSend_takesAnAcceptedMessageAsAcceptedHoweverTheAnswerEnds(t *testing.T) {
	server := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	})
	got, err := send(t, newClient(t, destination.HTTPOptions{}), server.URL, "text")
	if err != nil || string(got.Body) != "half" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSend_wordsWhyThereIsNoAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	plain := startServer(t, func(http.ResponseWriter, *http.Request) {})
	silent := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	for name, row := range map[string]struct{ address, want string }{
		"refused":      {"http://" + nobody, "refuses connections"},
		"no answer":    {silent.URL, "closed the connection"},
		"TLS to plain": {strings.Replace(plain.URL, "http:", "https:", 1), "HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := send(t, newClient(t, destination.HTTPOptions{}), row.address+"/"+key+"?sig="+key, "text")
			wantTransientWithoutKey(t, err, row.want)
		})
	}
}

func TestSend_endsWithItsContext(t *testing.T) {
	arrived := make(chan struct{})
	server := startServer(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/"+key, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Send(newClient(t, destination.HTTPOptions{}), req)
	wantTransientWithoutKey(t, err, "cancelled")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say that the context was cancelled", err)
	}
}

func TestSend_refusesAnAddressThatCannotBeCalled(t *testing.T) {
	for _, address := range []string{"ftp://host/" + key, "//host/" + key, "http:///" + key, key} {
		req, err := http.NewRequest(http.MethodPost, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Send(newClient(t, destination.HTTPOptions{}), req)
		if kind, _ := destination.KindOf(err); kind != destination.MisconfiguredKind || strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestSend_masksTheSecretsItIsTold(t *testing.T) {
	server := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write(body)
	})
	req, err := http.NewRequest(http.MethodPost, server.URL, bytes.NewReader([]byte(`{"routing_key":"`+key+`"}`)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Send(newClient(t, destination.HTTPOptions{}), req, key)
	kind, after := destination.KindOf(err)
	if kind != destination.ThrottledKind || after.Seconds() != 3 || strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "routing_key") {
		t.Errorf("got %v after %v", err, after)
	}
}

func wantTransientWithoutKey(t *testing.T, err error, want string) {
	t.Helper()
	kind, _ := destination.KindOf(err)
	if err == nil || kind != destination.Transient {
		t.Fatalf("want a transient failure, got %v", err)
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key) {
		t.Errorf("got %q, want it about %q without the key", err, want)
	}
}

func TestRedactURL_showsSchemeAndHost(t *testing.T) {
	for raw, want := range map[string]string{
		"https://hooks.example.com/services/" + key:     "https://hooks.example.com",
		"https://hooks.example.com:8443/?sig=" + key:    "https://hooks.example.com:8443",
		"http://user:" + key + "@127.0.0.1:80/x#" + key: "http://127.0.0.1:80",
		"https://user:pa/" + key + "@host/x":            "https://***",
		"https://user:123/" + key + "@host/x":           "https://***",
		"https://[::1" + key:                            "https://***",
		"https://":                                      "https://***",
		key:                                             "***",
	} {
		if got := RedactURL(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestRedact_keepsWhatTheErrorIsAndHidesWhatItSays(t *testing.T) {
	inner := &url.Error{Op: "Post", URL: "https://host/a b\"c/" + key, Err: context.DeadlineExceeded}
	err := Redact(fmt.Errorf("send to http://x/%s with token=plain-secret: %w", key, inner), "plain-secret")
	for _, secret := range []string{key, "plain-secret", "a b"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q shows %q", err, secret)
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the cause is gone")
	}
	if _, ok := errors.AsType[*url.Error](err); !ok {
		t.Error("the type of the cause is gone")
	}
	if errors.Unwrap(err) != nil {
		t.Error("the secret text is one link further")
	}
	if Redact(nil) != nil {
		t.Error("nil does not stay nil")
	}
	if got := Excerpt("see https://host/"+key+" now", 100, key); got != "see https://host now" {
		t.Errorf("got %q", got)
	}
}
