package qrs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik/identity"
	"butler/internal/qlik/qliktest"
	"butler/messages"
)

const (
	idA    = "11111111-aaaa-4bbb-8ccc-000000000001"
	idB    = "11111111-aaaa-4bbb-8ccc-000000000002"
	idC    = "11111111-aaaa-4bbb-8ccc-000000000003"
	idGone = "11111111-aaaa-4bbb-8ccc-00000000dead"
)

const userHeader = "UserDirectory=Internal; UserId=sa_repository"

func options(url string) Options {
	return Options{BaseURL: url, RetryWait: time.Millisecond, Headers: identity.Headers{{Name: "X-Qlik-User", Value: userHeader}}}
}

func newClient(t *testing.T, opts Options) *Client {
	t.Helper()
	c, err := New(opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// plain starts a server without TLS and a client for it.
func plain(t *testing.T, handle func(qliktest.Request) qliktest.Response) (*Client, *qliktest.Server) {
	t.Helper()
	server := qliktest.NewServer(t, nil, handle)
	return newClient(t, options(server.URL)), server
}

func always(r qliktest.Response) func(qliktest.Request) qliktest.Response {
	return func(qliktest.Request) qliktest.Response { return r }
}

// inTurn answers with the responses one after the other; the last one stays.
func inTurn(responses ...qliktest.Response) func(qliktest.Request) qliktest.Response {
	var mu sync.Mutex
	return func(qliktest.Request) qliktest.Response {
		mu.Lock()
		defer mu.Unlock()
		r := responses[0]
		if len(responses) > 1 {
			responses = responses[1:]
		}
		return r
	}
}

func task(id string) string { return fmt.Sprintf(`{"id":%q,"name":"task","taskType":0}`, id) }

func kindOf(t *testing.T, err error) messages.FailureKind {
	t.Helper()
	failed, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want *Error", err, err)
	}
	return failed.Kind
}

func TestClient_usesOneHandshakeForManyCalls(t *testing.T) {
	authority := qliktest.NewAuthority(t)
	server := qliktest.NewServer(t, authority, qliktest.ByID(map[string]string{idA: task(idA)}))
	opts := options(server.URL)
	opts.CAPEM, opts.CertPEM, opts.KeyPEM = authority.CA, authority.Cert, authority.Key
	c := newClient(t, opts)
	for range 20 {
		if _, err := c.Tasks(t.Context(), idA); err != nil {
			t.Fatalf("Tasks: %v", err)
		}
	}
	if got := server.Handshakes(); got != 1 {
		t.Errorf("20 calls used %d handshakes, want 1", got)
	}
	if until := time.Until(c.CertificateExpiry()); until < time.Hour || until > 25*time.Hour {
		t.Errorf("the certificate expires in %v, want about a day", until)
	}
}

func TestClient_verifiesBothSides(t *testing.T) {
	authority, stranger := qliktest.NewAuthority(t), qliktest.NewAuthority(t)
	server := qliktest.NewServer(t, authority, always(qliktest.Response{Body: "[]"}))
	tests := []struct {
		name   string
		change func(*Options)
		ok     bool
	}{
		{"right certificates", func(*Options) {}, true},
		{"server of another authority", func(o *Options) { o.CAPEM = stranger.CA }, false},
		{"server of another authority, accepted on purpose", func(o *Options) { o.CAPEM = stranger.CA; o.InsecureSkipVerify = true }, true},
		{"without an authority the platform's is used", func(o *Options) { o.CAPEM = nil }, false},
		{"client of another authority", func(o *Options) { o.CertPEM, o.KeyPEM = stranger.Cert, stranger.Key }, false},
		{"no client certificate", func(o *Options) { o.CertPEM, o.KeyPEM = nil, nil }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opts := options(server.URL)
			opts.CAPEM, opts.CertPEM, opts.KeyPEM = authority.CA, authority.Cert, authority.Key
			test.change(&opts)
			before, handshakes := len(server.Requests()), server.Handshakes()
			err := newClient(t, opts).Ping(t.Context())
			if got := server.Handshakes() - handshakes; got != 1 {
				t.Errorf("%d handshakes, want 1: a refused certificate is not tried again", got)
			}
			if (err == nil) != test.ok {
				t.Fatalf("Ping: %v, want ok %v", err, test.ok)
			}
			if err != nil && kindOf(t, err) != messages.FailureUnavailable {
				t.Errorf("kind = %v, want unavailable", kindOf(t, err))
			}
			if served := len(server.Requests()) - before; !test.ok && served != 0 {
				t.Errorf("%d requests got through", served)
			}
		})
	}
}

