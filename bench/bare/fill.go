package bare

import (
	"context"
	"fmt"
	"time"

	"butler/bench/load"
)

// fillPatience is how long Fill waits for another event to become durable.
const fillPatience = 10 * time.Second

// Fill puts n events into a journal in a directory, as a service leaves them when it
// is killed before it has decided about any.
func Fill(ctx context.Context, directory string, n int) error {
	intake, err := openIntake(directory)
	if err != nil {
		return err
	}
	defer intake.close()
	const rate, batch = 200_000, 100_000
	for stored, next := 0, 0; stored < n; {
		flood := load.Flood(rate, min(batch, n-stored), next)
		if _, err := flood.Send(ctx, intake.address); err != nil {
			return err
		}
		next += flood.Count
		now := settle(stored+flood.Count, fillPatience, intake.count)
		if now == stored {
			return fmt.Errorf("fill the journal: %d of %d events stored, and no more", stored, n)
		}
		stored = now
	}
	return nil
}
