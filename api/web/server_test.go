package web

import (
	"net"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestServer_boundsWhatEveryClientMayTake(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := New(listener, func(*fasthttp.RequestCtx) {}, func(*fasthttp.RequestCtx, error) {}, nil).http
	if s.ReadTimeout != RequestTimeout || s.WriteTimeout != RequestTimeout || s.IdleTimeout != IdleTimeout ||
		s.ReadBufferSize != MaxHead || s.MaxRequestBodySize != MaxBody || !s.DisablePreParseMultipartForm {
		t.Errorf("limits are missing: %+v", s)
	}
}
