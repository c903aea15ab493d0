package destinationtest

import (
	"context"
	"testing"
	"time"

	"butler/internal/destination"
)

// testProbe looks at the way to a provider that is well and to one that is silent.
func (fx Fixture) testProbe(t *testing.T) {
	b := fx.start(t)
	looks := b.looks(t)
	if len(b.Arrived) > 0 {
		t.Error("Probe calls the provider; only Look may")
	}
	for _, look := range looks {
		ctx, cancel := context.WithTimeout(t.Context(), fx.limit())
		seen, err := look(ctx)
		cancel()
		if err != nil || seen.Detail == "" {
			t.Errorf("a provider that is well: %+v, %v", seen, err)
		}
	}
	if b.Received != nil {
		if got := b.Received(); len(got) > 0 {
			t.Errorf("a look sends something: %q", got)
		}
	}
	if b.Stall == nil {
		return
	}
	b.Stall()
	for _, look := range looks {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		_, err := look(ctx)
		cancel()
		if took := time.Since(began); took > fx.limit() {
			t.Errorf("a look at a silent provider took %s", took)
		}
		b.checkText(t, err)
	}
}

// looks returns one look for each key, none for a provider whose connection belongs to the program.
func (b *bench) looks(t *testing.T) []func(context.Context) (destination.ProbeResult, error) {
	t.Helper()
	var out []func(context.Context) (destination.ProbeResult, error)
	known := map[string]bool{}
	for _, built := range b.built {
		prober, ok := built.Destination.(destination.Prober)
		if !ok {
			t.Fatalf("%s is no destination.Prober", built.Instance.Name)
		}
		if _, own := b.Publisher.(destination.Prober); b.Publisher != nil && !own {
			return nil
		}
		probe := prober.Probe()
		if !known[probe.Key] {
			known[probe.Key] = true
			out = append(out, probe.Run)
		}
	}
	return out
}
