package mqtt

import (
	"context"
	"errors"

	"butler/internal/destination"
)

// Probe implements destination.Prober. It fails if the connection is no Prober.
func (p *publisher) Probe() destination.Probe {
	if broker, ok := p.broker.(destination.Prober); ok {
		return broker.Probe()
	}
	return destination.Probe{Key: name, Run: func(context.Context) (destination.ProbeResult, error) {
		return destination.ProbeResult{}, errors.New("this connection to the MQTT broker can only be used, not looked at")
	}}
}

var _ destination.Prober = (*publisher)(nil)
