package neterr_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"

	"butler/internal/neterr"
)

func TestReason_isTheSameForEveryProtocol(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		want string
	}{
		"unknown name": {&net.DNSError{Name: "hook.example.com", IsNotFound: true}, "the host name hook.example.com is not known to DNS"},
		"silent DNS":   {&net.DNSError{Name: "hook.example.com", IsTimeout: true}, "DNS does not answer for the host name hook.example.com"},
		"refused":      {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "host refuses connections"},
		"no route":     {&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, "no network route leads to host"},
		"reset":        {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "host broke the connection"},
		"closed":       {io.EOF, "host closed the connection"},
		"cancelled":    {context.Canceled, "the attempt was cancelled"},
		"deadline":     {context.DeadlineExceeded, "host did not answer in time"},
		"wrong name":   {&tls.CertificateVerificationError{Err: errors.New("it is valid for other")}, "the certificate of host is not trusted: it is valid for other"},
		"unknown CA":   {x509.UnknownAuthorityError{}, "the certificate of host is not trusted: x509: certificate signed by unknown authority"},
		"other":        {errors.New("something else"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{row.err, &url.Error{Op: "Post", URL: "https://host/", Err: row.err}, fmt.Errorf("network Error : %w", row.err)} {
				if got := neterr.Reason(err, "host"); got != row.want {
					t.Errorf("%v: got %q, want %q", err, got, row.want)
				}
			}
		})
	}
}
