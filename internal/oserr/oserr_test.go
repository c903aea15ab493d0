package oserr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"butler/internal/oserr"
	"butler/internal/porttest"
)

func TestIs_knowsWhatTheSystemSays(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, taken := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, refused := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(porttest.Of(t, "tcp"))))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, noDirectory := os.ReadDir(file)
	for _, c := range []struct {
		err     error
		meaning syscall.Errno
	}{
		{taken, syscall.EADDRINUSE},
		{refused, syscall.ECONNREFUSED},
		{noDirectory, syscall.ENOTDIR},
	} {
		if !oserr.Is(fmt.Errorf("in a tree: %w", c.err), syscall.EPIPE, c.meaning) {
			t.Errorf("%v is not taken for %v", c.err, c.meaning)
		}
		if oserr.Is(c.err, syscall.EPIPE) || oserr.Is(c.err) {
			t.Errorf("%v is taken for what it is not", c.err)
		}
	}
	if oserr.Is(nil, syscall.EPIPE) || oserr.Is(errors.New("broken pipe"), syscall.EPIPE) {
		t.Error("what is no error of the system is taken for one")
	}
}
