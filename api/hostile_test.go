package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"butler/api/operations"
	"butler/api/pages"
	"butler/api/sockets"
	"butler/api/web"
	"butler/api/web/webtest"
)

// noAdmin is an Admin whose methods are not called.
type noAdmin struct{ operations.Admin }

// servers starts every HTTP server of the service, changed before it serves.
func servers(t *testing.T, change func(*web.Server)) map[string]string {
	t.Helper()
	log := zap.NewNop()
	fine := func() (bool, string) { return true, "" }
	addresses := map[string]string{}
	start := func(name, path string, server *web.Server, err error) {
		if err != nil {
			t.Fatal(err)
		}
		change(server)
		webtest.Serve(t, server)
		addresses[name] = server.Address() + path
	}
	own, err := operations.Listen(operations.Options{Address: "127.0.0.1:0", Log: log, Admin: noAdmin{}, Metrics: http.NotFoundHandler(), Ready: fine})
	start("operations", "/healthz", own, err)
	rest, err := Listen(Options{Address: "127.0.0.1:0", Log: log, Audit: log, Endpoints: []string{"butlerping", "keyValueStore"}, KeyValues: newStore()})
	start("REST API", "/v4/butlerping", rest, err)
	page, err := pages.ListenConfiguration(pages.ConfigurationOptions{
		Address: "127.0.0.1:0", Log: log, View: func() (pages.Configuration, error) { return pages.Configuration{}, nil },
	})
	start("configuration page", "/", page, err)
	liveness, err := pages.ListenLiveness(nil, "127.0.0.1:0", fine)
	start("liveness", "/health", liveness, err)
	return addresses
}

// intruder is a connection that a test writes byte by byte.
type intruder struct {
	net.Conn
	t *testing.T
}

func intrude(t *testing.T, address string) *intruder {
	t.Helper()
	host, _, _ := strings.Cut(address, "/")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(webtest.Patience))
	return &intruder{conn, t}
}

// flood writes a beginning, and then the same again and again until the server
// ends it or most bytes are written, and returns how many.
func (i *intruder) flood(begin, again string, most int) (written int) {
	n, err := io.WriteString(i, begin)
	for written = n; err == nil && again != "" && written < most; written += n {
		n, err = io.WriteString(i, again)
	}
	return written
}

// status reads an answer; 0 when there is none but the end of the connection.
func (i *intruder) status() int {
	i.t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(i), nil)
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		i.t.Errorf("the server neither answered nor ended the connection")
	}
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		i.t.Errorf("the answer is not complete: %v", err)
	}
	return answer.StatusCode
}

// wantServed fails unless the server answers somebody else.
func wantServed(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), webtest.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := webtest.Client.Do(req)
	if err != nil {
		t.Errorf("want others served meanwhile: %v", err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("want others served meanwhile, got %s", answer.Status)
	}
}

