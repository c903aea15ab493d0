package qrs

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"butler/messages"
)

// maxRetries is how often a reading call is repeated.
const maxRetries = 2

// worthRepeating reports whether the same call may succeed in a moment: the connection
// broke, or a gateway answered. A call that timed out is not repeated, because the QRS
// is overloaded then.
func worthRepeating(err error) bool {
	failed, ok := errors.AsType[*Error](err)
	if !ok || failed.Kind != messages.FailureUnavailable {
		return false
	}
	switch failed.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 0:
		return !errors.Is(failed.err, context.Canceled) && !isCertificateProblem(failed.err)
	}
	return false
}

// isCertificateProblem reports whether either side refused the other's certificate.
func isCertificateProblem(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	alert, ok := errors.AsType[*net.OpError](err)
	return ok && alert.Op == "remote error"
}

// pause waits before repetition number attempt (from 0). It reports false, at
// once, when the context would end first.
func (c *Client) pause(ctx context.Context, attempt int) bool {
	wait := c.random.jitter(c.retryWait << attempt)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// random makes one source of randomness safe for concurrent use.
type random struct {
	mu     sync.Mutex
	source io.Reader
}

func (r *random) read(into []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := io.ReadFull(r.source, into)
	return err
}

// jitter returns a duration between half of d and d.
func (r *random) jitter(d time.Duration) time.Duration {
	var b [2]byte
	if r.read(b[:]) != nil {
		return d
	}
	part := float64(uint16(b[0])<<8|uint16(b[1])) / 0xFFFF
	return d/2 + time.Duration(part*float64(d/2))
}

const (
	keyLength   = 16
	keyAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// requestKey draws the sixteen letters and digits that protect a request
// against forgery from another site. Bytes that would favour some of the 62
// characters are skipped.
func (r *random) requestKey() (string, error) {
	key := make([]byte, 0, keyLength)
	for range 32 {
		var drawn [2 * keyLength]byte
		if err := r.read(drawn[:]); err != nil {
			return "", err
		}
		for _, b := range drawn {
			if b &= 0x3F; int(b) < len(keyAlphabet) && len(key) < keyLength {
				key = append(key, keyAlphabet[b])
			}
		}
		if len(key) == keyLength {
			return string(key), nil
		}
	}
	return "", errors.New("the source of randomness is not random")
}
