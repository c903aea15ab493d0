package mqttconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"butler/internal/destination"
)

// Probe implements destination.Prober: it connects, logs in and disconnects. It makes a
// connection of its own; the broker may end another one with the same client ID.
func (c *Conn) Probe() destination.Probe {
	return destination.Probe{Key: "mqtt " + c.o.Address + c.o.WebSocket, Run: c.look}
}

var _ destination.Prober = (*Conn)(nil)

func (c *Conn) look(ctx context.Context) (destination.ProbeResult, error) {
	seen := destination.ProbeResult{Address: c.o.Address, Detail: "not encrypted"}
	once := &Conn{o: c.o, log: c.log}
	if c.o.TLS != nil {
		once.o.TLS = func() (*tls.Config, error) {
			settings, err := c.o.TLS()
			if err != nil {
				return nil, err
			}
			settings.VerifyConnection = func(state tls.ConnectionState) error {
				seen.Detail, seen.CertificateEnds = tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter
				return nil
			}
			return settings, nil
		}
	}
	began := time.Now()
	l, err := once.open(ctx)
	if err != nil {
		return destination.ProbeResult{}, fmt.Errorf("connect to %s: %s", c.o.Address, why(err))
	}
	took := time.Since(began)
	l.leave()
	seen.Detail += fmt.Sprintf(", the broker accepts the client after %d ms", took.Milliseconds())
	return seen, nil
}
