package sockets

import (
	"net"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestListen_saysWhenItIsTheServiceItselfThatHasThePort(t *testing.T) {
	const keys = "operations.host, operations.port"
	var shared Shared
	listener, err := shared.Listen("127.0.0.1:0", keys, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	shared.open[place{"localhost:" + port, keys}] = &socket{} // as it was asked for
	_, err = shared.Listen("0.0.0.0:"+port, keys, zap.NewNop())
	want := "this service itself has localhost:" + port + " (" + keys + "); choose another port, or restart the service"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}
