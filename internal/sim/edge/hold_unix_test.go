//go:build unix

package edge_test

import (
	"net"
	"testing"
)

func TestHTTP_keepsItsPortWhileItRefuses(t *testing.T) {
	r := start(t)
	if err := r.Refuse(true); err != nil {
		t.Fatal(err)
	}
	if thief, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", r.Addr()); err == nil {
		_ = thief.Close()
		t.Errorf("%s was given to somebody else", r.Addr())
	}
}