func TestNew_explainsWhatIsWrong(t *testing.T) {
	authority := qliktest.NewAuthority(t)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := write("client.pem", authority.Cert), write("client_key.pem", authority.Key)
	text := write("text.pem", []byte("not a certificate"))
	locked := write("locked.pem", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	otherKey := write("other_key.pem", qliktest.NewAuthority(t).Key)
	tests := []struct {
		name string
		opts Options
		want string
	}{
		{"no host", Options{UseSSL: true}, "host name"},
		{"host with a path", Options{Host: "sense/x"}, "host name"},
		{"strange scheme", Options{BaseURL: "ftp://sense/qrs/"}, "https://host:4242/qrs/"},
		{"password in the address", Options{BaseURL: "https://me:secret@sense/qrs/"}, "neither a user"},
		{"missing certificate file", Options{Host: "s", UseSSL: true, CertFile: filepath.Join(dir, "nix.pem"), KeyFile: key}, "nix.pem"},
		{"missing key file", Options{Host: "s", UseSSL: true, CertFile: cert, KeyFile: filepath.Join(dir, "nix.pem")}, "certificate key"},
		{"certificate without key", Options{Host: "s", UseSSL: true, CertFile: cert}, "both the certificate and its key"},
		{"certificate is no PEM", Options{Host: "s", UseSSL: true, CertFile: text, KeyFile: key}, "text.pem"},
		{"key belongs to another certificate", Options{Host: "s", UseSSL: true, CertFile: cert, KeyFile: otherKey}, "other_key.pem"},
		{"key with a password", Options{Host: "s", UseSSL: true, CertFile: cert, KeyFile: locked}, "protected by a password"},
		{"authority is no PEM", Options{Host: "s", UseSSL: true, CAFile: text}, "no certificate in PEM"},
		{"missing authority", Options{Host: "s", UseSSL: true, CAFile: filepath.Join(dir, "root.pem")}, "root.pem"},
		{"header name", Options{Host: "s", Headers: identity.Headers{{Name: "X Bad", Value: "v"}}}, "X Bad"},
		{"header value with a line break", Options{Host: "s", Headers: identity.Headers{{Name: "X-Secret", Value: "hush\r\nX: y"}}}, "X-Secret"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("New: %v, want an error with %q", err, test.want)
			}
			for _, secret := range []string{"secret", "hush"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, err)
				}
			}
		})
	}
}

