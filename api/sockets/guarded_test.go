package sockets

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func TestGuarded_waitsUntilTheDeadlineThatWasSetLast(t *testing.T) {
	in := func(d time.Duration) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) {
			t.Helper()
			if err := c.SetDeadline(time.Now().Add(d)); err != nil {
				t.Error(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		set  []func(*testing.T, net.Conn)
		want time.Duration
	}{
		"one":                      {set: []func(*testing.T, net.Conn){in(time.Minute)}, want: time.Minute},
		"moved to a later time":    {set: []func(*testing.T, net.Conn){in(time.Second), in(time.Minute), in(time.Hour)}, want: time.Hour},
		"moved to an earlier time": {set: []func(*testing.T, net.Conn){in(time.Hour), in(time.Minute)}, want: time.Minute},
		"moved to and fro":         {set: []func(*testing.T, net.Conn){in(time.Minute), in(time.Hour), in(2 * time.Minute)}, want: 2 * time.Minute},
		"over already":             {set: []func(*testing.T, net.Conn){in(time.Minute), in(-time.Second)}, want: 0},
	} {
		for way, use := range map[string]func(net.Conn, []byte) (int, error){"read": net.Conn.Read, "write": net.Conn.Write} {
			t.Run(way+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					conn, other := pipe()
					defer other.Close()
					for _, set := range tt.set {
						set(t, conn)
					}
					began := time.Now()
					n, err := use(conn, make([]byte, 1))
					if took := time.Since(began); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != tt.want {
						t.Errorf("want an end after %s, got %d bytes and %v after %s", tt.want, n, err, took)
					}
				})
			})
		}
	}
}

func TestGuarded_goesOnWhenADeadlineIsOverThatWasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, other := pipe()
		defer other.Close()
		deadline := func(to time.Time) {
			if err := conn.SetDeadline(to); err != nil {
				t.Error(err)
			}
		}
		deadline(time.Now().Add(time.Second))
		time.Sleep(time.Minute)
		deadline(time.Now().Add(time.Hour))
		go func() {
			half := make([]byte, 2)
			_, _ = io.ReadFull(other, half) // the rest of what is written has to wait
			time.Sleep(time.Minute)
			_, _ = io.ReadFull(other, half)
			_, _ = other.Write([]byte("answer"))
		}()
		if n, err := conn.Write([]byte("call")); n != 4 || err != nil {
			t.Errorf("want 4 bytes written, got %d, %v", n, err)
		}
		deadline(time.Time{})
		answer := make([]byte, 6)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "answer" {
			t.Errorf("want the answer, got %q, %v", answer, err)
		}
	})
}

func TestGuarded_isWokenByAnEarlierDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, other := pipe()
		defer other.Close()
		if err := errors.Join(conn.SetReadDeadline(time.Now().Add(time.Minute)), conn.SetReadDeadline(time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { _ = conn.SetReadDeadline(time.Now()) })
		began := time.Now()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("want an end after a second, got %v after %s", err, time.Since(began))
		}
	})
}

// pipe returns a guarded connection and its other end.
func pipe() (conn, other net.Conn) {
	here, there := net.Pipe()
	return newGuarded(here, func() {}), there
}

// What is not read is no matter of TLS: it is the system that resets a connection.
func TestLinger_knowsWhatIsBelowTLS(t *testing.T) {
	named := httptest.NewTLSServer(http.NotFoundHandler())
	defer named.Close()
	listener, err := listen("127.0.0.1:0", "port", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := tls.NewListener(listener, &tls.Config{Certificates: named.TLS.Certificates}).Accept()
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, 1))
			_, _ = io.WriteString(conn, "no")
			Linger(conn)
			_ = conn.Close()
		}
		served <- err
	}()
	trust := named.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	client, err := (&tls.Dialer{Config: trust}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, wrote := client.Write(make([]byte, 256<<10))
	answer, read := io.ReadAll(client)
	_, more := client.Write(make([]byte, 1<<20))
	if err := errors.Join(wrote, read, more); err != nil || string(answer) != "no" {
		t.Errorf("want the answer, and what follows read, got %q, %v", answer, err)
	}
	_ = client.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// halves is a connection of which each direction ends by itself.
type halves struct{ net.Conn }

func (halves) CloseWrite() error { return nil }

func TestLinger_isOverAfterAWhile(t *testing.T) {
	for name, tt := range map[string]struct {
		linger bool
		conn   func(net.Conn) net.Conn
		says   string
		want   time.Duration
	}{
		"a client that says nothing":          {linger: true, want: lingerTime},
		"a client that says little":           {linger: true, says: "aa", want: lingerTime},
		"one that cannot be closed by halves": {linger: true, conn: func(c net.Conn) net.Conn { return c }},
		"one that does not linger":            {says: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				for range tt.says {
					go func() { _, _ = io.WriteString(far, "a") }()
				}
				left := false
				conn := newGuarded(halves{near}, func() { left = true })
				if tt.conn != nil {
					conn.Conn = tt.conn(near)
				}
				if tt.linger {
					Linger(conn)
				}
				began := time.Now()
				err := conn.Close()
				if took := time.Since(began); err != nil || took != tt.want || !left {
					t.Errorf("want the connection closed and its place free after %s, got %v after %s, free: %t", tt.want, err, took, left)
				}
			})
		})
	}
}
