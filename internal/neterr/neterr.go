// Package neterr owns how failures of network connections are told to operators.
//
// It guarantees one wording for the same failure of every protocol, without the names
// of system calls. It must never say more than the error does.
package neterr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"

	"butler/internal/oserr"
)

// Reason returns why peer, such as "smtp.example.com:25" or "the broker", was not
// reached or did not answer. It is "" for an error that is not about the connection.
func Reason(err error, peer string) string {
	if errors.Is(err, context.Canceled) {
		return "the attempt was cancelled"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the host name " + dns.Name + " is not known to DNS"
		}
		return "DNS does not answer for the host name " + dns.Name
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return peer + " did not answer in time"
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate of " + peer + " is not trusted: " + untrusted.Err.Error()
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate of " + peer + " is not trusted: " + unknown.Error()
	}
	switch {
	case oserr.Is(err, syscall.ECONNREFUSED):
		return peer + " refuses connections"
	case oserr.Is(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH):
		return "no network route leads to " + peer
	case oserr.Is(err, syscall.ECONNRESET, syscall.EPIPE):
		return peer + " broke the connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return peer + " closed the connection"
	}
	return ""
}
