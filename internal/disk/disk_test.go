package disk_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"butler/internal/disk"
)

func TestTry_measuresAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	speed, err := disk.Try(t.Context(), dir, 5)
	if err != nil || speed.Median <= 0 || speed.Slowest < speed.Median {
		t.Errorf("got %+v, %v", speed, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := disk.Try(ended, dir, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("want the end of the context, got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSpeed_isKnownWhereTheClockMovesInSteps(t *testing.T) {
	const step = 9 * time.Millisecond
	for _, c := range []struct {
		took []time.Duration
		want disk.Speed
	}{
		{[]time.Duration{3, 1, 2}, disk.Speed{Median: 2, Slowest: 3}},
		{[]time.Duration{0, step, 0}, disk.Speed{Median: step / 3, Slowest: step}},
		{[]time.Duration{0, 0, 0}, disk.Speed{}},
	} {
		if got := disk.SpeedOf(c.took); got != c.want {
			t.Errorf("%v: want %+v, got %+v", c.took, c.want, got)
		}
	}
}

func TestTry_saysWhyNothingCanBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), filepath.Join(t.TempDir(), "missing")} {
		if _, err := disk.Try(t.Context(), dir, 1); err == nil {
			t.Errorf("%s can be written", dir)
		}
	}
}

func TestNearest_findsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "a"), filepath.Join(dir, "a", "b", "c")} {
		if got := disk.Nearest(path); got != dir {
			t.Errorf("%s: want %s, got %s", path, dir, got)
		}
	}
}

func TestFree_tellsOfTheRoom(t *testing.T) {
	if free, err := disk.Free(t.TempDir()); err != nil || free == 0 {
		t.Errorf("got %d, %v", free, err)
	}
	if _, err := disk.Free(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("there is room in a directory that is not there")
	}
}
