package email

import (
	"context"
	"crypto/tls"
	"fmt"

	"butler/internal/destination"
)

// Probe implements destination.Prober with a session that sends no mail.
func (s *sender) Probe() destination.Probe {
	// All uses of the section have the same settings.
	return destination.Probe{Key: "smtp " + s.pool.address, Run: s.pool.probe}
}

var _ destination.Prober = (*sender)(nil)

// probe connects, starts TLS and logs in as for a mail, and quits.
func (s server) probe(ctx context.Context) (destination.ProbeResult, error) {
	seen := destination.ProbeResult{Address: s.address}
	err := s.classify(ctx, func() (step, error) {
		opened, at, err := s.open(ctx)
		if err != nil {
			return at, err
		}
		defer opened.quit()
		state, protected := opened.client.TLSConnectionState()
		seen.Detail = "not encrypted"
		if protected {
			seen.Detail = tls.VersionName(state.Version)
			seen.CertificateEnds = state.PeerCertificates[0].NotAfter
		}
		return "", nil
	})
	if err != nil {
		return destination.ProbeResult{}, err
	}
	if !s.settings.Auth.Enable {
		seen.Detail += ", no login is configured"
		return seen, nil
	}
	if seen.CertificateEnds.IsZero() {
		seen.Warning, seen.Remedy = "the password goes over the network in clear text", "let the server offer STARTTLS, and set smtp.tls.requireTLS to true"
	}
	seen.Detail = fmt.Sprintf("%s, logged in", seen.Detail)
	return seen, nil
}