func TestNew_acceptsCertificateFiles(t *testing.T) {
	authority := qliktest.NewAuthority(t)
	server := qliktest.NewServer(t, authority, always(qliktest.Response{Body: "[]"}))
	opts := options(server.URL)
	for name, content := range map[*string][]byte{&opts.CAFile: authority.CA, &opts.CertFile: authority.Cert, &opts.KeyFile: authority.Key} {
		*name = filepath.Join(t.TempDir(), "file.pem")
		if err := os.WriteFile(*name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := newClient(t, opts).Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func TestNew_buildsTheAddress(t *testing.T) {
	tests := []struct {
		name string
		opts Options
		want string
	}{
		{"host only", Options{Host: "sense"}, "http://sense:4242/qrs/"},
		{"with TLS and port", Options{Host: "sense", Port: 443, UseSSL: true}, "https://sense:443/qrs/"},
		{"IPv6", Options{Host: "::1"}, "http://[::1]:4242/qrs/"},
		{"IPv6 in brackets", Options{Host: "[::1]"}, "http://[::1]:4242/qrs/"},
		{"whole address without the last slash", Options{BaseURL: "http://sense:4242/qrs"}, "http://sense:4242/qrs/"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := newClient(t, test.opts).base.String(); got != test.want {
				t.Errorf("base = %s, want %s", got, test.want)
			}
		})
	}
}

func TestClient_sendsTheHeadersOfTheContract(t *testing.T) {
	server := qliktest.NewServer(t, nil, always(qliktest.Response{Body: "[]"}))
	opts := options(server.URL)
	opts.Headers = append(opts.Headers, identity.Header{Name: "accept", Value: "text/x"}, identity.Header{Name: "x-qlik-xrfkey", Value: "fixedfixedfixed1"})
	c := newClient(t, opts)
	for range 2 {
		if err := c.Ping(t.Context()); err != nil {
			t.Fatalf("Ping: %v", err)
		}
	}
	got := server.Requests()
	want := map[string]string{
		"X-Qlik-User": userHeader, "Content-Type": "application/json", "Accept": "text/x", "User-Agent": "butler",
	}
	for name, value := range want {
		if got[0].Header.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, got[0].Header.Get(name), value)
		}
	}
	for _, r := range got {
		if strings.Trim(r.Key, keyAlphabet) != "" || len(r.Key) != keyLength {
			t.Errorf("request key %q is not made of 16 letters and digits", r.Key)
		}
	}
	if got[0].Key == got[1].Key {
		t.Errorf("two requests share the key %q", got[0].Key)
	}
	if want := "filter=id%20eq%20" + zeroGUID; got[0].RawQuery != want {
		t.Errorf("query = %q, want %q", got[0].RawQuery, want)
	}
}

func TestClient_repeatsOnlyWhatMayBeRepeated(t *testing.T) {
	bad := func(status int) qliktest.Response { return qliktest.Response{Status: status} }
	good := qliktest.Response{Body: "[]"}
	tests := []struct {
		name    string
		answers []qliktest.Response
		calls   int
		kind    messages.FailureKind
	}{
		{"a gateway error passes", []qliktest.Response{bad(502), bad(503), good}, 3, messages.FailureNone},
		{"a broken connection passes", []qliktest.Response{{Reset: true}, good}, 2, messages.FailureNone},
		{"at most two repetitions", []qliktest.Response{bad(504)}, 3, messages.FailureUnavailable},
		{"an error of the service itself", []qliktest.Response{bad(500)}, 1, messages.FailureUnavailable},
		{"too many requests", []qliktest.Response{bad(429)}, 1, messages.FailureUnavailable},
		{"a refusal", []qliktest.Response{bad(403)}, 1, messages.FailureRejected},
		{"an answer that is not JSON", []qliktest.Response{{Body: "<html>"}}, 1, messages.FailureInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, server := plain(t, inTurn(test.answers...))
			err := c.Ping(t.Context())
			if test.kind == messages.FailureNone && err != nil || test.kind != messages.FailureNone && kindOf(t, err) != test.kind {
				t.Errorf("Ping: %v, want kind %v", err, test.kind)
			}
			if got := len(server.Requests()); got != test.calls {
				t.Errorf("%d calls, want %d", got, test.calls)
			}
		})
	}
}

func TestClient_neverRepeatsAStart(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Status: 503}))
	if kind := kindOf(t, c.StartTask(t.Context(), idA)); kind != messages.FailureUnavailable {
		t.Errorf("kind = %v, want unavailable", kind)
	}
	if got := len(server.Requests()); got != 1 {
		t.Errorf("%d starts were sent, want 1", got)
	}
}

func TestClient_givesUpInTime(t *testing.T) {
	t.Run("its own limit", func(t *testing.T) {
		server := qliktest.NewServer(t, nil, always(qliktest.Response{Hang: true}))
		opts := options(server.URL)
		opts.Timeout = 20 * time.Millisecond
		err := newClient(t, opts).Ping(t.Context())
		if kindOf(t, err) != messages.FailureTimeout || !strings.Contains(err.Error(), "timeout: 20ms") {
			t.Errorf("Ping: %v, want a timeout that names the limit", err)
		}
		// None when the limit is over before this machine has brought the call there.
		if got := len(server.Requests()); got > 1 {
			t.Errorf("%d calls, want 1: a slow service is not asked again", got)
		}
	})
	t.Run("the caller's deadline", func(t *testing.T) {
		c, _ := plain(t, always(qliktest.Response{Hang: true}))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if kind := kindOf(t, c.Ping(ctx)); kind != messages.FailureTimeout {
			t.Errorf("kind = %v, want timeout", kind)
		}
	})
	t.Run("no pause that outlasts the deadline", func(t *testing.T) {
		server := qliktest.NewServer(t, nil, always(qliktest.Response{Status: 503}))
		opts := options(server.URL)
		opts.RetryWait = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if kind := kindOf(t, newClient(t, opts).Ping(ctx)); kind != messages.FailureUnavailable {
			t.Errorf("kind = %v, want unavailable", kind)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v, want at once", took)
		}
	})
}

