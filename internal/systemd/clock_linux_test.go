package systemd_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"butler/internal/systemd"
)

func TestNotifier_sendsTheMonotonicTimeOfAReload(t *testing.T) {
	path, heard := listen(t)
	clock := func() int64 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
			t.Fatal(err)
		}
		return now.Nano() / 1000
	}
	before := clock()
	if err := systemd.New(path).Reloading(); err != nil {
		t.Fatal(err)
	}
	after := clock()
	var at int64
	const form = "RELOADING=1\nMONOTONIC_USEC=%d\nSTATUS=reloading its configuration"
	got := heard()
	if _, err := fmt.Sscanf(got, form, &at); err != nil || at < before || at > after {
		t.Errorf("want the time from %d to %d in %q, got %q", before, after, form, got)
	}
}
