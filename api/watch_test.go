package api

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"butler/internal/apikey"

	"butler/messages"
)

const watchPath = "/v4/keyvalues/{namespace}/watch"

func TestContract_watch(t *testing.T) {
	for _, r := range []request{
		{name: "watch", method: "GET", target: "/v4/keyvalues/etl/watch", want: 200},
		{name: "head of a watch", method: "HEAD", target: "/v4/keyvalues/etl/watch", want: 200},
		{name: "watch of an unknown namespace", method: "GET", target: "/v4/keyvalues/no/watch", want: 400},
	} {
		c := newContract(t, func(o *Options) { o.KeyValues = newStore() })
		path := watchPath
		if r.method == "HEAD" {
			path = ""
		}
		body := string(c.call(path, r))
		want := "retry: 3000\n\nid: 7\nevent: ready\ndata: {\"namespace\":\"etl\",\"revision\":7,\"resumed\":false}\n\nevent: ended\ndata: {\"reason\":\"deleted\"}\n\n"
		if r.method == "GET" && r.want == 200 && body != want {
			t.Errorf("%s: want\n%s got\n%s", r.name, want, body)
		}
	}
}

// watching opens a watch over a socket and returns its lines.
func watching(t *testing.T, c *contract, header ...string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /v4/keyvalues/etl/watch HTTP/1.1\r\nHost: localhost\r\n%s\r\n", strings.Join(append(header, ""), "\r\n"))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("want a stream of events, got %d, %s", answer.StatusCode, got)
	}
	return conn, bufio.NewReader(answer.Body)
}

// next returns the next line that begins so.
func next(t *testing.T, lines *bufio.Reader, prefix string) string {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("want a line that begins with %q, got %v", prefix, err)
		}
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSpace(line)
		}
	}
}

func TestWatch_tellsChangesAndThatItLives(t *testing.T) {
	s := newStore()
	s.events = make(chan any, 10)
	c := newContract(t, func(o *Options) { o.KeyValues, o.Heartbeat = s, 20*time.Millisecond })
	_, lines := watching(t, c, "Last-Event-ID: 7")
	if got := next(t, lines, "data: "); got != `data: {"namespace":"etl","revision":7,"resumed":true}` {
		t.Errorf("want the watch resumed, got %s", got)
	}
	next(t, lines, ": still here")
	at := time.UnixMilli(1_900_000_000_000).UTC()
	s.events <- messages.ValueChanged{Namespace: "etl", Key: "a\nb", Change: messages.ChangePut, Value: "", TTL: time.Minute, Revision: 8, At: at}
	s.events <- messages.ValueChanged{Namespace: "etl", Key: "a", Change: messages.ChangeExpired, Revision: 9, At: at}
	for _, want := range []string{
		`id: 8`, `event: put`, `data: {"namespace":"etl","key":"a\nb","value":"","ttl":60000,"revision":8,"at":"2030-03-17T17:46:40Z"}`,
		`id: 9`, `event: expired`, `data: {"namespace":"etl","key":"a","revision":9,"at":"2030-03-17T17:46:40Z"}`,
	} {
		if got := next(t, lines, want[:strings.Index(want, ":")]); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
	next(t, lines, ": still here")
	if got := s.confirmed.Load(); got != 9 {
		t.Errorf("want everything confirmed that was sent, got %d", got)
	}
}

func TestWatch_cutsOffWhoDoesNotRead(t *testing.T) {
	s := newStore()
	s.events = make(chan any)
	c := newContract(t, func(o *Options) { o.KeyValues, o.Heartbeat = s, 100*time.Millisecond })
	watching(t, c)
	value := strings.Repeat("v", 1<<20)
	for revision := uint64(8); s.ended.Load() == 0; revision++ {
		select {
		case s.events <- messages.ValueChanged{Namespace: "etl", Key: "a", Change: messages.ChangePut, Value: value, Revision: revision}:
		case <-time.After(50 * time.Millisecond):
		}
		if revision > 10_000 {
			t.Fatal("want the watch of a client that takes nothing ended")
		}
	}
}

func TestWatch_endsWhenItsKeyIsRevoked(t *testing.T) {
	s := newStore()
	s.events = make(chan any, 1)
	var revoked atomic.Bool
	c := newContract(t, func(o *Options) {
		o.KeyValues, o.Heartbeat = s, 20*time.Millisecond
		o.Access = func(key string, connection *tls.ConnectionState) (apikey.Principal, error) {
			if revoked.Load() {
				return apikey.Principal{}, apikey.Refusal{}
			}
			return known(key, connection)
		}
	})
	_, lines := watching(t, c, "X-API-Key: writer")
	next(t, lines, ": still here")
	revoked.Store(true)
	if got := next(t, lines, "data: "); got != `data: {"reason":"refused"}` {
		t.Errorf("want the watch ended, got %s", got)
	}
}

func TestWatch_isForSoMany(t *testing.T) {
	s := newStore()
	s.events = make(chan any)
	c := newContract(t, func(o *Options) { o.KeyValues = s })
	for range maxStreams {
		watching(t, c)
	}
	c.call(watchPath, request{name: "one too many", method: "GET", target: "/v4/keyvalues/etl/watch", want: 503})
}

func TestWatch_endsWhenTheServiceStops(t *testing.T) {
	s := newStore()
	s.events = make(chan any)
	var lines *bufio.Reader
	t.Run("service", func(t *testing.T) {
		c := newContract(t, func(o *Options) { o.KeyValues = s })
		conn, stream := watching(t, c)
		lines = stream
		_ = conn // closed by the end of the inner test, after the service
		next(t, lines, "event: ready")
		t.Cleanup(func() {
			if s.ended.Load() != 0 {
				t.Error("the watch has ended before the service")
			}
		})
	})
	if s.ended.Load() != 1 {
		t.Error("want the watch ended with the service")
	}
}
