package systemd

import "golang.org/x/sys/unix"

// monotonic returns the time of the clock by which systemd orders reloads, in
// microseconds. The one in time.Time counts from the start of the process.
func monotonic() (int64, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano() / 1000, err
}
