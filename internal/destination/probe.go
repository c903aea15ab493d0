package destination

import (
	"context"
	"time"
)

// Prober is a Destination that can look at the way to its provider without
// sending anything that anybody gets.
type Prober interface {
	// Probe returns how to look. It calls nobody.
	Probe() Probe
}

// Probe is a look at the way to a provider.
type Probe struct {
	// Key is the same where one look is as good as another. It may hold secrets
	// and is never shown.
	Key string
	// Local says that the way does not leave this machine.
	Local bool
	// Look goes the way that an attempt goes, as far as it can without sending
	// anything. It is bound to what an attempt is bound to: it ends with its
	// context, and its errors are classified and show no secret.
	Look func(ctx context.Context) (Sight, error)
}

// Sight is what was seen on the way to a provider.
type Sight struct {
	// Address is who answered.
	Address string
	// Detail is what else was seen, in words.
	Detail string
	// Doubt is what may not work although somebody answers, and Mend what to do
	// about it; "" for none.
	Doubt, Mend string
	// CertificateEnds is when the certificate of the provider ends; the zero time without one.
	CertificateEnds time.Time
	// Clock is the time that the provider told; the zero time when it told none.
	Clock time.Time
}
