// Package disk owns what can be found out about a directory before somebody
// relies on it: whether files can be made there, how long it takes until they are
// on the disk, and how much room is left.
//
// It guarantees that nothing stays behind. It must never write into a file that
// it did not make.
package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Nearest returns the directory itself, or the nearest above it that is there.
func Nearest(dir string) string {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			return at
		}
	}
}

// Speed is how long it takes until a small record is on the disk. Where the clock
// moves in steps longer than that, as on Windows, Median is the mean. It is 0 where
// all writes together take less than a step.
type Speed struct{ Median, Slowest time.Duration }

// block is the size of what is written at once: about a record of the journal.
const block = 4 << 10

// Try makes a file in a directory, writes to it so many times, each time until
// it is on the disk, and removes it. It ends soon after ctx.
func Try(ctx context.Context, dir string, times int) (speed Speed, err error) {
	f, err := os.CreateTemp(dir, ".butler-doctor-*")
	if err != nil {
		return Speed{}, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	took := make([]time.Duration, 0, times)
	for len(took) < times {
		if err := ctx.Err(); err != nil {
			return Speed{}, fmt.Errorf("write to the disk: %w", err)
		}
		began := time.Now()
		if _, err := f.Write(make([]byte, block)); err != nil {
			return Speed{}, err
		}
		if err := f.Sync(); err != nil {
			return Speed{}, err
		}
		took = append(took, time.Since(began))
	}
	return speedOf(took), nil
}

func speedOf(took []time.Duration) Speed {
	slices.Sort(took)
	out := Speed{Median: took[len(took)/2], Slowest: took[len(took)-1]}
	if out.Median == 0 {
		var sum time.Duration
		for _, one := range took {
			sum += one
		}
		out.Median = sum / time.Duration(len(took))
	}
	return out
}
