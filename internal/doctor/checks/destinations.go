package checks

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"butler/internal/destination"
	"butler/internal/destination/mqtt"
	"butler/internal/doctor"
)

// The checks of the destinations. Nothing is sent.

// probed is a provider to probe, and the destination instances that share it.
type probed struct {
	probe destination.Probe
	// first is one of the instances, and count how many there are, which may be 0 for
	// the MQTT broker.
	first destination.Instance
	count int
}

// destinationChecks probe every provider once, whatever the number of its instances.
func destinationChecks(p *inspection) []doctor.Check {
	var providers []*probed
	known := map[string]*probed{}
	add := func(probe destination.Probe, i destination.Instance, count int) {
		key := i.Integration + " " + probe.Key
		if w, ok := known[key]; ok {
			w.count += count
			return
		}
		known[key] = &probed{probe, i, count}
		providers = append(providers, known[key])
	}
	var broker mqtt.Config
	if p.Config.Section("mqttConfig", &broker) == nil && broker.Enable {
		probe := p.Broker.Probe()
		if look := probe.Run; broker.AzureEventGrid.Enable {
			probe.Run = func(ctx context.Context) (destination.ProbeResult, error) {
				if _, runs := p.service(); runs {
					return destination.ProbeResult{Detail: "not looked at, because the service has this client ID in use; /health tells of its connection"}, nil
				}
				return look(ctx)
			}
		}
		add(probe, destination.Instance{Name: "mqtt", Path: "mqttConfig", Integration: "mqtt"}, 0)
	}
	for _, b := range p.Built {
		if prober, ok := b.Destination.(destination.Prober); ok {
			add(prober.Probe(), b.Instance, 1)
		}
	}
	checks := make([]doctor.Check, len(providers))
	for i, w := range providers {
		checks[i] = doctor.Check{Name: w.first.Integration, Network: !w.probe.Local, Run: w.findings}
	}
	return checks
}

func (w *probed) findings(ctx context.Context) []doctor.Finding {
	before := time.Now()
	seen, err := w.probe.Run(ctx)
	after := time.Now()
	users := fmt.Sprintf("for %d instances", w.count)
	if w.count <= 1 {
		users = "for " + w.first.Name
	}
	if err != nil {
		_, remedy := destination.Advise(err, w.first)
		return []doctor.Finding{doctor.Fail("", err.Error()+", "+users, remedy)}
	}
	address := cmp.Or(seen.Address, w.first.Name)
	out := []doctor.Finding{doctor.Good(address, "%s, in %d ms, %s", seen.Detail, after.Sub(before).Milliseconds(), users)}
	if seen.Warning != "" {
		out = append(out, doctor.Warn(address, seen.Warning, seen.Remedy))
	}
	// Only certificates and clocks that are not OK get a line.
	for _, judged := range []struct {
		known   bool
		finding func() doctor.Finding
	}{
		{!seen.CertificateEnds.IsZero(), func() doctor.Finding {
			return doctor.Certificate(address+" certificate", seen.CertificateEnds, after, "tell whoever runs it to renew the certificate")
		}},
		{!seen.Clock.IsZero(), func() doctor.Finding { return doctor.Clock(address+" clock", seen.Clock, before, after) }},
	} {
		if !judged.known {
			continue
		}
		if f := judged.finding(); f.Verdict != doctor.OK {
			out = append(out, f)
		}
	}
	return out
}