func TestClient_boundsTheAnswer(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Body: "[" + strings.Repeat(" ", 2000) + "]"}))
	c.documentLimit = 1000
	if kind := kindOf(t, c.Ping(t.Context())); kind != messages.FailureInvalid {
		t.Errorf("kind = %v, want invalid", kind)
	}
	if got := len(server.Requests()); got != 2 {
		t.Errorf("%d calls, want 2: the whole list, then its first page", got)
	}
}

func TestClient_followsRedirectsWithinTheHostOnly(t *testing.T) {
	other := qliktest.NewServer(t, nil, always(qliktest.Response{Body: "[]"}))
	redirect := func(to string) qliktest.Response {
		return qliktest.Response{Status: 302, Header: http.Header{"Location": {to}}}
	}
	c, _ := plain(t, always(redirect(other.URL+"task")))
	if kind := kindOf(t, c.Ping(t.Context())); kind != messages.FailureRejected {
		t.Errorf("another host: kind = %v, want rejected", kind)
	}
	if got := len(other.Requests()); got != 0 {
		t.Errorf("the other host got %d requests", got)
	}
	c, _ = plain(t, always(redirect("/qrs/task")))
	if kind := kindOf(t, c.Ping(t.Context())); kind != messages.FailureRejected {
		t.Errorf("for ever: kind = %v, want rejected", kind)
	}
}

func TestClient_takesNoPageForAChange(t *testing.T) {
	page := qliktest.Response{Body: "<html>Please log in</html>"}
	for name, row := range map[string]struct {
		first  qliktest.Response
		kind   messages.FailureKind
		status int
	}{
		"a page":                     {page, messages.FailureInvalid, http.StatusOK},
		"a document":                 {qliktest.Response{Body: `{"error":"no"}`}, messages.FailureInvalid, http.StatusOK},
		"a redirect to a page":       {qliktest.Response{Status: http.StatusFound, Header: http.Header{"Location": {"/qrs/login"}}}, messages.FailureRejected, http.StatusFound},
		"a redirect to another host": {qliktest.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {"http://sso.invalid/"}}}, messages.FailureRejected, http.StatusSeeOther},
	} {
		for change, do := range map[string]func(*Client) error{
			"start":   func(c *Client) error { return c.StartTask(t.Context(), idA) },
			"release": func(c *Client) error { return c.Release(t.Context(), Analyzer, idA) },
		} {
			c, server := plain(t, inTurn(row.first, page))
			err := do(c)
			if failed, _ := errors.AsType[*Error](err); failed == nil || failed.Kind != row.kind || failed.Status() != row.status || len(server.Requests()) != 1 {
				t.Errorf("%s instead of a %s: want %v with status %d after one request, got %v after %d", name, change, row.kind, row.status, err, len(server.Requests()))
			}
		}
	}
	for _, good := range []qliktest.Response{{Body: "\r\n"}, {Status: http.StatusCreated, Body: `{"value":"8f1d1ecf-97a6-4eb5-8f47-f9156300b854"}`}} {
		c, _ := plain(t, always(good))
		if err := c.StartTask(t.Context(), idA); err != nil {
			t.Errorf("%+v: want the start confirmed, got %v", good, err)
		}
	}
}

