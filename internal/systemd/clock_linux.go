package systemd

import "golang.org/x/sys/unix"

// monotonic returns the time of CLOCK_MONOTONIC, by which systemd orders reloads, in
// microseconds. The monotonic time in time.Time cannot be used: it begins with the process.
func monotonic() (int64, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano() / 1000, err
}
