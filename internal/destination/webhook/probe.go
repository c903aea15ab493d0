package webhook

import (
	"context"

	"butler/internal/destination"
	"butler/internal/httpc"
)

// Probe implements destination.Prober.
func (s *sender) Probe() destination.Probe {
	client, err := s.caller()
	if err != nil {
		return destination.Probe{
			Key: s.target.String(),
			Run: func(context.Context) (destination.ProbeResult, error) { return destination.ProbeResult{}, err },
		}
	}
	return httpc.Probe(client, s.target.String())
}

var _ destination.Prober = (*sender)(nil)