func TestError_hasTheFormOfTheContract(t *testing.T) {
	long := strings.Repeat("x", 201)
	tests := []struct {
		name   string
		answer qliktest.Response
		want   string
	}{
		{"text", qliktest.Response{Status: 400, Body: "bad filter"}, "status: 400, body: bad filter"},
		{"long text", qliktest.Response{Status: 400, Body: long}, "status: 400, bodyLength: 201, bodyPreview: " + long[:200] + "..."},
		{"empty", qliktest.Response{Status: 400}, "status: 400"},
		{"number", qliktest.Response{Status: 400, Body: "17"}, "status: 400, body: 17"},
		{"list", qliktest.Response{Status: 400, Body: "[1,2]"}, "status: 400, bodyType: array, bodyLength: 2"},
		{
			"object",
			qliktest.Response{Status: 400, Body: `{"message":"m","error":"e","details":"d","code":7,"token":"t"}`},
			"status: 400, body.message: m, body.error: e, body.details: d, body.code: 7",
		},
		{"object without words", qliktest.Response{Status: 400, Body: `{"details":{},"password":"p"}`}, "status: 400, bodyType: object"},
		{"several lines", qliktest.Response{Status: 400, Body: "a\r\nERROR forged"}, "status: 400, body: a ERROR forged"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, _ := plain(t, always(test.answer))
			err := c.Ping(t.Context())
			want := fmt.Sprintf("endpoint: task?filter=id eq %s, host: 127.0.0.1, port: %s, method: GET, expectedStatus: 200, %s",
				zeroGUID, c.base.Port(), test.want)
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("error text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestError_neverShowsHeadersHoweverTheyAreWritten(t *testing.T) {
	split := userHeader[:5] + "\u200b" + userHeader[5:] // what goes from a log line must not make it whole
	for name, written := range map[string]string{"in a URL": url.QueryEscape(userHeader), "with a character that is dropped": split} {
		t.Run(name, func(t *testing.T) {
			c, _ := plain(t, always(qliktest.Response{Status: 400, Body: "no " + written}))
			text := c.Ping(t.Context()).Error()
			if strings.Contains(text, userHeader) || strings.Contains(text, url.QueryEscape(userHeader)) || !strings.Contains(text, "no ***") {
				t.Errorf("want the header masked, got %q", text)
			}
		})
	}
}

func TestError_neverShowsKeyOrHeaders(t *testing.T) {
	echo := func(r qliktest.Request) qliktest.Response {
		return qliktest.Response{Status: 400, Body: fmt.Sprintf(`{"message":"key %s user %s"}`, r.Key, r.Header.Get("X-Qlik-User"))}
	}
	c, server := plain(t, echo)
	text := c.Ping(t.Context()).Error()
	for _, secret := range []string{server.Requests()[0].Key, userHeader} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows %q", text, secret)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	refused := newClient(t, options("http://"+address+"/qrs/")).Ping(t.Context()).Error()
	if strings.Contains(refused, "xrfkey") || !strings.Contains(refused, "code: ECONNREFUSED") {
		t.Errorf("refused connection: %q", refused)
	}
}

func TestClient_hidesTheRequestKeyThatARedirectEchoes(t *testing.T) {
	c, server := plain(t, func(r qliktest.Request) qliktest.Response {
		return qliktest.Response{Status: 302, Header: http.Header{"Location": {"http://%zz/?xrfkey=" + r.Key}}}
	})
	text := c.Ping(t.Context()).Error()
	if key := server.Requests()[0].Key; strings.Contains(text, key) {
		t.Errorf("%q shows the key %s", text, key)
	}
}

func TestError_tellsOthersOfTheTroubleAndNotOfWhatWasAsked(t *testing.T) {
	c, _ := plain(t, always(qliktest.Response{Status: 503}))
	_, err := c.ScriptLogTicketByFile(t.Context(), idA, idB)
	failed, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(failed.Error(), idA) {
		t.Fatalf("want an error that says what was asked, got %v", err)
	}
	want := fmt.Sprintf("endpoint: reloadtask, host: 127.0.0.1, port: %s, method: GET, expectedStatus: 200, status: 503", c.base.Port())
	if diff := cmp.Diff(want, failed.Trouble()); diff != "" {
		t.Errorf("trouble (-want +got):\n%s", diff)
	}
}
