package backoff

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCeiling_doublesUpToTheMaximum(t *testing.T) {
	p := Policy{Base: time.Second, Max: 10 * time.Second}
	for failures, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second,
		5: 10 * time.Second, 6: 10 * time.Second, 1_000_000: 10 * time.Second,
	} {
		if got := p.Ceiling(failures); got != want {
			t.Errorf("ceiling after %d failures is %s, want %s", failures, got, want)
		}
	}
}

func TestDelay_isSpreadBetweenMinAndCeiling(t *testing.T) {
	p := Policy{Base: 10 * time.Second, Max: time.Minute, Min: 2 * time.Second}
	random := rand.New(rand.NewPCG(1, 1))
	const draws = 10_000
	var sum time.Duration
	for range draws {
		d := p.Delay(2, random)
		if d < p.Min || d > 20*time.Second {
			t.Fatalf("delay is %s, want 2s to 20s", d)
		}
		sum += d
	}
	if mean := sum / draws; mean < 10*time.Second || mean > 12*time.Second {
		t.Errorf("mean delay is %s, want about 11s", mean)
	}
}

func TestDelay_neverLeavesItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, name))
		}
		p := Policy{Base: duration("base"), Max: duration("max"), Min: duration("min")}
		failures := rapid.IntRange(-1, 200).Draw(t, "failures")
		got := p.Delay(failures, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		if got < p.Min || got > max(p.Ceiling(failures), p.Min) {
			t.Fatalf("delay is %s, want %s to %s", got, p.Min, p.Ceiling(failures))
		}
		if p.Ceiling(failures) > max(p.Base, p.Max) {
			t.Fatalf("ceiling is %s, want at most %s", p.Ceiling(failures), max(p.Base, p.Max))
		}
	})
}

func TestDelay_ofTheZeroPolicyIsNothing(t *testing.T) {
	if got := (Policy{}).Delay(3, rand.New(rand.NewPCG(1, 1))); got != 0 {
		t.Errorf("delay is %s, want none", got)
	}
}
