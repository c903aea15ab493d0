package world_test

import (
	"testing"

	"butler/internal/sim/world"
)

func BenchmarkWorld_task(b *testing.B) {
	w := world.New(world.Options{Seed: 1, Tasks: 1_000_000, Apps: 100_000, Now: newClock().now})
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		w.Task(w.TaskID(n))
	}
}