func TestServers_endWhatIsTooMuchOrNoRequest(t *testing.T) {
	const most = 64 << 20
	addresses := servers(t, func(*web.Server) {})
	const chunked = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, row := range []struct {
		name, begin, again string
		want               []int // of the status; 0 stands for the end without an answer
	}{
		{"headers that never end", "GET / HTTP/1.1\r\nHost: localhost\r\n", "X-A: " + strings.Repeat("a", 1000) + "\r\n", []int{431, 0}},
		{"header that never ends", "GET / HTTP/1.1\r\nX: ", strings.Repeat("a", 1000), []int{431, 0}},
		{"address that never ends", "GET /", strings.Repeat("a", 1000), []int{431, 400, 0}},
		{"body announced too large", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n", "", []int{413}},
		{"body announced without measure", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", "", []int{400}},
		{"body of less than nothing", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "", []int{400}},
		{"two lengths", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", "", []int{400}},
		{"chunks that never end", chunked, "400\r\n" + strings.Repeat("a", 1024) + "\r\n", []int{413, 0}},
		{"chunk without measure", chunked + "7fffffffffffffff\r\n", strings.Repeat("a", 1024), []int{413, 400, 0}},
		{"chunk size that never ends", chunked, strings.Repeat("0", 1024), []int{400, 0}},
		{"trailer that never ends", chunked + "0\r\n", "X-A: " + strings.Repeat("a", 1000) + "\r\n", []int{431, 400, 0}},
		{"form of many parts", "POST /v4/keyvalues/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n" +
			strings.Repeat("--b\r\n\r\n\r\n", 100_000), "", []int{415, 413, 405, 404}},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", []int{400, 404, 405, 0}},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "", []int{400}},
		{"noise", "\x00\xff\x1b[31m\r\n\r\n", "", []int{400}},
	} {
		for name, url := range addresses {
			t.Run(row.name+"/"+name, func(t *testing.T) {
				i := intrude(t, url)
				if written := i.flood(row.begin, row.again, most); written >= most {
					t.Errorf("the server read %d bytes and went on", written)
				}
				if got := i.status(); !slices.Contains(row.want, got) {
					t.Errorf("status %d, want one of %v", got, row.want)
				}
				wantServed(t, url)
			})
		}
	}
}

// A request whose end two readers would see in two places hides another one from a proxy:
// it is refused, and nothing that follows it is read.
func TestServers_refuseARequestWhoseEndIsInDoubt(t *testing.T) {
	addresses := servers(t, func(*web.Server) {})
	const second = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, first := range map[string]string{
		"length and chunks":  "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and length":  "POST / HTTP/1.1\r\nHost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
		"nothing but itself": "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n",
		"chunks of HTTP/1.0": "POST / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		for server, url := range addresses {
			t.Run(name+"/"+server, func(t *testing.T) {
				i := intrude(t, url)
				if _, err := io.WriteString(i, first+second); err != nil {
					t.Fatal(err)
				}
				answer, err := io.ReadAll(i)
				if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || strings.Count(string(answer), "HTTP/1.1 ") != 1 {
					t.Errorf("want one 400, and then the end, got %q, %v", answer, err)
				}
			})
		}
	}
}

// Who says more than is read is told so, and may say it to the end: a connection that
// is reset takes the answer with it.
func TestServers_answerWhoSaysTooMuch(t *testing.T) {
	addresses := servers(t, func(*web.Server) {})
	for name, row := range map[string]struct{ begin, want string }{
		"body announced too large": {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4194304\r\n\r\n", "HTTP/1.1 413 "},
		"chunk too large":          {"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n", "HTTP/1.1 413 "},
		"headers too large":        {"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", "HTTP/1.1 431 "},
		"no request":               {"hello\r\n\r\n", "HTTP/1.1 400 "},
		"body that was asked for":  {"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4194304\r\n\r\n", "HTTP/1.1 413 "},
	} {
		for server, url := range addresses {
			t.Run(name+"/"+server, func(t *testing.T) {
				i := intrude(t, url)
				more := strings.Repeat("a", 64<<10)
				if _, err := io.WriteString(i, row.begin+more); err != nil {
					t.Fatal(err)
				}
				if answer, err := io.ReadAll(i); err != nil || !strings.HasPrefix(string(answer), row.want) {
					t.Errorf("want %q, and then the end, got %.100q, %v", row.want, answer, err)
				}
				for range 32 {
					if _, err := io.WriteString(i, more); err != nil {
						t.Fatalf("want what follows read, got %v", err)
					}
				}
			})
		}
	}
}

// Who waits to be asked for its body is asked for one that is not too large.
func TestServers_askForWhatTheyRead(t *testing.T) {
	bodiless := []string{"configuration page", "liveness", "operations"}
	for _, length := range []int{web.SmallBody, web.MaxBody, web.MaxBody + 1} {
		for name, url := range servers(t, func(*web.Server) {}) {
			want := "HTTP/1.1 100 "
			if length > web.MaxBody || length > web.SmallBody && slices.Contains(bodiless, name) {
				want = "HTTP/1.1 413 "
			}
			t.Run(fmt.Sprint(length, "/", name), func(t *testing.T) {
				i := intrude(t, url)
				fmt.Fprintf(i, "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", length)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(i, got); err != nil || string(got) != want {
					t.Errorf("want %q, got %q, %v", want, got, err)
				}
			})
		}
	}
}

// A request has one deadline from its first byte to its last: one that trickles
// is ended like one that stops.
func TestServers_endARequestThatTrickles(t *testing.T) {
	for name, url := range servers(t, func(s *web.Server) { s.SetTimeouts(time.Second, time.Second) }) {
		for what, begin := range map[string]string{
			"nothing":  "",
			"headers":  "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ",
			"body":     "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
			"chunks":   "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
			"remark":   "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;",
			"silence":  "GET / HTTP/1.1\r\nHost: localhost\r\n",
			"promised": "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
		} {
			t.Run(what+"/"+name, func(t *testing.T) {
				t.Parallel()
				i := intrude(t, url)
				_, _ = io.WriteString(i, begin)
				stop := make(chan struct{})
				trickled := make(chan struct{})
				go func() {
					defer close(trickled)
					tick := time.NewTicker(50 * time.Millisecond)
					defer tick.Stop()
					for what != "nothing" && what != "silence" {
						select {
						case <-stop:
							return
						case <-tick.C:
							_, _ = io.WriteString(i, "a")
						}
					}
				}()
				begun := time.Now()
				_, err := io.Copy(io.Discard, i)
				close(stop)
				<-trickled
				if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
					t.Errorf("the connection was open after %s", time.Since(begun))
				}
				wantServed(t, url)
			})
		}
	}
}

// One client that opens whatever it can takes nothing from another.
func TestServers_limitConnections(t *testing.T) {
	for name, url := range servers(t, func(*web.Server) {}) {
		t.Run(name, func(t *testing.T) {
			var flood []*intruder
			for range sockets.MaxPerClient {
				flood = append(flood, intrude(t, url))
			}
			beyond := intrude(t, url)
			if n, err := beyond.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("want the connection beyond the limit closed, got %d bytes, %v", n, err)
			}
			if late, ok := errors.AsType[net.Error](func() error { _, err := beyond.Read(make([]byte, 1)); return err }()); ok && late.Timeout() {
				t.Error("want the connection beyond the limit closed, it is open")
			}
			for _, i := range flood[:2] {
				_ = i.Close()
			}
			deadline := time.Now().Add(webtest.Patience)
			for {
				i := intrude(t, url)
				_, path, _ := strings.Cut(url, "/")
				fmt.Fprintf(i, "GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path)
				if i.status() == http.StatusOK {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("want a place free again when others have left")
				}
			}
		})
	}
}
