//go:build !linux

package systemd

import "errors"

// monotonic has no answer where there is no systemd.
func monotonic() (int64, error) { return 0, errors.ErrUnsupported }
