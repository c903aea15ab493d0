package disklog

import (
	"context"

	"butler/internal/destination"
	"butler/internal/disk"
)

// Probe implements destination.Prober. It creates and removes a file in the archive's
// directory or, if that does not exist, in the nearest existing directory above it.
func (a *archive) Probe() destination.Probe {
	return destination.Probe{Key: name + " " + a.directory, Local: true, Run: func(ctx context.Context) (destination.ProbeResult, error) {
		seen := destination.ProbeResult{Address: a.directory, Detail: "can be written"}
		at := disk.Nearest(a.directory)
		if at != a.directory {
			seen.Detail = "is created with the first script log"
		}
		_, err := disk.Try(ctx, at, 1)
		if err != nil {
			return destination.ProbeResult{}, destination.Misconfigured(err)
		}
		return seen, nil
	}}
}

var _ destination.Prober = (*archive)(nil)
