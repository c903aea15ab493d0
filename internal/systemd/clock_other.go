//go:build !linux

package systemd

import "errors"

// monotonic returns an error on systems without systemd.
func monotonic() (int64, error) { return 0, errors.ErrUnsupported }
