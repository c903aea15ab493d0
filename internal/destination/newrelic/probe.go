package newrelic

import (
	"butler/internal/destination"
	"butler/internal/httpc"
)

// Probe implements destination.Prober.
func (s *sender) Probe() destination.Probe { return httpc.Probe(s.client, s.address) }

var _ destination.Prober = (*sender)(nil)
