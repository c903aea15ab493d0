package destination

import (
	"context"
	"time"
)

// Prober is a Destination that can check the connection to its provider without
// sending anything to a recipient.
type Prober interface {
	// Probe describes the check. It makes no call.
	Probe() Probe
}

// Probe is a check of the connection to a provider.
type Probe struct {
	// Key is the same for probes whose results are interchangeable. It may hold secrets
	// and is never shown.
	Key string
	// Local means that the connection does not leave this machine.
	Local bool
	// Run does what an attempt does as far as it can without sending anything. The rules for
	// attempts apply: it ends with its context, and its errors are classified and show no secret.
	Run func(ctx context.Context) (ProbeResult, error)
}

// ProbeResult is the result of a probe.
type ProbeResult struct {
	// Address is the address that answered.
	Address string
	// Detail is what else was found, in words.
	Detail string
	// Warning is what may not work although the provider answers, and Remedy what to do
	// about it; "" if there is nothing.
	Warning, Remedy string
	// CertificateEnds is when the provider's certificate expires; the zero time without one.
	CertificateEnds time.Time
	// Clock is the time that the provider reported; the zero time if it reported none.
	Clock time.Time
}
